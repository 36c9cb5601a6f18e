"""What a centralized PPO learner consists of: actors and a joint critic, an optimizer for each, and scalings.

One file holds it all. K sets of actor weights are side by side, (K, P); where one set is all robots', K is 1 and the
arrays have no leading axis.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil, sqrt
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from fleet.core import seeds
from fleet.core.config import Config, LearnerConfig
from fleet.core.spec import Array, RolloutBatch, WorldSpec
from learners.adam import Adam, Adams
from learners.autograd import clip_
from learners.joint_state import JointStates
from learners.network import Perceptron, initial_parameters, layers, named
from learners.normalize import Normalizer
from learners.packed import stacked
from learners.protocol import F32, Meta, WrongWeights, expect
from learners.rollouts import owned
from learners.schedule import learning_rate
from learners.value_norm import ValueNorm


@contextmanager
def flushing() -> Iterator[None]:
    """Have numbers below the smallest normal f32 be zero meanwhile, in this thread.

    The gradient through a saturated unit is such a number, and a product of many of them takes a hundred times as long.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


_BLOCK = 512  # joint states valued at once


def build_central(
    config: Config, spec: WorldSpec, actor_sizes: Sequence[int], outputs: int, *, shared: bool
) -> "Central":
    """Fresh ones, the actors with the weights that independent learners of the same run would begin with.

    `actor_sizes`: numbers into each layer of an actor, and out of its last. `outputs`: the critic's. With `shared`
    there is one set of actor weights.
    """
    network, seed = config.network, config.run.seed
    actor = Perceptron("actor", actor_sizes, network.activation)
    state = spec.robots * spec.observation_size
    critic = Perceptron("critic", (state, *(network.critic_hidden or network.hidden), outputs), network.activation)
    sets = range(1 if shared else spec.robots)
    return Central(
        actor,
        critic,
        torch.stack([initial_parameters(actor.shapes, seeds.stream(seed, "init", k)) for k in sets]),
        initial_parameters(critic.shapes, seeds.stream(seed, "init", spec.robots)),
        [Normalizer(network.observation_scaling, spec.bound) for _ in sets],
        ValueNorm(outputs, on=config.learner.value_norm),
        config.learner.adam_eps,
        shared,
    )


class Learning(NamedTuple):
    """Who learns in an update: sets of actor weights (k,), and outputs of the critic that don't; both int64."""

    actors: Tensor
    idle_outputs: Tensor

    def is_all(self, actors: Tensor) -> bool:
        """Whether all of `actors` (K, P) do."""
        return len(self.actors) == len(actors)


class Rates(NamedTuple):
    """Step sizes."""

    actor: float
    critic: float

    @classmethod
    def at(cls, cfg: LearnerConfig, robots: int, horizon: int, version: int) -> Self:
        """Of the update after `version`, for a critic that sees so many robots.

        Each weight of its first layer moves by the step size, and what a hidden unit gets by the sum over all inputs:
        with forty robots, a step fit for one robot's critic saturates the units.
        """
        starts = (cfg.learning_rate, cfg.critic_learning_rate or cfg.learning_rate / sqrt(robots))
        return cls(*(learning_rate(start, cfg.lr_schedule, horizon, version) for start in starts))


