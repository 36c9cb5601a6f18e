"""Actor and critic as pure functions of one flat parameter vector: norm, optimizer and copies are one call each.

A network is a list of layers (weight (in, out), bias (out,)). Names: "actor.0.weight", ..., "critic.0.weight", ...;
with a shared trunk the actor's hidden layers are the trunk and the critic is one layer on top of them. Several networks
at once are several vectors (K, P): each shape below then has K in front, and no number of one network reaches another.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import init

from fleet.core.config import NetworkConfig
from fleet.core.spec import WorldSpec

Layer = tuple[Tensor, Tensor]
Shapes = Mapping[str, tuple[int, ...]]


def parameter_shapes(spec: WorldSpec, network: NetworkConfig) -> dict[str, tuple[int, ...]]:
    """Every parameter's name and shape, in the order of the flat vector."""
    actor = (spec.observation_size, *network.hidden, spec.actions)
    critic = (network.hidden[-1], 1) if network.share_trunk else (spec.observation_size, *network.hidden, 1)
    return layer_shapes("actor", actor) | layer_shapes("critic", critic)


def layer_shapes(part: str, sizes: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """The parameters of one network, `sizes` being the numbers into its layers and out of the last one."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer, (inputs, outputs) in enumerate(pairwise(sizes)):
        shapes[f"{part}.{layer}.weight"] = (inputs, outputs)
        shapes[f"{part}.{layer}.bias"] = (outputs,)
    return shapes


def initial_parameters(shapes: Shapes, seed: np.random.SeedSequence) -> Tensor:
    """Orthogonal weights (gain sqrt 2 in hidden layers, 0.01 in the actor's head, 1 in the critic's), biases zero."""
    rng = torch.Generator().manual_seed(int(seed.generate_state(1, np.uint64)[0] >> 1))
    heads = {name.partition(".")[0]: name for name in shapes if name.endswith("weight")}  # the last one of each part
    gains = {heads[part]: gain for part, gain in (("actor", 0.01), ("critic", 1.0)) if part in heads}
    flat = torch.zeros(sum(math.prod(shape) for shape in shapes.values()))
    for name, weight in named(flat, shapes).items():
        if name.endswith("weight"):
            init.orthogonal_(weight, gains.get(name, math.sqrt(2)), generator=rng)
    return flat


def named(flat: Tensor, shapes: Shapes) -> dict[str, Tensor]:
    """The parts of a flat vector, or of several (K, P), by name, as views."""
    parts = flat.split_with_sizes([math.prod(shape) for shape in shapes.values()], -1)
    pairs = zip(shapes.items(), parts, strict=True)
    return {name: part.view(*flat.shape[:-1], *shape) for (name, shape), part in pairs}


class ActorCritic:
    """The two networks over one flat vector (P,), which the caller owns and passes in."""

    def __init__(self, spec: WorldSpec, network: NetworkConfig) -> None:
        self.shapes = parameter_shapes(spec, network)
        self.first_layers = ("actor.0",) if network.share_trunk else ("actor.0", "critic.0")
        self._shared = network.share_trunk
        self._hidden, self._head = _ACTIVATIONS[network.activation]

    def __call__(self, flat: Tensor, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, A) and values (B,) of scaled observations (B, D)."""
        actor, critic = self._layers(flat)
        seen = self._hidden(obs, actor[:-1])
        valued = seen if self._shared else self._hidden(obs, critic[:-1])
        return self._head(seen, actor[-1]), self._head(valued, critic[-1]).squeeze(-1)

    def values(self, flat: Tensor, obs: Tensor) -> Tensor:
        """The critic alone."""
        actor, critic = self._layers(flat)
        trunk = actor[:-1] if self._shared else critic[:-1]
        return self._head(self._hidden(obs, trunk), critic[-1]).squeeze(-1)

    def _layers(self, flat: Tensor) -> tuple[list[Layer], list[Layer]]:
        both = layers(flat, self.shapes)
        critic_depth = sum(name.startswith("critic") for name in self.shapes) // 2
        return both[:-critic_depth], both[-critic_depth:]


class Perceptron:
    """One network over a flat vector (P,), or several over vectors (K, P)."""

    def __init__(self, part: str, sizes: Sequence[int], activation: Literal["tanh", "relu"]) -> None:
        self.shapes = layer_shapes(part, sizes)
        self.size = sum(math.prod(shape) for shape in self.shapes.values())
        self._hidden, self._head = _ACTIVATIONS[activation]

    def __call__(self, flat: Tensor, x: Tensor) -> Tensor:
        """The last layer's outputs (..., B, O) of inputs (..., B, I)."""
        *hidden, head = layers(flat, self.shapes)
        return self._head(self._hidden(x, hidden), head)


def layers(flat: Tensor, shapes: Shapes) -> list[Layer]:
    """The layers of a flat vector, or of several (K, P), in order, as views."""
    parts = list(named(flat, shapes).values())
    return list(zip(parts[::2], parts[1::2], strict=True))


def _affine(b: Tensor, x: Tensor, w: Tensor) -> Tensor:
    """The product x @ w + b, of each network if there are several."""
    return torch.addmm(b, x, w) if w.ndim == 2 else torch.baddbmm(b.unsqueeze(-2), x, w)


def _tanh_hidden(x: Tensor, layers: Sequence[Layer]) -> Tensor:
    """The last layer's s = sigmoid(2 z), for which tanh(z) = 2 s - 1; torch computes it four times as fast as tanh.

    The twos and the one go into the (small) weights and biases: h @ w + b = s @ (2 w) + (b - sum of w's rows).
    """
    (w, b), *rest = layers
    s = torch.sigmoid(_affine(2 * b, x, 2 * w))
    for w, b in rest:
        s = torch.sigmoid(_affine(2 * (b - w.sum(-2)), s, 4 * w))
    return s


def _tanh_head(s: Tensor, layer: Layer) -> Tensor:
    w, b = layer
    return _affine(b - w.sum(-2), s, 2 * w)


def _relu_hidden(x: Tensor, layers: Sequence[Layer]) -> Tensor:
    for w, b in layers:
        x = torch.relu(_affine(b, x, w))
    return x


def _relu_head(x: Tensor, layer: Layer) -> Tensor:
    w, b = layer
    return _affine(b, x, w)


_ACTIVATIONS = {"tanh": (_tanh_hidden, _tanh_head), "relu": (_relu_hidden, _relu_head)}
