"""One fault as it is carried out: a plan's entry with its robots drawn and its times worked out. Pure.

It travels as plain data in the `Inject` message and stands in a run's faults.json.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter

from fleet.core.errors import FleetError
from fleet.core.faults.kinds import KINDS, About, Kind, Target


class StrikeError(FleetError):
    """Data that is no strike."""


@dataclass(frozen=True)
class Strike:
    """`kind` strikes one learner with all its `robots` (bodies and sensors: one robot), or a process named by `target`.

    It strikes in `round` (during its learning, or `before` it is dealt out), or with `round` unset when told. It is
    over in round `until` (exclusive), after `for_s` seconds, or with both unset when the run's supervision mends it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    number: int
    kind: Kind
    target: Target = "robots"
    learner: int = -1
    robots: tuple[int, ...] = ()
    entry: int = -1
    """Which of the plan's faults it is of; -1: none (a rate's, or live)."""
    round: int | None = None
    at_s: float | None = None
    until: int | None = None
    for_s: float | None = None
    before: bool = False
    body: str = "drives-on"
    times: int = 1
    factor: float = 2.0
    probability: float = 0.5
    mode: str = "zero"
    direction: str = "both"
    delay_s: float = 0.2
    damage: str = "flip"
    checkpoint: int | None = None
    held: bool = False
    """Live: a person took it out, and it stays out until a person brings it back."""

    @property
    def about(self) -> About:
        """What kind it is of."""
        return KINDS[self.kind]

    @property
    def stays_out(self) -> bool:
        """Whether nobody waits for its learner until it is over: that has a time of its own, or a person decides."""
        return self.held or (self.about.fatal and (self.until is not None or self.for_s is not None))

    def as_dict(self) -> dict[str, Any]:
        """As plain data, without what is unset."""
        data = {name: value for name, value in asdict(self).items() if value is not None}
        return {**data, "robots": list(self.robots)}


_STRIKE = TypeAdapter(Strike)


def strike_of(data: Mapping[str, Any]) -> Strike:
    """The inverse of `as_dict`: nothing is taken for a number that is none. Raises StrikeError."""
    try:
        # As JSON, in which a tuple may be a list and a float a whole number, and nothing else may be anything else.
        return _STRIKE.validate_json(json.dumps(data))
    except (TypeError, ValueError) as error:
        raise StrikeError(f"no strike: {error}") from error
