"""Signs of life: hears heartbeats, suspects what is silent or stands still, and says whose time is up.

For learners, the environment server and the zygote alike; what is done about it is the business of whoever cares for
that process. `attention` is an `Attention`'s time, `now` is monotonic.
"""

from functools import partial
from typing import Any, Literal

from fleet.control.care.advance import Advance
from fleet.control.care.child import Child, Phase
from fleet.control.care.liveness import Verdict, Vitals, queued_s
from fleet.control.care.record import Record
from fleet.control.care.restarts import progressed
from fleet.core.config import ControlConfig
from fleet.core.messages import Heartbeat

Ailment = Literal["frozen", "stuck"]
_AILMENTS: dict[Verdict, Ailment] = {Verdict.FROZEN: "frozen", Verdict.STUCK: "stuck"}


class Watch:
    """Keeps the vitals of every child. `beat_s`: seconds between two heartbeats of the slowest."""

    def __init__(self, control: ControlConfig, record: Record, beat_s: float) -> None:
        self._control, self._record = control, record
        # Silence can't be told from the pause between two heartbeats before two of them are missing.
        self._dead_after_s = max(control.dead_after_s, 3 * beat_s)
        self._suspect_s = min(self._dead_after_s, max(self._dead_after_s * 2 / 7, 2 * beat_s))

    def begin(self, child: Child, pid: int, attention: float, stuck_s: float) -> None:
        """It has a process, which may stand still for `stuck_s` seconds, whatever it did before."""
        grace = self._control.start_grace_s
        child.pid, child.suspected_at = pid, None
        child.progress, child.memory, child.busy_s = 0, 0, 0.0
        child.vitals, child.advance = Vitals(attention, grace, grace), Advance(stuck_s, grace)
        self._record.event("spawn", child.name, pid=pid, incarnation=child.incarnation)

    def alive(self, child: Child, attention: float) -> None:
        """It has given a sign of life."""
        assert child.vitals is not None
        if child.vitals.heard(attention, self._dead_after_s):
            self._cleared(child)
        child.vitals.suspect_s = self._suspect_s

    def heard(self, child: Child, beat: Heartbeat, attention: float, now: float) -> bool:
        """A heartbeat; False if it is none of this incarnation's, and then it says nothing."""
        if child.vitals is None or child.advance is None or beat.incarnation != child.incarnation:
            return False
        self.alive(child, attention)
        if child.advance.heard(attention, beat.progress, beat.working):
            self._cleared(child)
        if child.phase is Phase.STARTING:
            child.phase = Phase.UP
            self._record.event("ready", child.name, pid=child.pid, incarnation=child.incarnation, memory=beat.memory)
        if beat.progress > child.progress:
            child.budget = progressed(child.budget, now)
            self._cleared(child)
        child.progress, child.memory, child.busy_s = beat.progress, beat.memory, beat.busy_s
        return True

    def suspect(self, child: Child, why: str, now: float) -> None:
        """Something is wrong with it, and whether it is dead will turn out. More of the same is no news."""
        if child.suspected_at is not None:
            return
        child.suspected_at = now
        about = {"pid": child.pid, "incarnation": child.incarnation, "reason": why}
        self._record.event("suspect", child.name, **about, **self._record.injured(child))

    def judge(self, child: Child, attention: float, now: float) -> Ailment | None:
        """What it is to be killed for, if it is; one that has been declared dead is left alone."""
        if child.vitals is None or child.advance is None or child.pid is None or child.declared:
            return None
        queued = partial(queued_s, child.pid)
        verdicts = child.vitals.judge(attention, queued), child.advance.judge(queued)
        if verdicts != (Verdict.WELL, Verdict.WELL):
            self.suspect(child, "silent" if child.vitals.suspected else "no_progress", now)
        return next((_AILMENTS[verdict] for verdict in verdicts if verdict in _AILMENTS), None)

    def still_s(self, child: Child, ailment: Ailment, attention: float) -> float:
        """For how long it has been silent, or has stood still."""
        assert child.vitals is not None
        assert child.advance is not None
        return round(attention - child.vitals.since if ailment == "frozen" else child.advance.still_s, 3)

    def condemn(self, child: Child, word: str, cause: str, now: float, **details: Any) -> None:
        """Its process is there and counts as dead from now on: written down as `word`, with what is known of it."""
        fault = child.open_fault(cause, now if child.suspected_at is None else child.suspected_at)
        fault.declare = now
        self._record.event(word, child.name, pid=child.pid, **details, **self._record.times(fault))

    def declared(self, child: Child) -> None:
        """Its death is certain: say so, with the times; and so of what came to light only with it."""
        assert child.fault is not None
        for fault in (*child.earlier.values(), child.fault):
            if fault.said:
                continue
            fault.said = True
            fault.declare = child.fault.declare if fault.declare is None else fault.declare
            about = {"incarnation": fault.incarnation, **self._record.times(fault)}
            self._record.event("declare", child.name, **about)

    def recovered(self, child: Child, now: float) -> None:
        """This incarnation does its work: what befell earlier ones ends here."""
        if child.injury is not None and child.injury.hit < child.incarnation:
            child.injury = None
        if child.fault is None or child.fault.incarnation >= child.incarnation:
            return
        for fault in (*child.earlier.values(), child.fault):
            about = {"incarnation": child.incarnation, **self._record.times(fault, recover=now)}
            self._record.event("recover", child.name, **about)
        child.fault, child.earlier = None, {}

    def _cleared(self, child: Child) -> None:
        if child.suspected_at is None:
            return
        child.suspected_at = None
        self._record.event("cleared", child.name, incarnation=child.incarnation)
