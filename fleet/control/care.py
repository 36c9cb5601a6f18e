"""The lives of a run's learners: started, listened to, found dead or frozen, restarted or given up.

Hears of happenings from `Processes` and of heartbeats from the control link; what the environment server has to be told
goes into `notices`. Times given as `now` are monotonic seconds; `attention` is an `Attention`'s time.
"""

from collections import deque
from collections.abc import Mapping
from functools import partial

from fleet.control.fleet_state import Child, Fault, Phase
from fleet.control.liveness import Verdict, Vitals, queued_s
from fleet.control.processes import Ended, Processes, Started
from fleet.control.record import Record
from fleet.control.restarts import Failed, decide, progressed
from fleet.control.starts import Starts
from fleet.control.zygote_client import Refused
from fleet.core.config import ControlConfig
from fleet.core.messages import Gone, Heartbeat, Lost, Stop

DIED = "learner_died"
FROZEN = "learner_frozen"


class Care:
    """Holds the desired state of every child and acts on it. `starts` says what with."""

    def __init__(
        self,
        run: str,
        children: Mapping[str, Child],
        control: ControlConfig,
        processes: Processes,
        record: Record,
        starts: Starts,
        left_patience_s: float,
    ) -> None:
        self.children = children
        self.notices: deque[Lost | Gone | Stop] = deque()
        self.draining = False
        self._run, self._control, self._processes, self._record = run, control, processes, record
        self._starts = starts
        self._left_patience_s = left_patience_s
        # Silence can't be told from the pause between two heartbeats before two of them are missing.
        self._dead_after_s = max(control.dead_after_s, 3 * control.heartbeat_s)
        self._suspect_s = min(self._dead_after_s, max(self._dead_after_s * 2 / 7, 2 * control.heartbeat_s))

    def learners(self) -> list[Child]:
        """The learners, in order."""
        return [child for child in self.children.values() if child.learner is not None]

    def release(self) -> None:
        """The run ends: from now on nobody is started, and whoever leaves is not missed."""
        for child in self.children.values():
            child.wanted = False
            if child.phase in (Phase.WAITING, Phase.LEFT):
                child.phase = Phase.ENDED
        self._processes.close_intake()

    def all_failed(self) -> bool:
        """Whether no learner is left that could learn."""
        return all(child.phase is Phase.FAILED for child in self.learners())

    def next_due(self) -> float | None:
        """When `act` has something to do next, unless something happens before."""
        due = [child.due for child in self.learners() if child.phase in (Phase.WAITING, Phase.LEFT)]
        return min(due, default=None)

    def act(self, now: float) -> None:
        """Start the learners whose time has come, and give up waiting for the run to end after one that left."""
        for child in self.learners():
            if not child.wanted or now < child.due:
                continue
            if child.phase is Phase.LEFT and self.draining:
                child.phase = Phase.ENDED
            elif child.phase is Phase.LEFT:
                self._declare(child, now)
            elif child.phase is Phase.WAITING:
                self._start(child)

    def begin(self, child: Child, pid: int, attention: float) -> None:
        """It has a process."""
        child.pid = pid
        child.progress, child.memory, child.busy_s = 0, 0, 0.0
        child.vitals = Vitals(attention, self._control.start_grace_s, self._control.start_grace_s)
        self._record.event("spawn", child.name, pid=pid, incarnation=child.incarnation)

    def started(self, happening: Started, attention: float) -> None:
        """The zygote has forked a learner."""
        child = self.children[happening.name]
        self.begin(child, happening.pid, attention)
        if not child.wanted:
            self.kill(child, "not wanted any more")

    def heard(self, beat: Heartbeat, attention: float, now: float) -> None:
        """A sign of life; one of an earlier incarnation is none."""
        child = self.children.get(beat.process)
        if child is None or child.vitals is None or child.pid is None or beat.incarnation != child.incarnation:
            return
        if child.vitals.heard(attention, self._dead_after_s):
            self._record.event("cleared", child.name, incarnation=child.incarnation)
        child.vitals.suspect_s = self._suspect_s
        if child.phase is Phase.STARTING:
            child.phase = Phase.UP
            self._record.event("ready", child.name, pid=child.pid, incarnation=child.incarnation, memory=beat.memory)
        if beat.progress > child.progress:
            child.budget = progressed(child.budget, now)
        child.progress, child.memory, child.busy_s = beat.progress, beat.memory, beat.busy_s

    def online(self, learner: int, incarnation: int, now: float) -> None:
        """The environment server has the first policy of that incarnation in use: a fault ends here."""
        child = next((item for item in self.learners() if item.learner == learner), None)
        if child is None or child.fault is None or not child.fault.incarnation < incarnation == child.incarnation:
            return
        self._record.event("recover", child.name, incarnation=incarnation, **self._times(child.fault, recover=now))
        child.fault = None

    def judge(self, attention: float, now: float) -> None:
        """Look for silence, and kill what is frozen."""
        for child in self.children.values():
            if child.vitals is None or child.pid is None or _is_declared(child):
                continue
            before = child.vitals.suspected
            verdict = child.vitals.judge(attention, partial(queued_s, child.pid))
            if child.vitals.suspected and not before:
                child.suspected_at = now
                self._record.event("suspect", child.name, pid=child.pid, incarnation=child.incarnation)
            if verdict is Verdict.FROZEN:
                self._freeze(child, attention, now)

    def ended(self, happening: Ended, now: float) -> None:
        """A learner's process is gone."""
        child = self.children[happening.name]
        child.pid = child.vitals = None
        noticed = self._record.since(happening.noticed)
        details = {"pid": happening.pid, "incarnation": child.incarnation, "status": happening.status}
        self._record.event("exit", child.name, **details, suspect=noticed)
        left = happening.status == 0
        if not child.wanted or (self.draining and left):
            child.phase = Phase.ENDED
            if not left:
                self._lose(child, DIED)
            return
        if _is_declared(child):
            self._follow(child, now)
            return
        child.fault = Fault(DIED, child.incarnation, suspect=happening.noticed)
        if left:
            child.phase, child.due = Phase.LEFT, now + self._left_patience_s
        else:
            self._declare(child, now)

    def refused(self, happening: Refused, now: float) -> None:
        """The zygote could not fork it: as a death."""
        child = self.children[happening.name]
        self._record.event("refused", child.name, incarnation=child.incarnation, text=happening.text)
        if child.wanted:
            child.fault = Fault(DIED, child.incarnation, suspect=now)
            self._declare(child, now)

    def kill(self, child: Child, why: str) -> None:
        """SIGKILL its process."""
        if self._processes.kill(child.name):
            self._record.event("kill", child.name, pid=child.pid, incarnation=child.incarnation, reason=why)

    def _start(self, child: Child) -> None:
        assert child.learner is not None
        child.phase = Phase.STARTING
        if child.incarnation == 0:
            child.origin, child.checkpoint = self._starts.first(child.learner)
        else:
            child.restarts += 1
            child.origin, child.checkpoint, note = self._starts.again(child.learner)
            known = {"incarnation": child.incarnation, "restarts": child.restarts}
            back = {"origin": child.origin, "checkpoint": child.checkpoint, "note": note or None}
            self._record.event("restart", child.name, **known, **back)
        self._processes.order_learner(child.name, self._starts.learner(child))

    def _freeze(self, child: Child, attention: float, now: float) -> None:
        assert child.vitals is not None
        cause = FROZEN if child.learner is not None else "server_frozen"
        child.fault = Fault(cause, child.incarnation, suspect=child.suspected_at, declare=now)
        silent = round(attention - child.vitals.since, 3)
        times = self._times(child.fault)
        self._record.event("frozen", child.name, pid=child.pid, incarnation=child.incarnation, silent_s=silent, **times)
        self._lose(child, cause)
        self.kill(child, "frozen")

    def _declare(self, child: Child, now: float) -> None:
        assert child.fault is not None
        child.fault.declare = now
        self._lose(child, child.fault.cause)
        self._follow(child, now)

    def _follow(self, child: Child, now: float) -> None:
        """What comes after a declared death: another incarnation, or none."""
        assert child.fault is not None
        self._record.event("declare", child.name, incarnation=child.incarnation, **self._times(child.fault))
        child.budget, decision = decide(child.budget, now)
        if isinstance(decision, Failed):
            child.wanted, child.phase = False, Phase.FAILED
            self._record.event("failed", child.name, reason=decision.reason, restarts=child.restarts)
            assert child.learner is not None
            self.notices.append(Gone(self._run, child.learner, "restarts_used_up"))
        else:
            child.incarnation += 1
            child.phase, child.due = Phase.WAITING, now + decision.after_s

    def _lose(self, child: Child, reason: str) -> None:
        if child.learner is not None:
            self.notices.append(Lost(self._run, child.learner, child.incarnation, reason))

    def _times(self, fault: Fault, recover: float | None = None) -> dict[str, float | str | None]:
        """A fault's times for the record. When it was injected is known only of a planned one."""
        moments = {"suspect": fault.suspect, "declare": fault.declare, "recover": recover}
        known = {name: self._record.since(moment) for name, moment in moments.items() if moment is not None}
        return {"cause": fault.cause, **known}


def _is_declared(child: Child) -> bool:
    """Whether this incarnation has been declared dead while its process was still there."""
    fault = child.fault
    return fault is not None and fault.incarnation == child.incarnation and fault.declare is not None
