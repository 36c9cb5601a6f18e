"""Carries strikes out and undoes them, and knows which are going on. Time comes in; it acts through `Hands`.

What the supervisor does to a process is done here and now. What a learner or the environment server does to itself is
only passed on: whoever does it says "struck", and then it is written down, with its own time.
"""

from collections.abc import Mapping
from typing import Any

from fleet.control.care.child import SERVER, Child, How, Injury, Phase
from fleet.control.drill.active import Active, ActiveFaults
from fleet.control.drill.hands import Hands
from fleet.core.faults.kinds import Kind
from fleet.core.faults.strike import Strike
from fleet.core.messages import Inject

FIRST_LIVE = 1000
"""The numbers of live strikes begin here, so that they are none of the plan's."""

AFTERMATH_S = 30.0
"""What comes of a single bad message has come by then; a later death is none of its."""

_HOW: Mapping[Kind, How] = {"freeze": "freeze", "zombie": "zombie"}
_NEVER_BACK = {Phase.FAILED: "it has failed", Phase.ENDED: "it has left"}


class Striker:
    """Begins and ends strikes. A strike whose target isn't there is recorded as missed, and never raises."""

    def __init__(self, run: str, children: Mapping[str, Child], hands: Hands) -> None:
        self.active = ActiveFaults()
        self._recorded: set[int] = set()
        self._ended_early: set[int] = set()  # a learner that lags behind may be struck after its strike's last round
        self._run, self._children, self._hands = run, children, hands

    def child(self, learner: int) -> Child:
        """That learner."""
        return self._children[f"learner-{learner}"]

    def begin(self, strike: Strike, now: float, round_: int | None = None, accepted: int | None = None) -> None:
        """It is time for a strike of the supervisor's; the server, where `round_` is given, has done its own part.

        `accepted`: the last policy version that the server had accepted from that learner.
        """
        if strike.target != "robots":
            self._strike_process(strike, now, round_)
        else:
            self._strike_learner(strike, now, round_, accepted)

    def pass_on(self, strike: Strike, now: float) -> bool:
        """Have a learner or the server do one of theirs to itself. False: it can't be reached, so nothing happens."""
        if strike.about.doer == "learner":
            reason = self._out_of_reach(strike)
            if reason or not self._hands.to_learner(self.child(strike.learner), Inject(self._run, strike.as_dict())):
                self._missed(strike, None, reason or "it can't be reached")
                return False
        if has_server_part(strike):
            self._tell_server(strike)
        self._keep(strike, now, None, taken_place=False)
        return True

    def struck(self, strike: Strike, now: float, moment: float, round_: int | None) -> None:
        """Who was to do it has done it, at `moment`; a second time (after a restart, say) it only goes on."""
        active = self.active.get(strike.number)
        if strike.about.doer == "supervisor":  # recorded when it was done; here is what round that was
            if active is not None and active.round is None:
                active.round = round_
            return
        active = active or self._keep(strike, now, round_)
        active.round, active.taken_place = round_ if active.round is None else active.round, True
        if strike.about.doer == "learner":
            child = self.child(strike.learner)
            active.incarnation = child.incarnation
            self._hands.care.note_injury(child, _injury(strike, moment))
        if strike.number not in self._recorded:
            self._record(strike, moment, round_)
        if strike.stays_out and strike.number in self._ended_early:
            self.end(strike.number, now, round_, told=True)

    def end(self, number: int, now: float, round_: int | None = None, *, told: bool = False) -> None:
        """Undo what is going on under that number; nothing is. `told`: the server knows that it is over."""
        active = self.active.pop(number)
        if active is None:
            self._ended_early.add(number)
            return
        strike = active.strike
        if not told and has_server_part(strike):
            self._hands.to_server(Inject(self._run, strike.as_dict(), over=True))
        if strike.kind == "pause":
            self._unpause(active)
        elif strike.stays_out and active.taken_place and not self.active.holders(strike.learner):
            self._hands.care.bring_back(self.child(strike.learner), now)
        elif strike.about.doer == "learner" and not strike.about.fatal:
            self._hands.care.forget_injury(self.child(strike.learner), number)
        self._event("mended", strike, at=self._hands.record.since(now), round=round_)

    def stop(self, number: int, now: float) -> None:
        """Have a learner stop what it is doing to itself."""
        active = self.active.get(number)
        if active is not None:
            child = self.child(active.strike.learner)
            self._hands.to_learner(child, Inject(self._run, active.strike.as_dict(), over=True))
            self.end(number, now)

    def online(self, learner: int, incarnation: int, now: float, round_: int | None) -> None:
        """That incarnation's first policy is in use: what befell earlier ones, and has no end of its own, is over.

        The server knows, unless it is a new life that `server_up` told of the strike only after that: so it is told.
        """
        for active in self.active.of(learner):
            if active.incarnation < incarnation and _ends_with_its_process(active.strike):
                self.end(active.strike.number, now, round_)

    def server_up(self, now: float) -> None:
        """A new life of the server: what befell the last is over, and what it can't know from the plan it is told."""
        for active in self.active:
            if active.strike.target == SERVER:
                self.end(active.strike.number, now)
            elif _is_news(active.strike):
                self._tell_server(active.strike)

    def hold(self, strike: Strike, now: float) -> None:
        """A learner that isn't there from the start on: it has not joined, or was taken out before the run went on."""
        self._keep(strike, now, strike.round)
        if strike.kind == "leave":
            self._hands.care.dismiss(self.child(strike.learner), now)
        else:
            self._hands.care.hold(self.child(strike.learner))

    def join(self, strike: Strike, now: float, round_: int | None) -> None:
        """One that has been held from the start comes in, unless something else keeps it away."""
        self.active.pop(strike.number)
        self._record(strike, now, round_)
        if not self.active.holders(strike.learner):
            self._hands.care.bring_back(self.child(strike.learner), now)

    def keep(self, strike: Strike, now: float) -> None:
        """Its learner is away already, and now by this strike as well."""
        self._record(strike, now, None)
        self._keep(strike, now, None)
        self._tell_server(strike)

    def sweep(self, now: float) -> None:
        """Drop what struck learners that won't come back, and what ended with the process that did it to itself."""
        for active in self.active:
            strike = active.strike
            if strike.target != "robots" or strike.about.doer == "env_server" or strike.kind == "leave":
                continue
            child = self.child(strike.learner)
            if child.phase in _NEVER_BACK:
                self.active.pop(strike.number)
            elif _dies_with_its_process(strike) and not (child.running and child.incarnation == active.incarnation):
                self.active.pop(strike.number)  # and Care goes on knowing what its death may have come of
                self._event("mended", strike, at=self._hands.record.since(now))

    def release(self) -> None:
        """The run ends: what is paused must go on, or it could not."""
        for active in self.active:
            if active.strike.kind == "pause":
                self._unpause(active)
                self.active.pop(active.strike.number)

    def _strike_learner(self, strike: Strike, now: float, round_: int | None, accepted: int | None) -> None:
        child, care = self.child(strike.learner), self._hands.care
        reason = self._out_of_reach(strike)
        if reason:
            self._missed(strike, round_, reason)
            return
        self._record(strike, now, round_)
        self._keep(strike, now, round_)
        if round_ is None and has_server_part(strike):
            self._tell_server(strike)
        if strike.kind == "leave":
            care.dismiss(child, now)
        elif strike.kind == "pause":
            care.pause(child)
        else:
            care.take_down(child, _HOW.get(strike.kind, "kill"), _injury(strike, now, accepted), now)

    def _strike_process(self, strike: Strike, now: float, round_: int | None) -> None:
        powers, injury = self._hands.powers, _injury(strike, now)
        if strike.target == SERVER and not self._children[SERVER].running:
            self._missed(strike, round_, "it isn't running")
            return
        self._record(strike, now, round_)
        if strike.target == SERVER:
            self._keep(strike, now, round_)
        match strike.target, strike.kind:
            case "env_server", "pause":
                powers.pause_server()
            case "env_server", "freeze":
                powers.freeze_server(injury)
            case "env_server", _:
                powers.kill_server(injury)
            case "zygote", "freeze":
                powers.freeze_zygote(injury)
            case "zygote", _:
                powers.kill_zygote(injury)
            case _:
                powers.kill_self()

    def _unpause(self, active: Active) -> None:
        if active.strike.target == SERVER:
            self._hands.powers.unpause_server()
        elif self.child(active.strike.learner).incarnation == active.incarnation:
            self._hands.care.unpause(self.child(active.strike.learner))

    def _out_of_reach(self, strike: Strike) -> str:
        """Why this can't be done to its learner now; "" if it can.

        One that is on its way back can be told to leave, or to stay away: Care sees to it.
        """
        child = self.child(strike.learner)
        if child.phase in _NEVER_BACK:
            return _NEVER_BACK[child.phase]
        if strike.kind == "leave":
            return ""
        if child.phase is Phase.AWAY or child.held:
            return "it is away"
        kept_out = strike.stays_out and strike.about.doer == "supervisor"
        return "" if child.running or kept_out else f"it has no process ({child.phase.value})"

    def _keep(self, strike: Strike, now: float, round_: int | None, taken_place: bool = True) -> Active:
        incarnation = self.child(strike.learner).incarnation if strike.target == "robots" else -1
        active = Active(strike, now, incarnation, round_, _end_by_clock(strike, now), taken_place)
        self.active.add(active)
        return active

    def _tell_server(self, strike: Strike) -> None:
        self._hands.to_server(Inject(self._run, strike.as_dict()))

    def _record(self, strike: Strike, moment: float, round_: int | None) -> None:
        self._recorded.add(strike.number)
        live = {"strike": strike.as_dict()} if strike.number >= FIRST_LIVE else {}
        self._event("inject", strike, at=self._hands.record.since(moment), round=round_, **live)

    def _missed(self, strike: Strike, round_: int | None, reason: str) -> None:
        self._event("missed", strike, round=round_, reason=reason)

    def _event(self, name: str, strike: Strike, /, **details: Any) -> None:
        robots = strike.target == "robots"
        known: dict[str, Any] = {"number": strike.number, "kind": strike.kind, "target": strike.target}
        known |= {"learner": strike.learner, "robots": list(strike.robots)} if robots else {}
        known |= {"entry": strike.entry} if strike.entry >= 0 else {}
        self._hands.record.event(name, f"learner-{strike.learner}" if robots else strike.target, **known, **details)


