"""Which of the run's faults the environment server is to begin or end, and what of them is in force. Pure.

It has the clock of rounds: the plan's strikes come from `resolve`, live ones from the supervisor's Inject. The harness
asks what begins and ends before, during and after each round, and what follows from all that is in force together.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal

from env_server.afflictions import Afflictions, afflictions_of
from env_server.protocol import Body
from fleet.core.faults.strike import Strike

Moment = Literal["before", "during", "after"]

_BODIES: dict[str, Body] = {"stalled": "stalled", "towed": "towed"}


class Faults:
    """The faults of one server life that begins with round `first`. What the plan has going on then is in force.

    Not so what ends by the clock (`for_s`), of which only the supervisor knows whether it is over: it says so again.
    """

    def __init__(self, plan: Sequence[Strike], first: int = 0) -> None:
        self._force: dict[int, Strike] = {}
        self._over: set[int] = set()  # by a message, or by a return: the message that began it may come once more
        self._begins: defaultdict[tuple[int, Moment], list[Strike]] = defaultdict(list)
        self._ends: defaultdict[int, list[Strike]] = defaultdict(list)
        for strike in plan:
            if strike.round is None:
                continue
            if strike.kind != "join":
                self._begins[strike.round, moment_of(strike)].append(strike)
            end = strike.round if strike.kind == "join" else strike.until
            if end is not None:
                self._ends[end].append(strike)
            if _goes_on(strike, first):
                self._force[strike.number] = strike

    def arrive(self, round: int) -> list[Strike]:
        """The plan's strikes that are over as `round` comes; a robot's absence before it joins is over with `join`."""
        over = self._ends.get(round, [])
        for strike in over:
            self._force.pop(strike.number, None)
        return over

    def begin(self, round: int, moment: Moment) -> list[Strike]:
        """The plan's strikes of that moment."""
        struck = self._begins.get((round, moment), [])
        for strike in struck:
            self._add(strike)
        return struck

    def inject(self, strike: Strike) -> bool:
        """Begin one that isn't the plan's, or that the plan leaves to the clock; False if it has begun before."""
        if strike.number in self._force or strike.number in self._over:
            return False
        self._add(strike)
        return True

    def end(self, number: int) -> Strike | None:
        """End one by its number; None if it isn't in force."""
        self._over.add(number)
        return self._force.pop(number, None)

    def returned(self, learner: int) -> bool:
        """A new incarnation's policy is in use, which ends what lasts until then; whether that ended anything."""
        over = [s.number for s in self._force.values() if s.learner == learner and s.about.fatal and not s.stays_out]
        for number in over:
            self.end(number)
        return bool(over)

    @property
    def away(self) -> set[int]:
        """Learners that nobody is to wait for."""
        return {strike.learner for strike in self._force.values() if strike.stays_out or strike.kind == "join"}

    @property
    def left(self) -> set[int]:
        """Learners whose robots have left for good."""
        return {strike.learner for strike in self._force.values() if strike.kind == "leave"}

    @property
    def bodies(self) -> dict[int, Body]:
        """The robots whose bodies are off; of two faults, the one that tows wins."""
        bodies: dict[int, Body] = {}
        for strike in self._force.values():
            body = "towed" if strike.kind in ("join", "leave") else strike.body
            if body in _BODIES:
                bodies |= {robot: _BODIES[body] for robot in strike.robots if bodies.get(robot) != "towed"}
        return bodies

    @property
    def afflictions(self) -> Afflictions:
        """What is wrong with sensors and wheels."""
        return afflictions_of(self._force.values())

    @property
    def returning(self) -> bool:
        """Whether somebody is away until a round: without rounds that never comes."""
        return any(
            strike.kind == "join" or (strike.until is not None and (strike.stays_out or strike.kind == "offline"))
            for strike in self._force.values()
        )

    def _add(self, strike: Strike) -> None:
        if _lasts(strike):
            self._force[strike.number] = strike


def moment_of(strike: Strike) -> Moment:
    """When in its round a strike of the plan takes place.

    Bodies and sensors change between two rounds. A learner is struck while it learns, or `before` that; what all need,
    only once the round is over for everyone.
    """
    if strike.target != "robots":
        return "after"
    between = strike.before or strike.about.doer == "env_server" or strike.kind in ("join", "leave")
    return "before" if between else "during"


def numbers(strikes: Iterable[Strike]) -> list[int]:
    """Their numbers."""
    return [strike.number for strike in strikes]


def _lasts(strike: Strike) -> bool:
    """Whether it changes anything here for longer than a moment."""
    if strike.target != "robots":
        return False
    if strike.about.fatal:
        return strike.stays_out or strike.body in _BODIES
    return strike.about.doer == "env_server" or strike.kind == "leave"


def _goes_on(strike: Strike, first: int) -> bool:
    """Whether a strike of the plan is in force as a life begins with round `first`.

    A learner that comes back as soon as it can has no part in this: a life begins with everybody's first policy.
    """
    assert strike.round is not None
    if strike.kind == "join":
        return strike.round >= first
    if strike.round >= first or strike.for_s is not None or not _lasts(strike):
        return False
    if strike.about.fatal:
        return strike.until is not None and strike.until > first
    return strike.until is None or strike.until > first
