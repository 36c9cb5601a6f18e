"""The values of a team's actions, robot by robot and mixed, and the error that learning them descends. Pure functions.

Double Q-learning (van Hasselt et al. 2016) on the mixed value, as VDN and QMIX have it.
"""

from collections.abc import Sequence
from math import prod
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - its usual name

from fleet.core import seeds
from fleet.core.config import NetworkConfig
from fleet.core.spec import WorldSpec
from learners.mixing import initial_mixer, make_mixer
from learners.network import Perceptron, initial_parameters, named
from learners.normalize import Normalizer
from learners.protocol import F32
from learners.replay import Transitions
from learners.rollouts import owned


class Batch(NamedTuple):
    """B steps of R robots as the loss needs them.

    obs and next_obs f32 (R, B, D), scaled, 0 where a robot is offline; actions int64 (R, B, 1); rewards f32 (B,), the
    mean of the robots online; alive and present f32 (R, B): 1 where the robot's episode goes on, and where it is
    online; lengths f32 (B,), the steps until next_obs. With fingerprints D has their columns behind it.
    """

    obs: Tensor
    next_obs: Tensor
    actions: Tensor
    rewards: Tensor
    alive: Tensor
    present: Tensor
    lengths: Tensor


class Team:
    """Value networks, of each robot its own (`separate`) or one for all, and their mixer, over one flat vector (P,).

    The networks' numbers come first, robot after robot. They have `extra` inputs behind what a robot sees, of which a
    mixer knows nothing.
    """

    def __init__(
        self,
        algorithm: Literal["vdn", "qmix"],
        spec: WorldSpec,
        network: NetworkConfig,
        robots: Sequence[int],
        *,
        separate: bool,
        extra: int = 0,
    ) -> None:
        self.robots = tuple(robots)
        sizes = (spec.observation_size + extra, *network.hidden, spec.actions)
        self.network = Perceptron("actor", sizes, network.activation)
        self.separate = separate
        self._mixer = make_mixer(algorithm, len(robots), spec.observation_size)
        each = sum(prod(shape) for shape in self.network.shapes.values())
        self._networks = (len(robots), each) if separate else (each,)

    def initial(self, seed: int, learner: int) -> Tensor:
        """Parameters to begin with. A robot's own are those that a learner of its number would begin with."""
        alone = self.robots if self.separate else (learner,)
        networks = [initial_parameters(self.network.shapes, seeds.stream(seed, "init", one)) for one in alone]
        return torch.cat([*networks, initial_mixer(self._mixer.shapes, seeds.stream(seed, "init", learner, 0))])

    def named(self, parameters: Tensor) -> dict[str, Tensor]:
        """All parts by name, as views; those of separate networks with a leading axis of robots."""
        networks, mixer = self._split(parameters)
        return {**named(networks, self.network.shapes), **named(mixer, self._mixer.shapes)}

    def values(self, parameters: Tensor, obs: Tensor) -> Tensor:
        """Each robot's values of its own actions, (R, B, A), for scaled observations (R, B, D)."""
        networks, _ = self._split(parameters)
        if self.separate:
            return self.network(networks, obs)
        return self.network(networks, obs.flatten(0, 1)).view(*obs.shape[:2], -1)

    def joint(self, parameters: Tensor, values: Tensor, obs: Tensor, present: Tensor) -> Tensor:
        """The team's values (B,): see `Mixer`."""
        return self._mixer(self._split(parameters)[1], values, obs, present)

    def _split(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        networks = prod(self._networks)
        return parameters[:networks].view(self._networks), parameters[networks:]


def batch_of(drawn: Transitions, normalizer: Normalizer, prints: F32 | None = None) -> Batch:
    """What was drawn from the memory, scaled as observations are scaled by now; `prints` (B, F) go behind both."""
    online = drawn.present.T
    present = owned(online)

    def seen(obs: Tensor) -> Tensor:
        scaled = normalizer.apply_(obs)
        scaled = scaled if online.all() else scaled.mul_(present.unsqueeze(-1))
        if prints is None:
            return scaled
        return torch.cat([scaled, owned(prints).expand(*scaled.shape[:2], -1)], -1)

    return Batch(
        obs=seen(owned(drawn.obs.swapaxes(0, 1))),
        next_obs=seen(owned(drawn.next_obs.swapaxes(0, 1))),
        actions=owned(drawn.actions.T, torch.int64).unsqueeze(-1),
        rewards=owned(drawn.rewards.sum(1, dtype=np.float64) / drawn.present.sum(1)),
        alive=owned(online & ~drawn.terminated.T),
        present=present,
        lengths=owned(drawn.lengths),
    )


def goals(team: Team, parameters: Tensor, target: Tensor, batch: Batch, gamma: float, *, double: bool) -> Tensor:
    """What the values of a batch's joint actions are to become, (B,): returns of `lengths` steps, and what follows.

    Returns of several steps aren't corrected for what the policies would do by now (as in Hessel et al. 2018). A robot
    whose episode has terminated adds nothing from then on; once all have, there is nothing more to come.
    """
    theirs = team.values(target, batch.next_obs)
    chooser = team.values(parameters, batch.next_obs) if double else theirs
    best = theirs.gather(-1, chooser.argmax(-1, keepdim=True)).squeeze(-1) * batch.alive
    following = team.joint(target, best, batch.next_obs, batch.present) * batch.alive.amax(0)
    return batch.rewards + gamma**batch.lengths * following


def loss(
    team: Team, parameters: Tensor, batch: Batch, wanted: Tensor, huber: float | None, falling: Tensor | float = 1.0
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """What a gradient step descends: half the mean squared error, errors above `huber` counted linearly.

    Where the joint value is to fall an error counts `falling` times, one number (hysteresis: Omidshafiei et al. 2017,
    section 4.2) or one for each step (B,).

    It is taken R times: a robot's value is the R-th part of the team's, and so its network has a gradient as large as
    it would alone, well above Adam's epsilon. Also gives the mean loss of one robot, the mean joint value, and the
    absolute errors (B,).
    """
    values = team.values(parameters, batch.obs).gather(-1, batch.actions).squeeze(-1)
    joint = team.joint(parameters, values, batch.obs, batch.present)
    if huber is None:
        each = 0.5 * F.mse_loss(joint, wanted, reduction="none")
    else:
        each = F.huber_loss(joint, wanted, delta=huber, reduction="none")
    valued = joint.detach()
    if isinstance(falling, Tensor) or falling < 1:
        each = torch.where(wanted < valued, falling * each, each)
    mean = each.mean()
    return len(team.robots) * mean, (mean.detach(), valued.mean(), (wanted - valued).abs())