def has_server_part(strike: Strike) -> bool:
    """Whether the environment server, too, has something to do about it: bodies, sensors, and whom it waits for."""
    if strike.target != "robots":
        return False
    about = strike.about
    fatal = about.fatal and (strike.body != "drives-on" or strike.stays_out)
    return about.doer == "env_server" or fatal or strike.kind == "leave"


def _is_news(strike: Strike) -> bool:
    """Whether a new life of the server can't know from the plan, and the round, that this is going on."""
    by_plan = strike.round is not None and strike.for_s is None and not strike.about.fatal
    return has_server_part(strike) and strike.until is None and not by_plan


def _ends_with_its_process(strike: Strike) -> bool:
    """Whether nothing is left of it once another incarnation has taken the place of the one that was struck."""
    return strike.about.fatal and not strike.stays_out


def _dies_with_its_process(strike: Strike) -> bool:
    """Whether only that process knows of it: its learner was told, or did it once. What the plan has lasts on."""
    by_itself = strike.about.doer == "learner" and not strike.about.fatal
    return by_itself and (strike.round is None or not strike.about.lasts)


def _end_by_clock(strike: Strike, now: float) -> float | None:
    """When the supervisor ends it. A learner that lives through what it does to itself ends that by its own clock."""
    if strike.about.doer == "learner" and not strike.stays_out:
        return None if strike.about.lasts else now + AFTERMATH_S
    return None if strike.for_s is None else now + strike.for_s


def _injury(strike: Strike, injected: float, accepted: int | None = None) -> Injury:
    """What Care has to know of it."""
    doomed = {"raise": 1, "crash_loop": strike.times}.get(strike.kind, 0)
    return Injury(
        number=strike.number,
        kind=strike.kind,
        injected=injected,
        held=strike.stays_out,
        doomed=doomed,
        kills=strike.times if strike.kind == "kill" else 1,
        damage=strike.damage if strike.kind == "bad_checkpoint" else None,
        checkpoint=strike.checkpoint,
        accepted=accepted,
    )
