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
    n_step: int = Field(
        1,
        ge=1,
        le=1_000,
        description="Steps of reward before a value stands for the rest; fewer where an episode ends.",
    )
    fingerprint: bool = Field(
        False,
        description="Of iql: values depend also on how far training is and how much is explored, as it was when a step "
        "was taken (Foerster et al. 2017): old steps then say less of what others do now.",
    )
    leniency: float = Field(
        0.0,
        ge=0,
        le=1_000,
        description="Of iql: errors by which a value is to fall are ignored with probability 1 - exp(-leniency x T), T "
        "falling from 1 (Palmer et al. 2018); 0: never.",
    )
    leniency_decay: float = Field(0.95, gt=0, le=1, description="What T is multiplied by with each update.")
    explore_start: float = Field(1.0, ge=0, le=1, description="Share of random actions at the start.")
    explore_end: float = Field(0.05, ge=0, le=1, description="Share of random actions in the end.")
    explore_updates: int = Field(50, ge=1, description="Updates over which the share goes linearly from one to other.")

    @model_validator(mode="after")
    def _reached(self) -> Self:
        if self.warmup > self.capacity:
            raise ValueError(f"warmup = {self.warmup} is never reached; allowed are 1 to capacity = {self.capacity}")
        if self.leniency > 0 and self.hysteresis < 1:
            raise ValueError(
                f"leniency = {self.leniency} with hysteresis = {self.hysteresis}: both forgive; allowed is one of them"
            )
        return self
