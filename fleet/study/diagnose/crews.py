"""Robots in crews: some learn independently, some as one, some don't learn; all in one world and one process.

What a probe trains. A crew's learners know nothing of the other crews: to them its robots are all there are, numbered
from 0, and the robots of others are part of the world.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from actors.build import make_policy
from actors.choice import Actions
from actors.policy import Acting, Policy
from env_server.collect import Round
from fleet.core.config import Config
from fleet.core.spec import Array, WorldSpec
from learners.build import build_learner
from learners.protocol import Learner


class Crew(Protocol):
    """`robots` act by `policy`, which knows them as 0, 1, ..."""

    @property
    def robots(self) -> tuple[int, ...]:
        """Their numbers in the world."""
        ...

    @property
    def policy(self) -> Acting:
        """How they act."""
        ...

    def learn(self, taken: Round) -> None:
        """Make of a round what they make of it."""
        ...


@dataclass(frozen=True)
class Frozen:
    """Robots that don't learn."""

    robots: tuple[int, ...]
    policy: Acting

    def learn(self, taken: Round) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Learning:
    """Robots that do: `groups[k]`, numbered as in the policy, are learner k's."""

    robots: tuple[int, ...]
    policy: Policy
    learners: tuple[Learner, ...]
    groups: tuple[tuple[int, ...], ...]

    def learn(self, taken: Round) -> None:
        """Each learner's update from its part; its robots act by what came of it from then on."""
        for learner, group in zip(self.learners, self.groups, strict=True):
            rollout = taken.rollout([self.robots[place] for place in group])
            learner.update(replace(rollout, robots=group))
            self.policy.load(group, learner.weights())

    def frozen_but(self, leaving: Sequence[int]) -> Frozen:
        """The others once some have left, as they act now."""
        staying = [place for place, robot in enumerate(self.robots) if robot not in leaving]
        return Frozen(tuple(self.robots[place] for place in staying), _Part(self.policy, staying, len(self.robots)))


def hire(config: Config, spec: WorldSpec, robots: Sequence[int]) -> Learning:
    """A fresh crew of `robots`, learning as `config` says: each for itself, or as one if its mapping is "central"."""
    own = replace(spec, robots=len(robots))
    policy = make_policy(own, config)
    groups = config.groups(len(robots))
    learners = tuple(build_learner(config, own, k) for k in range(len(groups)))
    for learner, group in zip(learners, groups, strict=True):
        policy.load(group, learner.weights())
    return Learning(tuple(robots), policy, learners, groups)


class Crews:
    """All robots of some crews, each acting by its crew's policy; every robot is in one of them."""

    def __init__(self, crews: Sequence[Crew]) -> None:
        self._crews = [(list(crew.robots), crew.policy) for crew in crews]

    def act(self, obs: Array, uniforms: npt.NDArray[np.floating]) -> tuple[Actions, npt.NDArray[np.float32]]:
        """See `Acting.act`."""
        actions = np.empty(uniforms.shape, np.uint8)
        log_probs = np.empty(uniforms.shape, np.float32)
        for robots, policy in self._crews:
            actions[robots], log_probs[robots] = policy.act(obs[robots], uniforms[robots])
        return actions, log_probs

    @property
    def loads(self) -> npt.NDArray[np.int64]:
        """See `Acting.loads`."""
        loads = np.zeros(sum(len(robots) for robots, _ in self._crews), np.int64)
        for robots, policy in self._crews:
            loads[robots] = policy.loads
        return loads

    def probabilities(self, obs: Array, actions: Actions) -> npt.NDArray[np.float64]:
        """See `Acting.probabilities`."""
        parts = [(robots, policy.probabilities(obs[robots], actions[robots])) for robots, policy in self._crews]
        probabilities = np.empty((*actions.shape, parts[0][1].shape[-1]))
        for robots, part in parts:
            probabilities[robots] = part
        return probabilities

    def greedy(self, obs: Array) -> Actions:
        """See `Acting.greedy`."""
        actions = np.empty(obs.shape[:2], np.uint8)
        for robots, policy in self._crews:
            actions[robots] = policy.greedy(obs[robots])
        return actions


class _Part:
    """Those at `places` of the `robots` that a policy knows."""

    def __init__(self, policy: Acting, places: Sequence[int], robots: int) -> None:
        self._policy, self._places, self._robots = policy, list(places), robots

    def act(self, obs: Array, uniforms: npt.NDArray[np.floating]) -> tuple[Actions, npt.NDArray[np.float32]]:
        """See `Acting.act`."""
        actions, log_probs = self._policy.act(self._spread(obs), self._spread(uniforms))
        return actions[self._places], log_probs[self._places]

    @property
    def loads(self) -> npt.NDArray[np.int64]:
        """See `Acting.loads`."""
        return self._policy.loads[self._places]

    def probabilities(self, obs: Array, actions: Actions) -> npt.NDArray[np.float64]:
        """See `Acting.probabilities`."""
        return self._policy.probabilities(self._spread(obs), self._spread(actions))[self._places]

    def greedy(self, obs: Array) -> Actions:
        """See `Acting.greedy`."""
        return self._policy.greedy(self._spread(obs))[self._places]

    def _spread(self, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """As the policy has them: whoever isn't here sees zeros."""
        spread = np.zeros((self._robots, *rows.shape[1:]), rows.dtype)
        spread[self._places] = rows
        return spread
