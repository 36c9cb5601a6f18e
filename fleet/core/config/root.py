"""The whole config: one frozen object, a pure value that every process is given."""

from collections.abc import Sequence
from typing import Self

from pydantic import Field, model_validator

from fleet.core.config.faults import FaultPlan
from fleet.core.config.learners import LearnersConfig
from fleet.core.config.learning import ALONE, LearnerConfig, NetworkConfig
from fleet.core.config.replay import ReplayConfig
from fleet.core.config.running import CheckpointConfig, ControlConfig, EvalConfig, RunConfig
from fleet.core.config.table import Table
from fleet.core.config.wire import WireConfig
from fleet.core.config.world import WorldConfig

Groups = tuple[tuple[int, ...], ...]
MOST_JOINT = 8
"""Robots of a joint policy."""


class Config(Table):
    """A run's config. `mapping` says which robots share weights, `learners.per_process` how many share a process."""

    run: RunConfig = Field(default_factory=RunConfig, description="Length, seed and pacing.")
    world: WorldConfig = Field(description="The floor and its robots.")
    network: NetworkConfig = Field(default_factory=NetworkConfig, description="Actor and critic.")
    learner: LearnerConfig = Field(default_factory=LearnerConfig, description="The learning algorithm.")
    replay: ReplayConfig = Field(default_factory=ReplayConfig, description="The memory of off-policy algorithms.")
    mapping: str | Groups = Field(
        "per-robot",
        description='"per-robot", "shared" (one learner for all, one set of weights), "central" (one centralized '
        "learner for all), or lists of robots: [[0, 1], [2, 3]].",
    )
    learners: LearnersConfig = Field(default_factory=LearnersConfig, description="Learners and their processes.")
    checkpoint: CheckpointConfig = Field(default_factory=CheckpointConfig, description="Snapshots and checkpoints.")
    eval: EvalConfig = Field(default_factory=EvalConfig, description="Periodic evaluation.")
    control: ControlConfig = Field(default_factory=ControlConfig, description="Heartbeats and restarts.")
    wire: WireConfig = Field(default_factory=WireConfig, description="Where the processes meet, and with which keys.")
    faults: FaultPlan = Field(default_factory=FaultPlan, description="What is to fail, when, for how long.")

    @property
    def packed(self) -> bool:
        """Whether a learner process holds independent learners of one robot each, side by side."""
        return self.learners.per_process > 1

    @property
    def central(self) -> bool:
        """Whether one learner has the rollouts of all robots before it learns from any."""
        return self.mapping == "central"

    @property
    def own_weights(self) -> bool:
        """Whether each robot of a learner process has weights of its own: a policy then has a leading axis of robots.

        `joint`'s are one policy, whatever parts it has.
        """
        separate = self.learner.actors == "separate" and self.learner.algorithm != "joint"
        return self.packed or (self.central and separate)

    def groups(self, robots: int) -> Groups:
        """The robots of each learner process out of `robots`: element k is what learner k trains, in ascending order.

        Of packed learners the last process has what is left. Raises ValueError, naming the robot, if lists of robots
        leave one out, repeat one or name one that isn't there; also for more than MOST_JOINT robots of a joint policy.
        """
        if self.mapping == "per-robot":
            each = self.learners.per_process
            return tuple(tuple(range(first, min(first + each, robots))) for first in range(0, robots, each))
        if self.mapping in ("shared", "central"):
            if self.learner.algorithm == "joint" and robots > MOST_JOINT:
                raise ValueError(
                    f'algorithm = "joint" with {robots} robots; allowed are 1 to {MOST_JOINT}: they choose one after '
                    "the other, each from what all see, so that a step's cost grows with the square of their number"
                )
            return (tuple(range(robots)),)
        assert not isinstance(self.mapping, str)
        return _checked(self.mapping, robots)

    def frozen_robots(self, robots: int) -> frozenset[int]:
        """The robots out of `robots` that never learn (`learners.frozen`).

        Raises ValueError, naming the robot, for one that isn't there or is named twice, and for some but not all of the
        robots of one learner, unless it is packed; also if nobody is left to learn.
        """
        groups, frozen = self.groups(robots), self.learners.frozen
        _check_frozen(frozen, robots)
        for group in () if self.packed else groups:
            live = [robot for robot in group if robot not in frozen]
            if live and len(live) < len(group):
                stopped = next(robot for robot in group if robot in frozen)
                raise ValueError(
                    f"learners.frozen names robot {stopped}, which shares a learner with robot {live[0]} (mapping); "
                    "allowed are all robots of a learner, or none of them"
                )
        return frozenset(frozen)

    def frozen_learners(self, robots: int) -> frozenset[int]:
        """The learners whose robots are all frozen: they publish their first policy, and get no rollout."""
        frozen = self.frozen_robots(robots)
        return frozenset(k for k, group in enumerate(self.groups(robots)) if frozen.issuperset(group))

    def snapshot_due(self, done: int) -> bool:
        """Whether a run snapshot follows `done` rounds: each learner then has its checkpoint ready first."""
        evaluated = self.eval.every > 0 and done % self.eval.every == 0
        return evaluated or done % self.checkpoint.every == 0 or done == self.run.rounds

    @model_validator(mode="after")
    def _mapping(self) -> Self:
        if isinstance(self.mapping, str) and self.mapping not in ("per-robot", "shared", "central"):
            raise ValueError(
                f'mapping = "{self.mapping}"; allowed are "per-robot", "shared", "central", or lists of robots'
            )
        if self.packed and self.mapping != "per-robot":
            raise ValueError(
                f"learners.per_process = {self.learners.per_process} puts learners of one robot each together; allowed "
                f'is 1, unless mapping = "per-robot"'
            )
        return self

    @model_validator(mode="after")
    def _replayed(self) -> Self:
        algorithm, replay = self.learner.algorithm, self.replay
        if algorithm in ("vdn", "qmix") and (replay.fingerprint or replay.leniency > 0):
            setting = "fingerprint = true" if replay.fingerprint else f"leniency = {replay.leniency}"
            raise ValueError(
                f'replay.{setting} with algorithm = "{algorithm}", which learns for all robots at once and has no '
                'others to allow for; allowed is algorithm = "iql"'
            )
        if self.learner.by_values and replay.n_step > self.learner.rollout_steps:
            raise ValueError(
                f"replay.n_step = {replay.n_step}; allowed are 1 to learner.rollout_steps = "
                f"{self.learner.rollout_steps}: no return goes on in the next rollout"
            )
        return self

    @model_validator(mode="after")
    def _centralized(self) -> Self:
        algorithm = self.learner.algorithm
        if self.central and algorithm in ALONE:
            raise ValueError(
                f'mapping = "central" with algorithm = "{algorithm}"; allowed are "mappo", "vdn", "qmix", "joint"'
            )
        if algorithm == "iql" and (self.mapping != "per-robot" or self.packed or self.learners.device != "cpu"):
            raise ValueError(
                'algorithm = "iql" is for mapping = "per-robot", learners.per_process = 1 and learners.device = "cpu"'
            )
        if not self.central and algorithm not in ALONE:
            raise ValueError(f'algorithm = "{algorithm}" learns for all robots at once; allowed is mapping = "central"')
        if algorithm in ("mappo", "joint") and self.network.share_trunk:
            raise ValueError(
                f'network.share_trunk = true; allowed is false, since the critic of "{algorithm}" is a joint one'
            )
        if algorithm not in ("mappo", "joint") and self.network.critic_hidden is not None:
            raise ValueError(f'network.critic_hidden is for a joint critic; algorithm = "{algorithm}" has none')
        if algorithm == "joint" and self.learner.actors == "shared":
            raise ValueError('learner.actors = "shared" with algorithm = "joint", which is one policy; leave it unset')
        if self.central and self.learners.device != "cpu":
            raise ValueError(f'learners.device = "{self.learners.device}"; a centralized learner is for "cpu"')
        return self


def _check_frozen(frozen: Sequence[int], robots: int) -> None:
    for place, robot in enumerate(frozen):
        if not 0 <= robot < robots:
            raise ValueError(f"learners.frozen names robot {robot}; allowed are 0 to {robots - 1}")
        if robot in frozen[:place]:
            raise ValueError(f"learners.frozen names robot {robot} twice")
    if len(frozen) == robots:
        raise ValueError(f"learners.frozen names all {robots} robots; allowed are fewer, or nothing would learn")


def _checked(mapping: Groups, robots: int) -> Groups:
    """Each list in ascending order, once all of them together are known to have every robot once."""
    seen: set[int] = set()
    for group in mapping:
        if not group:
            raise ValueError("mapping has an empty group")
        for robot in group:
            if not 0 <= robot < robots:
                raise ValueError(f"mapping names robot {robot}; allowed are 0 to {robots - 1}")
            if robot in seen:
                raise ValueError(f"mapping names robot {robot} twice")
            seen.add(robot)
    missing = sorted(set(range(robots)) - seen)
    if missing:
        raise ValueError(f"mapping leaves out robot {missing[0]}; every robot needs a learner")
    return tuple(tuple(sorted(group)) for group in mapping)
