"""Which faults are going on: kept by the drill, shown by `fleet status`, told again to a restarted server. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from fleet.control.status import FaultStatus
from fleet.core.faults.strike import Strike


@dataclass
class Active:
    """A strike that isn't over. Times are monotonic seconds.

    `incarnation` is the one of its learner that was struck, `round` the round, where they are known. `ends` is when its
    time is up, by the supervisor's clock. `taken_place`: not only passed on to whoever is to do it.
    """

    strike: Strike
    began: float
    incarnation: int = -1
    round: int | None = None
    ends: float | None = None
    taken_place: bool = True

    @property
    def joins(self) -> bool:
        """Whether its robots are still to come, so that their learner is kept away."""
        return self.strike.kind == "join"


class ActiveFaults:
    """The strikes that are going on, by number."""

    def __init__(self) -> None:
        self._active: dict[int, Active] = {}

    def __iter__(self) -> Iterator[Active]:
        """All of them, in order of number; what is taken out meanwhile does no harm."""
        return iter([self._active[number] for number in sorted(self._active)])

    def add(self, active: Active) -> None:
        """It begins."""
        self._active[active.strike.number] = active

    def get(self, number: int) -> Active | None:
        """That one, if it is going on."""
        return self._active.get(number)

    def pop(self, number: int) -> Active | None:
        """It is over; None if it wasn't going on."""
        return self._active.pop(number, None)

    def of(self, learner: int, *kinds: str) -> list[Active]:
        """What that learner has, of these kinds (none given: of all)."""
        return [item for item in self if item.strike.learner == learner and (not kinds or item.strike.kind in kinds)]

    def holders(self, learner: int) -> list[Active]:
        """What keeps that learner away."""
        return [item for item in self.of(learner) if item.taken_place and (item.strike.stays_out or item.joins)]

    def held(self, learner: int) -> Active | None:
        """The strike by which a person took that learner out, if one did."""
        return next((item for item in self.of(learner) if item.strike.held), None)

    def up_at(self, now: float) -> list[Active]:
        """Those whose time is up."""
        return [item for item in self if item.ends is not None and item.ends <= now]

    def next_end(self) -> float | None:
        """When the next one's time is up."""
        return min((item.ends for item in self if item.ends is not None), default=None)

    def status(self, now: float) -> tuple[FaultStatus, ...]:
        """All of them for the display."""
        return tuple(_row(item, now) for item in self)


def _row(active: Active, now: float) -> FaultStatus:
    strike = active.strike
    ends = active.began + strike.for_s if strike.for_s is not None else active.ends
    return FaultStatus(
        number=strike.number,
        kind=strike.kind,
        target=strike.target,
        learner=strike.learner,
        robots=strike.robots,
        round=active.round,
        for_s=now - active.began,
        left_s=None if ends is None else max(0.0, ends - now),
        until=strike.until,
        held=strike.held,
    )
