"""The zygote's life: one that dies or gets stuck is replaced, and the learners it had forked go on untouched."""

import signal

from fleet.control.care.child import ZYGOTE, Child, Injury, Phase
from fleet.control.care.record import Record
from fleet.control.care.restarts import Budget, Failed, decide, progressed
from fleet.control.care.watch import Watch
from fleet.control.ending import describe_exit, with_log
from fleet.control.process.processes import Ended, Processes
from fleet.control.process.zygote_client import Ready


class ZygoteCare:
    """Starts zygotes. Forking is its learning: one that becomes ready has made progress, as the budget counts it.

    It has no heartbeats of its own, being one thread that may do nothing but fork: it is pinged every `ping_s`.
    """

    def __init__(self, processes: Processes, record: Record, watch: Watch, budget: Budget, ping_s: float) -> None:
        self._processes, self._record, self._watch = processes, record, watch
        self._ping_s, self._ping_due = ping_s, 0.0
        self._was_ready = False
        self.child = Child(ZYGOTE, None, budget)

    def start(self, attention: float) -> None:
        """The first one."""
        self._begin(attention)

    def release(self) -> None:
        """The run ends: none is started from now on."""
        self.child.wanted = False
        if self.child.phase is Phase.WAITING:
            self.child.phase = Phase.ENDED

    def next_due(self) -> float | None:
        """When `act` has something to do next."""
        return self.child.due if self.child.phase is Phase.WAITING else None

    def act(self, attention: float, now: float) -> None:
        """Start the next one if its time has come."""
        child = self.child
        if child.phase is not Phase.WAITING or now < child.due:
            return
        child.restarts += 1
        self._begin(attention)
        about = {"pid": child.pid, "incarnation": child.incarnation, "restarts": child.restarts}
        self._record.event("restart", ZYGOTE, **about, **self._record.injured(child))

    def ready(self, report: Ready, attention: float, now: float) -> None:
        """It has warmed up."""
        self._was_ready = True
        self.child.phase, self.child.memory = Phase.UP, report.memory
        self.child.budget = progressed(self.child.budget, now)
        figures = {"threads": report.threads, "warm_s": round(report.warm_s, 3), "memory": report.memory}
        self._record.event("ready", ZYGOTE, pid=report.pid, incarnation=self.child.incarnation, **figures)
        self._watch.recovered(self.child, now)
        self.alive(attention)

    def alive(self, attention: float) -> None:
        """It has reported something."""
        if self.child.vitals is not None:
            self._watch.alive(self.child, attention)

    def ended(self, happening: Ended, now: float) -> str | None:
        """It is gone; another comes in its time if one is wanted. Returns why the run can't go on, if it can't.

        One that was never ready won't be the next time either: its warm-up fails.
        """
        child = self.child
        about = {"pid": happening.pid, "incarnation": child.incarnation, "status": happening.status}
        self._record.event("exit", ZYGOTE, **about)
        child.gone()
        child.phase = Phase.ENDED
        if not child.wanted:
            return None
        if not child.declared:
            child.open_fault("zygote_died", happening.noticed).declare = now
        self._watch.declared(child)
        child.budget, decision = decide(child.budget, now)
        if not self._was_ready or isinstance(decision, Failed):
            return with_log(f"the zygote {describe_exit(happening.status)}", self._processes.log(ZYGOTE))
        child.phase, child.due = Phase.WAITING, now + decision.after_s
        child.incarnation += 1
        return None

    def watch(self, attention: float, now: float) -> None:
        """Kill one that gives no sign of life: it is then replaced like one that died."""
        child = self.child
        if now >= self._ping_due:
            self._ping_due = now + self._ping_s
            self._processes.ping()
        ailment = self._watch.judge(child, attention, now)
        if ailment is None:
            return
        still_s = self._watch.still_s(child, ailment, attention)
        self._watch.condemn(child, ailment, f"zygote_{ailment}", now, silent_s=still_s)
        self._processes.signal(ZYGOTE, signal.SIGKILL)

    def injure(self, number: signal.Signals, injury: Injury) -> None:
        """Kill it (SIGKILL) or freeze it (SIGSTOP) on purpose; nothing while there is none."""
        if self._processes.signal(ZYGOTE, number):
            injury.hit = self.child.incarnation
            self.child.injury = injury

    def _begin(self, attention: float) -> None:
        self.child.phase = Phase.STARTING
        self._watch.begin(self.child, self._processes.start_zygote(), attention, 0.0)
