"""How the values of the robots' own actions make up the value of the joint action: value decomposition.

Both ways are monotonic in each robot's value, so that every robot's best action is part of the best joint action.
Where a robot is offline it is left out of the mean. The team's reward is the *mean* of its robots', not their sum: that
scales both sides of the learning target by 1/R and prefers no other action, but an error keeps the size that one
robot's has, whether there are 2 or 40 in the team.
"""

import math
from collections.abc import Mapping
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - its usual name

from learners.network import Shapes, named

_EMBEDDING = 32
_HYPER_HIDDEN = 64


class Mixer(Protocol):
    """Over parameters of its own, named in `shapes`; none for VDN."""

    shapes: Shapes

    def __call__(self, flat: Tensor, values: Tensor, obs: Tensor, present: Tensor) -> Tensor:
        """The joint values (B,).

        flat (M,) the mixer's parameters; values (R, B) of each robot's action; obs (R, B, D) scaled, 0 where a robot is
        offline; present (R, B), 1 where it is online and else 0: at least one is.
        """
        ...


class Additive:
    """VDN (Sunehag et al. 2018, equation 3): Q_tot is the sum of all Q_i, here over their number."""

    shapes: Shapes = {}

    def __call__(self, flat: Tensor, values: Tensor, obs: Tensor, present: Tensor) -> Tensor:
        """See `Mixer`."""
        return _shares(values, present).sum(0)


class Monotonic:
    """QMIX (Rashid et al. 2018, section 4.1): Q_tot is a network of all Q_i with weights of at least 0.

    Hypernetworks make those weights from the joint state, which is what all robots see: their first layers have R x D
    inputs. For 40 robots that see 157 numbers each they are 1.3 million parameters, twice as many as the robots' own.
    """

    def __init__(self, robots: int, features: int) -> None:
        state, wide, units = robots * features, _EMBEDDING, _HYPER_HIDDEN
        layers = {
            "mixer.weight1.0": (state, units),
            "mixer.weight1.1": (units, robots * wide),
            "mixer.bias1.0": (state, wide),
            "mixer.weight2.0": (state, units),
            "mixer.weight2.1": (units, wide),
            "mixer.bias2.0": (state, wide),
            "mixer.bias2.1": (wide, 1),
        }
        self.shapes: Shapes = {
            f"{layer}.{part}": shape
            for layer, (inputs, outputs) in layers.items()
            for part, shape in (("weight", (inputs, outputs)), ("bias", (outputs,)))
        }

    def __call__(self, flat: Tensor, values: Tensor, obs: Tensor, present: Tensor) -> Tensor:
        """See `Mixer`."""
        robots, count = values.shape
        parts = named(flat, self.shapes)
        state = obs.transpose(0, 1).reshape(count, -1)
        weight1 = _two_layers(parts, "mixer.weight1", state).abs().view(count, robots, _EMBEDDING)
        weight2 = _two_layers(parts, "mixer.weight2", state).abs()
        inner = torch.bmm(_shares(values, present).T.unsqueeze(1), weight1).squeeze(1)
        hidden = F.elu(inner + _affine(parts, "mixer.bias1.0", state))
        return (hidden * weight2).sum(-1) + _two_layers(parts, "mixer.bias2", state).squeeze(-1)


def make_mixer(algorithm: Literal["vdn", "qmix"], robots: int, features: int) -> Mixer:
    """The mixer of an algorithm, for `robots` that see `features` numbers each."""
    return Additive() if algorithm == "vdn" else Monotonic(robots, features)


def initial_mixer(shapes: Shapes, seed: np.random.SeedSequence) -> Tensor:
    """Weights and biases uniform within 1/sqrt of a layer's inputs, as torch's own, in one flat vector."""
    rng = torch.Generator().manual_seed(int(seed.generate_state(1, np.uint64)[0] >> 1))
    flat = torch.zeros(sum(math.prod(shape) for shape in shapes.values()))
    for name, part in named(flat, shapes).items():
        bound = 1 / math.sqrt(shapes[f"{name.rpartition('.')[0]}.weight"][0])
        part.uniform_(-bound, bound, generator=rng)
    return flat


def _shares(values: Tensor, present: Tensor) -> Tensor:
    """What each robot's value adds to the mean over those present, (R, B)."""
    return values * (present / present.sum(0))


def _affine(parts: Mapping[str, Tensor], layer: str, x: Tensor) -> Tensor:
    return torch.addmm(parts[f"{layer}.bias"], x, parts[f"{layer}.weight"])


def _two_layers(parts: Mapping[str, Tensor], layers: str, x: Tensor) -> Tensor:
    return _affine(parts, f"{layers}.1", torch.relu(_affine(parts, f"{layers}.0", x)))