@dataclass
class Central:
    """One learner's. `normalizers`: one for each set of weights. `is_shared`: that there is but one, all robots'."""

    actor: Perceptron
    critic: Perceptron
    actors: Tensor
    values: Tensor
    normalizers: Sequence[Normalizer]
    value_norm: ValueNorm
    eps: float
    is_shared: bool

    def __post_init__(self) -> None:
        steps = np.zeros(len(self.actors), np.int64)
        self.adams = Adams(torch.zeros_like(self.actors), torch.zeros_like(self.actors), steps, self.eps)
        self.critic_adam = Adam(self.values.numel(), self.eps)

    def scaling(self, robots: int) -> tuple[F32, F32]:
        """Mean and scale of each robot's observations, f32 (N, D)."""
        of = [self.normalizers[0 if self.is_shared else robot] for robot in range(robots)]
        return np.stack([one.mean for one in of]), np.stack([one.scale for one in of])

    def take_in(self, rollout: RolloutBatch) -> None:
        """Count a rollout's observations into the running statistics, if there are any."""
        if self.is_shared:
            self.normalizers[0].take_in(rollout.obs[:, :-1])
            return
        for place, robot in enumerate(rollout.robots):
            self.normalizers[robot].take_in(rollout.obs[place, :-1])

    def outputs(self, states: JointStates) -> tuple[F32, F32]:
        """The critic's outputs for every state of a rollout, (T+1, E, O), and for its final states, (K', O)."""
        rows = np.array_split(np.arange(states.count), ceil(states.count / _BLOCK))
        seen = np.concatenate([self.evaluated(states.scaled(block)) for block in rows])
        return seen.reshape(*states.shape, -1), self.evaluated(states.final_scaled())

    def evaluated(self, scaled: Tensor) -> F32:
        """The critic's outputs (B, O) for scaled states (B, N, D)."""
        values: F32 = self.critic(self.values, scaled.flatten(1)).numpy()
        return values

    def leaves(self, learning: Learning) -> tuple[Tensor, Tensor]:
        """The weights that a step's gradient is by: of the actors that learn, (k, P), and of the critic."""
        actors = self.actors if learning.is_all(self.actors) else self.actors.index_select(0, learning.actors)
        return actors.detach().requires_grad_(), self.values.detach().requires_grad_()

    def descend(
        self, cfg: LearnerConfig, loss: Tensor, leaves: tuple[Tensor, Tensor], learning: Learning, rates: Rates
    ) -> tuple[Tensor, Tensor]:
        """Step against the gradient of `loss` by `leaves`, each actor's clipped alone and the critic's too.

        Gives the norms before clipping, (k,) and (). Actors and outputs of the critic that don't learn stay as they
        are, and their moments too.
        """
        of_actors, of_critic = torch.autograd.grad(loss, leaves)
        norms = clip_(of_actors, cfg.max_grad_norm), clip_(of_critic, cfg.max_grad_norm)
        going = np.zeros(len(self.actors), np.bool_)
        going[learning.actors.numpy()] = True
        if not going.all():
            of_actors = torch.zeros_like(self.actors).index_copy_(0, learning.actors, of_actors)
        self.adams.step(self.actors, of_actors, np.full(len(going), rates.actor), going)

        idle = learning.idle_outputs
        heads = [part for flat in (self.values, self.critic_adam.m, self.critic_adam.v) for part in self._head(flat)]
        before = [part.index_select(-1, idle) for part in heads] if len(idle) else []
        self.critic_adam.step(self.values, of_critic, rates.critic)
        for part, kept in zip(heads, before, strict=False):
            part.index_copy_(-1, idle, kept)
        return norms

    def is_finite(self) -> bool:
        """Whether all weights are."""
        return bool(self.actors.isfinite().all() and self.values.isfinite().all())

    def weights(self) -> dict[str, F32]:
        """See `Learner.weights`."""
        mean, scale = self.scaling(len(self.normalizers))
        scaling = {"obs.mean": mean, "obs.scale": scale}
        return self._actor_arrays() | {name: self._placed(array).copy() for name, array in scaling.items()}

    def save(self) -> tuple[dict[str, Array], Meta]:
        """See `Learner.save`; algorithm and version are the learner's to add."""
        arrays: dict[str, Array] = {**self._networks(), **self.value_norm.save()}
        for name, adam, place in (("adam", self.adams, self._placed), ("adam.critic", self.critic_adam, np.asarray)):
            arrays |= {f"{name}.m": place(adam.m.numpy()).copy(), f"{name}.v": place(adam.v.numpy()).copy()}
        return arrays, {"adam_steps": self.adams.steps.tolist(), "critic_adam_steps": self.critic_adam.steps}

    def restore(self, arrays: Mapping[str, Array], meta: Meta, algorithm: str) -> None:
        """See `Learner.restore`; for the learner checks also that version and `algorithm` are right."""
        if meta.get("algorithm") != algorithm:
            raise WrongWeights(f"a checkpoint of algorithm {meta.get('algorithm')!r}; wanted {algorithm!r}")
        steps, critic_steps = meta.get("adam_steps"), meta.get("critic_adam_steps")
        counts = [*steps, critic_steps, meta.get("version")] if isinstance(steps, list) else []
        if len(counts) != len(self.actors) + 2 or not all(isinstance(count, int) and count >= 0 for count in counts):
            raise WrongWeights(
                f"a checkpoint with adam_steps, critic_adam_steps, version = {steps}, {critic_steps}, "
                f"{meta.get('version')}; wanted {len(self.actors)} counts, one, one"
            )
        expect(arrays, self.save()[0])
        self._take_networks(arrays)
        self.adams.m.copy_(owned(arrays["adam.m"]).view_as(self.actors))
        self.adams.v.copy_(owned(arrays["adam.v"]).view_as(self.actors))
        self.critic_adam.m.copy_(owned(arrays["adam.critic.m"]))
        self.critic_adam.v.copy_(owned(arrays["adam.critic.v"]))
        self.adams.steps[:] = counts[:-2]
        self.critic_adam.steps = int(counts[-2])

    def start_from(self, arrays: Mapping[str, Array]) -> None:
        """See `Learner.start_from`: the networks, and the units that the critic's values are in.

        Raises WrongWeights also if observations were scaled otherwise.
        """
        ours = {**self._networks(), **self.value_norm.save()}
        theirs = {name: arrays[name] for name in ours if name in arrays}
        expect(theirs, ours)
        is_fixed = self.normalizers[0].kind != "running"
        if is_fixed and not all(np.array_equal(theirs[name], ours[name]) for name in ("obs.mean", "obs.scale")):
            raise WrongWeights("weights of observations that were scaled otherwise; allowed is only the same scaling")
        self._take_networks(theirs)

    def _networks(self) -> dict[str, Array]:
        """All that acts and values, by name: networks and scalings."""
        critic = {name: part.numpy().copy() for name, part in named(self.values, self.critic.shapes).items()}
        scaling = stacked([normalizer.save() for normalizer in self.normalizers])
        return {**self._actor_arrays(), **critic, **{name: self._placed(array) for name, array in scaling.items()}}

    def _take_networks(self, arrays: Mapping[str, Array]) -> None:
        for name, part in named(self.actors, self.actor.shapes).items():
            part.copy_(owned(arrays[name]).view_as(part))
        for name, part in named(self.values, self.critic.shapes).items():
            part.copy_(owned(arrays[name]))
        for place, normalizer in enumerate(self.normalizers):
            own = {name: array for name, array in arrays.items() if name.startswith("running.")}
            normalizer.restore(own if self.is_shared else {name: array[place] for name, array in own.items()})
        self.value_norm.restore(arrays)

    def _actor_arrays(self) -> dict[str, F32]:
        parts = named(self.actors, self.actor.shapes).items()
        return {name: self._placed(part.numpy()).copy() for name, part in parts}

    def _head(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        """The critic's last layer in its parameters or moments, a view."""
        return layers(flat, self.critic.shapes)[-1]

    def _placed(self, array: np.ndarray) -> np.ndarray:
        """Without the leading axis where there is but one set of weights, all robots'."""
        return array[0] if self.is_shared else array
