"""The `[replay]` table: how learners with a replay memory explore, remember and learn (`learner.algorithm`)."""

from typing import Self

from pydantic import Field, model_validator

from fleet.core.config.table import Table


class ReplayConfig(Table):
    """Off-policy learning from what a learner remembers (Mnih et al. 2015). A step is one of one copy of the world."""

    capacity: int = Field(
        20_000,
        ge=1_000,
        le=100_000_000,
        description="Steps remembered, the oldest forgotten first: each holds what all robots of the learner saw. They "
        "are in every checkpoint of it (4.3 KB a step for 40 robots that see 100 bytes), so save those less often.",
    )
    warmup: int = Field(2_000, ge=1, description="Steps remembered before learning begins.")
    batch: int = Field(256, ge=1, le=1_000_000, description="Steps per gradient step, drawn uniformly.")
    steps_per_update: int = Field(32, ge=1, le=100_000, description="Gradient steps per rollout.")
    target_every: int = Field(100, ge=1, description="Gradient steps between copies of the weights to the target's.")
    double: bool = Field(True, description="Choose the next action by the weights, value it by the target's.")
    huber: float | None = Field(1.0, gt=0, description="Errors above this count linearly. Unset: all are squared.")
    hysteresis: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Weight of errors by which a value is to fall; 1: as those by which it is to rise. Below that a "
        "learner forgives what others' exploring cost it (hysteretic Q-learning, Matignon et al. 2007).",
    )
    explore_start: float = Field(1.0, ge=0, le=1, description="Share of random actions at the start.")
    explore_end: float = Field(0.05, ge=0, le=1, description="Share of random actions in the end.")
    explore_updates: int = Field(50, ge=1, description="Updates over which the share goes linearly from one to other.")

    @model_validator(mode="after")
    def _reached(self) -> Self:
        if self.warmup > self.capacity:
            raise ValueError(f"warmup = {self.warmup} is never reached; allowed are 1 to capacity = {self.capacity}")
        return self
