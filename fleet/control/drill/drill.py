"""The fault drill: carries the run's fault plan out, and what a person asks for, each at its time.

A strike with a round is told by the environment server, which has the clock of rounds (events "due" and "struck"); one
with a time in seconds goes by the supervisor's clock, from the first round's report on. The plan is `faults.resolve`'s;
what is done goes out through `Hands`, and what has been done into events.jsonl: "inject" when a fault takes place,
"mended" when it is over, "missed" when its target wasn't there.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from fleet.control.care.child import SERVER, Child, Phase
from fleet.control.drill.hands import Hands
from fleet.control.drill.live import VERBS, Live
from fleet.control.drill.striker import Striker
from fleet.control.status import FaultStatus
from fleet.core.faults.strike import Strike
from fleet.core.jsonl import read_jsonl
from fleet.core.messages import Event, Reply

__all__ = ["VERBS", "Drill", "struck_before"]


class Drill:
    """One supervisor's drill. Every `now` is monotonic seconds; nothing here waits, and nothing raises for bad data.

    `strikes` are the plan's, `groups` each learner's robots. `begins_at` is the round that the run goes on from;
    `struck_before` the numbers of the strikes at a supervisor of this run that is dead by now, which are not repeated.
    """

    def __init__(
        self,
        run: str,
        strikes: Sequence[Strike],
        children: Mapping[str, Child],
        groups: Sequence[tuple[int, ...]],
        hands: Hands,
        *,
        begins_at: int = 0,
        struck_before: Collection[int] = (),
    ) -> None:
        self._strikes = {strike.number: strike for strike in strikes}
        self._run, self._children, self._groups = run, children, groups
        self._striker = Striker(run, children, hands)
        self._live = Live(run, groups, self._striker, first=len(strikes))
        self._begins_at = begins_at
        self._begun = set(struck_before)
        self._timed = sorted((strike for strike in strikes if strike.at_s is not None), key=_time)
        self._zero: float | None = None
        self._over = False

    def before_start(self, now: float) -> None:
        """Before any learner is started: hold those that are not there in the round that the run begins with."""
        for strike in self._strikes.values():
            if strike.round is None or strike.target != "robots":
                continue
            past = strike.round < self._begins_at
            lasts = strike.stays_out and strike.until is not None and strike.until > self._begins_at
            if past:
                self._begun.add(strike.number)
            if (past and (lasts or strike.kind == "leave")) or (strike.kind == "join" and not past):
                self._striker.hold(strike, now)

    def first_progress(self, now: float) -> None:
        """The first round has been reported: times in seconds count from here. Later calls change nothing."""
        self._zero = now if self._zero is None else self._zero

    def event(self, message: Event, now: float) -> None:
        """Hear what a process says; what is none of the drill's business is passed over."""
        details = message.details
        round_ = _round(details.get("round"))
        if self._over:
            return
        if message.name == "due" and message.process == SERVER and round_ is not None:
            self._due(message, round_, now)
        elif message.name in ("struck", "mended"):
            self._told(message, round_, now)
        elif message.name == "online" and message.process == SERVER:
            learner, incarnation = _whole(details.get("learner")), _whole(details.get("incarnation"))
            if learner is not None and incarnation is not None:
                self._striker.online(learner, incarnation, now, round_)

    def server_up(self, now: float) -> None:
        """A new life of the environment server has begun: it is told what goes on and isn't in the plan."""
        self._striker.server_up(now)

    def struck_since(self, round_: int) -> list[int]:
        """The plan's strikes of that round and later that have been carried out: not again if a round is repeated."""
        done = [self._strikes[number] for number in sorted(self._begun) if number in self._strikes]
        return [strike.number for strike in done if strike.round is not None and strike.round >= round_]

    def command(self, verb: str, arguments: Mapping[str, object], now: float) -> Reply:
        """Obey one of VERBS; whatever is wrong with it, or with its moment, is in the reply."""
        if self._over:
            return Reply(self._run, False, f"{verb}: the run is ending", {})
        return self._live.obey(verb, arguments, now)

    def next_due(self) -> float | None:
        """When `tick` has something to do next, unless something happens before."""
        moments = [self._striker.active.next_end()]
        if self._zero is not None and self._timed:
            moments.append(self._zero + _time(self._timed[0]))
        return None if self._over else min((moment for moment in moments if moment is not None), default=None)

    def tick(self, now: float) -> None:
        """Do what the clock says."""
        if self._over:
            return
        self._striker.sweep(now)
        for active in self._striker.active.up_at(now):
            self._striker.end(active.strike.number, now)
        while self._zero is not None and self._timed and self._zero + _time(self._timed[0]) <= now:
            strike = self._timed.pop(0)
            if strike.number in self._begun:
                continue
            self._begun.add(strike.number)
            if strike.about.doer == "supervisor":
                self._striker.begin(strike, now)
            else:
                self._striker.pass_on(strike, now)

    def release(self) -> None:
        """The run ends: nothing more is broken, and what is paused goes on."""
        if not self._over:
            self._over = True
            self._striker.release()

    def status(self, now: float) -> tuple[FaultStatus, ...]:
        """The faults that are going on."""
        return self._striker.active.status(now)

    def away(self) -> tuple[int, ...]:
        """The robots whose learners are held."""
        held = [child.learner for child in self._children.values() if child.phase is Phase.AWAY]
        return tuple(sorted(robot for learner in held if learner is not None for robot in self._groups[learner]))

    def _due(self, message: Event, round_: int, now: float) -> None:
        """What ends comes first, so that a robot may be back and be struck again in the same round."""
        for strike in self._named(message.details.get("end")):
            if strike.about.doer == "supervisor" or strike.stays_out:
                self._striker.end(strike.number, now, round_, told=True)
        for strike in self._named(message.details.get("begin")):
            if strike.number in self._begun or strike.about.doer != "supervisor":
                continue  # a new life of the server may come through the same round again
            self._begun.add(strike.number)
            if strike.kind == "join":
                self._striker.join(strike, now, round_)
            else:
                self._striker.begin(strike, now, round_, _accepted(message, strike))

    def _told(self, message: Event, round_: int | None, now: float) -> None:
        """A strike has begun or is over, says whoever does it; a "struck" also tells the round of one passed on."""
        number = _whole(message.details.get("number"))
        strike = None if number is None else self._find(number)
        if strike is None or message.process not in (SERVER, f"learner-{strike.learner}"):
            return
        if message.name == "struck":
            self._begun.add(strike.number)
            self._striker.struck(strike, now, _moment(message, now), round_)
        elif strike.about.doer != "supervisor":
            self._striker.end(strike.number, now, round_, told=True)

    def _find(self, number: int) -> Strike | None:
        active = self._striker.active.get(number)
        return self._strikes.get(number) if active is None else active.strike

    def _named(self, numbers: object) -> Iterable[Strike]:
        found = [_whole(number) for number in numbers] if isinstance(numbers, list) else []
        return [self._strikes[number] for number in found if number is not None and number in self._strikes]


def struck_before(events: Path) -> set[int]:
    """The numbers of the strikes that ended earlier supervisors of the run with these events.jsonl."""
    lines = read_jsonl(events) if events.exists() else []
    return {line["number"] for line in lines if line.get("event") == "inject" and line.get("target") == "supervisor"}


def _time(strike: Strike) -> float:
    assert strike.at_s is not None
    return strike.at_s


def _whole(value: object) -> int | None:
    return value if type(value) is int else None


def _round(value: object) -> int | None:
    """A learner that hasn't seen a rollout yet says -1."""
    return value if type(value) is int and value >= 0 else None


def _moment(message: Event, now: float) -> float:
    """When it was done, by the doer's monotonic clock, which is ours; never later than now."""
    moment = message.details.get("monotonic")
    return min(now, float(moment)) if isinstance(moment, int | float) and moment > 0 else now


def _accepted(message: Event, strike: Strike) -> int | None:
    accepted = message.details.get("accepted")
    return _whole(accepted.get(str(strike.learner))) if isinstance(accepted, dict) else None
