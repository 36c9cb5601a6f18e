"""The environment server's hands for faults: fences learners, turns bodies and sensors, and tells the supervisor.

What is due when, `Faults` knows. The server calls in at the three moments of each round, and hands on what it hears.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from env_server.afflictions import Afflictions
from env_server.faults import Faults, Moment, numbers
from env_server.protocol import Body
from env_server.roster import LEFT, Roster
from fleet.core.faults.strike import Strike, StrikeError, strike_of
from fleet.core.messages import Inject, Lost

log = logging.getLogger(__name__)

Tell = Callable[[str, dict[str, Any]], None]

_SILENT = ("freeze", "zombie")


class Suffering(Protocol):
    """What has bodies and sensors; a `Collector` is one."""

    def suffer(self, afflictions: Afflictions, bodies: Mapping[int, Body]) -> None:
        """From now on these robots are afflicted, and these bodies are off."""
        ...


class Harness:
    """Carries out `faults` from round `first` on. `restored`: the world comes from a snapshot, with its bodies.

    `struck`: the numbers of the strikes that the supervisor has carried out already, for a life before this one.
    """

    def __init__(
        self,
        faults: Faults,
        roster: Roster,
        collector: Suffering,
        tell: Tell,
        first: int,
        *,
        restored: bool,
        struck: Collection[int] = (),
    ) -> None:
        self._faults, self._roster, self._collector, self._tell = faults, roster, collector, tell
        self._struck = frozenset(struck)
        self.round = first
        """The round that is being collected or answered, else the next one."""
        self.next = first
        """The round that is collected next, and the first in which what changes now is felt."""
        self.offline: frozenset[int] = frozenset()
        """Robots whose bodies are off."""
        self._changed = restored
        for learner in self._faults.left:
            self._roster.give_up(learner, LEFT)
        self._apply(changed=bool(self._faults.away or self._faults.bodies or self._faults.afflictions))

    @property
    def returning(self) -> bool:
        """Whether somebody is away until a round."""
        return self._faults.returning

    def arrive(self) -> None:
        """The next round comes: what the plan has end with it ends, and those who join with it are waited for."""
        over = self._faults.arrive(self.round)
        if not over:
            return
        self._apply()
        joined = [strike for strike in over if strike.kind == "join"]
        restarted = [strike for strike in over if strike.kind != "join" and _is_supervisors(strike)]
        if joined or restarted:
            self._due("before", joined, restarted)
        for strike in over:
            if strike.about.doer == "env_server":
                self._tell("mended", self._what(strike))

    def begin(self, moment: Moment) -> list[Strike]:
        """Carry out the plan's strikes of that moment of the round; they are returned."""
        struck = self._faults.begin(self.round, moment)
        if struck:
            told = [strike for strike in struck if strike.about.doer == "supervisor"]
            if told:
                self._due(moment, told, [])
            for strike in struck:
                self._strike(strike)
            self._apply()
        return struck

    def settle(self) -> frozenset[int]:
        """Have the world and the collector as the faults have it; gives the robots whose bodies are off.

        Just before the round is collected, and not as it happens: a fault that is over before anybody has moved leaves
        no trace.
        """
        if self._changed:
            self._collector.suffer(self._faults.afflictions, self._faults.bodies)
            self._changed = False
        self.next = self.round + 1
        return self.offline

    def injected(self, message: Inject) -> None:
        """A live fault begins or ends; its bodies and sensors change before the next round."""
        try:
            strike = strike_of(message.fault)
        except StrikeError as error:
            log.warning("no fault to inject: %s", error)
            return
        if message.over:
            ended = self._faults.end(strike.number)
            if ended is None:
                return
            self._tell("mended", self._what(ended))
        elif self._faults.inject(strike):
            if strike.kind == "leave":
                self._roster.give_up(strike.learner, LEFT)
            self._tell("struck", self._what(strike))
        self._apply()

    def lost(self, message: Lost) -> None:
        """The supervisor has found that incarnation dead."""
        self.fence(message.learner, message.incarnation, message.reason)

    def fence(self, learner: int, incarnation: int, reason: str) -> None:
        """Take nothing more from that incarnation, and say what it cost."""
        held = self._roster.lose(learner, incarnation, reason)
        details = {
            "learner": learner,
            "incarnation": incarnation,
            "round": self.round,
            "accepted": self._roster.sessions[learner].accepted,
            "lost": sum(len(item.robots) * item.each for item in held),
            "during": any(item.round == self.round for item in held),
            "reason": reason,
        }
        self._tell("fenced", details)

    def online(self, learner: int) -> None:
        """The first policy of an incarnation is in use: it has begun, or is back."""
        session = self._roster.sessions[learner]
        details = {"round": self.next, "version": session.accepted}
        self._tell("online", {"learner": learner, "incarnation": session.incarnation, **details})
        if self._faults.returned(learner):
            self._apply()

    def _strike(self, strike: Strike) -> None:
        if strike.about.doer == "env_server":
            self._tell("struck", self._what(strike))
        elif strike.kind == "leave":
            self._roster.give_up(strike.learner, LEFT)
        elif strike.target == "robots" and strike.about.fatal and strike.about.doer == "supervisor":
            if strike.number in self._struck:
                # The supervisor does nothing twice, and who it leaves alive must not be fenced: its word counts here.
                if not strike.stays_out:
                    self._faults.end(strike.number)
                return
            # In the very round, whenever the signal comes through: that keeps the run a function of its plan.
            incarnation = self._roster.sessions[strike.learner].incarnation
            self.fence(strike.learner, incarnation, "learner_frozen" if strike.kind in _SILENT else "learner_died")

    def _apply(self, changed: bool = True) -> None:
        if changed:
            away = self._faults.away
            for session in self._roster.sessions:
                session.expected = session.learner not in away
            self.offline = frozenset(self._faults.bodies)
            self._changed = True

    def _due(self, moment: Moment, begin: list[Strike], end: list[Strike]) -> None:
        sessions = self._roster.sessions
        struck = {strike.learner for strike in (*begin, *end) if strike.learner >= 0}
        details = {
            "round": self.round,
            "moment": moment,
            "begin": numbers(begin),
            "end": numbers(end),
            "accepted": {str(learner): sessions[learner].accepted for learner in sorted(struck)},
        }
        self._tell("due", details)

    def _what(self, strike: Strike) -> dict[str, Any]:
        return {"number": strike.number, "round": self.next, "kind": strike.kind}


def _is_supervisors(strike: Strike) -> bool:
    """Whether the supervisor has its end to carry out: its own, and that a learner which has died comes back."""
    return strike.about.doer == "supervisor" or strike.stays_out
