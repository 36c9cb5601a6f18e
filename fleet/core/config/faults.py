"""The `[faults]` table, which also stands alone as a plan file: what fails, when, for how long."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fleet.core.config.table import Table
from fleet.core.faults.kinds import KINDS, Kind, Target, complain

_SHARE = re.compile(r"all|random:[1-9][0-9]{0,3}|(?!0(\.0+)?%)(100|[1-9]?[0-9](\.[0-9]{1,3})?)%")
_YEAR_S = 31_536_000.0

_NOT_OFFLINE = 'body = "drives-on" leaves nothing offline; allowed are "stalled" and "towed"'

# More rounds than a run can have are no plan, and no number that a message could carry.
_MOST_ROUNDS = 10_000_000

Robots = str | tuple[Annotated[int, Field(ge=0, le=9999)], ...]
BodyPart = Literal["drives-on", "stalled", "towed"]


def _check_share(robots: Robots | None) -> None:
    wrong = robots == () or (isinstance(robots, str) and not _SHARE.fullmatch(robots))
    if wrong:
        shown = f'"{robots}"' if robots else "[]"
        raise ValueError(f'robots = {shown}; allowed are lists of robots such as [0, 3], "all", "random:2" and "25%"')


class FaultConfig(Table):
    """One `[[fault]]`: what `kind` does to whom, from when and for how long."""

    kind: Kind = Field(description="What happens; `fleet faults --kinds` explains each.")
    target: Target = Field("robots", description="Whom it strikes: robots, or one of the run's own processes.")
    robots: Robots | None = Field(
        None, description='Robots by number ([0, 3]), "all", "random:K" or a share of the fleet such as "25%".'
    )
    round: int | None = Field(None, ge=0, lt=_MOST_ROUNDS, description="The round in which it strikes.")
    at_s: float | None = Field(None, ge=0, le=_YEAR_S, description="Or: seconds after the first round has begun.")
    rounds: int | None = Field(
        None,
        ge=1,
        le=_MOST_ROUNDS,
        description="How many rounds it lasts; a lost learner is back after them. Unset: see the kind.",
    )
    for_s: float | None = Field(None, gt=0, le=_YEAR_S, description="Or: how many seconds it lasts.")
    spread: int = Field(
        0, ge=0, le=_MOST_ROUNDS, description="Rounds (or seconds, with at_s) from one robot's strike to the next's."
    )
    body: BodyPart = Field("drives-on", description="What the robot's body does while its learner is away.")
    times: int = Field(1, ge=1, le=1000, description="kill, crash_loop: how many lives in a row it ends.")
    factor: float = Field(2.0, gt=1, le=1000, description="slow: how many times longer everything takes.")
    probability: float = Field(0.5, gt=0, le=1, description="slow_wheels, illegal_action: chance per step and robot.")
    mode: Literal["zero", "frozen"] = Field("zero", description="blind: observations of zero, or the last one seen.")
    direction: Literal["in", "out", "both"] = Field("both", description="cut: what no longer gets through.")
    delay_s: float = Field(0.2, gt=0, le=60, description="delay: by how much what the learner sends comes late.")
    damage: Literal["truncate", "flip"] = Field("flip", description="bad_checkpoint: what is done to the newest one.")
    checkpoint: int | None = Field(
        None,
        ge=0,
        le=_MOST_ROUNDS,
        description="Policy version that a lost learner comes back with. Unset: its newest.",
    )
    before: bool = Field(False, description="Strikes before its round is dealt out, so that no rollout is lost.")

    @property
    def of_body(self) -> bool:
        """Whether it strikes single robots' bodies and sensors, not the processes that learn for them."""
        return KINDS[self.kind].doer == "env_server"

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        given = {name for name in self.model_fields_set if getattr(self, name) is not None}
        wrong = complain(self.kind, self.target, given)
        if wrong:
            raise ValueError(f"{self.kind}: {wrong}")
        _check_share(self.robots)
        if self.kind == "offline" and self.body == "drives-on":
            raise ValueError(_NOT_OFFLINE)
        return self


class RatesConfig(Table):
    """A failure rate: each robot fails and is repaired again and again, exponentially distributed.

    A failure that falls where one of the plan's own faults has the robot already does not happen.
    """

    failure: float = Field(gt=0, le=1e9, description="Mean rounds from a repair to the robot's next failure.")
    repair: float = Field(gt=0, le=1e9, description="Mean rounds from a failure to its repair.")
    kind: Literal["kill", "freeze", "offline", "blind"] = Field("kill", description="What a failure is.")
    robots: Robots = Field("all", description="Which robots can fail, as in a fault.")
    body: BodyPart = Field("drives-on", description="What a failed robot's body does.")

    @model_validator(mode="after")
    def _robots(self) -> Self:
        _check_share(self.robots)
        if self.kind == "offline" and self.body == "drives-on":
            raise ValueError(_NOT_OFFLINE)
        return self


class FaultPlan(Table):
    """What is to fail in a run. Resolved by `fleet.core.faults.resolve`; a pure function of config and seed."""

    fault: tuple[FaultConfig, ...] = Field((), max_length=500, description="The faults, one [[faults.fault]] each.")
    rates: RatesConfig | None = Field(None, description="Failures at random, as a rate.")
