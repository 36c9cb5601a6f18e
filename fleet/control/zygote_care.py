"""The zygote's life: one that dies or gets stuck is replaced, and the learners it had forked go on untouched."""

from fleet.control.ending import describe_exit, with_log
from fleet.control.fleet_state import ZYGOTE, Child, Phase
from fleet.control.processes import Ended, Processes
from fleet.control.record import Record
from fleet.control.restarts import Budget, Failed, decide, progressed
from fleet.control.status import ProcessStatus
from fleet.control.zygote_client import Ready


class ZygoteCare:
    """Starts zygotes. Forking is its learning: one that becomes ready has made progress, as the budget counts it."""

    def __init__(self, processes: Processes, record: Record, budget: Budget, patience_s: float) -> None:
        self._processes, self._record = processes, record
        self._budget, self._patience_s = budget, patience_s
        self._was_ready = False
        self._child = Child(ZYGOTE, None, budget, incarnation=-1)

    def start(self) -> None:
        """The first one."""
        self._record.event("spawn", ZYGOTE, pid=self._begin())

    def status(self) -> ProcessStatus:
        """Its row of the display."""
        return self._child.status()

    def _begin(self) -> int:
        self._child.pid = self._processes.start_zygote()
        self._child.phase = Phase.STARTING
        self._child.incarnation += 1
        return self._child.pid

    def ready(self, report: Ready, now: float) -> None:
        """It has warmed up."""
        self._was_ready = True
        self._child.phase, self._child.memory = Phase.UP, report.memory
        self._budget = progressed(self._budget, now)
        figures = {"threads": report.threads, "warm_s": round(report.warm_s, 3), "memory": report.memory}
        self._record.event("ready", ZYGOTE, pid=report.pid, **figures)

    def ended(self, happening: Ended, now: float, wanted: bool) -> str | None:
        """It is gone; starts another if one is wanted. Returns why the run can't go on, if it can't.

        One that was never ready won't be the next time either: its warm-up fails.
        """
        self._record.event("exit", ZYGOTE, pid=happening.pid, status=happening.status)
        self._child.pid, self._child.phase = None, Phase.ENDED
        if not wanted:
            return None
        self._budget, decision = decide(self._budget, now)
        if not self._was_ready or isinstance(decision, Failed):
            return with_log(f"the zygote {describe_exit(happening.status)}", self._processes.log(ZYGOTE))
        self._child.restarts += 1
        self._record.event("restart", ZYGOTE, pid=self._begin())
        return None

    def watch(self, now: float) -> None:
        """Kill one that has owed an answer for too long: it is stuck, and is then replaced like one that died."""
        silent = self._processes.unanswered_s(now)
        if silent > self._patience_s:
            self._record.event("frozen", ZYGOTE, silent_s=round(silent, 3))
            self._processes.kill(ZYGOTE)
