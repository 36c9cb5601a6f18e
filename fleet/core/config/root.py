"""The whole config: one frozen object, a pure value that every process is given."""

from typing import Self

from pydantic import Field, model_validator

from fleet.core.config.faults import FaultPlan
from fleet.core.config.learning import LearnerConfig, NetworkConfig
from fleet.core.config.running import CheckpointConfig, ControlConfig, EvalConfig, RunConfig
from fleet.core.config.table import Table
from fleet.core.config.wire import WireConfig
from fleet.core.config.world import WorldConfig


class Config(Table):
    """A run's config. `mapping` says which robots learn in which process."""

    run: RunConfig = Field(default_factory=RunConfig, description="Length, seed and pacing.")
    world: WorldConfig = Field(description="The floor and its robots.")
    network: NetworkConfig = Field(default_factory=NetworkConfig, description="Actor and critic.")
    learner: LearnerConfig = Field(default_factory=LearnerConfig, description="The learning algorithm.")
    mapping: str | tuple[tuple[int, ...], ...] = Field(
        "per-robot", description='"per-robot", "shared" (one learner for all), or lists of robots: [[0, 1], [2, 3]].'
    )
    checkpoint: CheckpointConfig = Field(default_factory=CheckpointConfig, description="Snapshots and checkpoints.")
    eval: EvalConfig = Field(default_factory=EvalConfig, description="Periodic evaluation.")
    control: ControlConfig = Field(default_factory=ControlConfig, description="Heartbeats and restarts.")
    wire: WireConfig = Field(default_factory=WireConfig, description="Where the processes meet, and with which keys.")
    faults: FaultPlan = Field(default_factory=FaultPlan, description="What is to fail, when, for how long.")

    def snapshot_due(self, done: int) -> bool:
        """Whether a run snapshot follows `done` rounds: each learner then has its checkpoint ready first."""
        evaluated = self.eval.every > 0 and done % self.eval.every == 0
        return evaluated or done % self.checkpoint.every == 0 or done == self.run.rounds

    @model_validator(mode="after")
    def _mapping(self) -> Self:
        if isinstance(self.mapping, str) and self.mapping not in ("per-robot", "shared"):
            raise ValueError(f'mapping = "{self.mapping}"; allowed are "per-robot", "shared", or lists of robots')
        return self


def robot_groups(mapping: str | tuple[tuple[int, ...], ...], robots: int) -> tuple[tuple[int, ...], ...]:
    """The robots of each learner: element k is what learner k trains, in ascending order.

    Raises ValueError, naming the robot, if lists of robots leave one out, repeat one or name one that isn't there.
    """
    if mapping == "per-robot":
        return tuple((robot,) for robot in range(robots))
    if mapping == "shared":
        return (tuple(range(robots)),)
    assert not isinstance(mapping, str)
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
