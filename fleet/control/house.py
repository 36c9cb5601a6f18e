"""The processes of one run and who cares for each of them, put together: what the supervisor's loop acts on.

Takes nothing in by itself: the loop hands it what comes in, and calls `act` each time it has woken.
"""

from collections.abc import Callable

from fleet.control.care.aside import in_thread
from fleet.control.care.child import SERVER, Child, Phase
from fleet.control.care.injuries import Injuries
from fleet.control.care.learners import Care
from fleet.control.care.record import Record
from fleet.control.care.restarts import Budget
from fleet.control.care.server import ServerCare
from fleet.control.care.starts import Starts
from fleet.control.care.watch import Watch
from fleet.control.care.zygote import ZygoteCare
from fleet.control.drill.drill import struck_before
from fleet.control.drill.hands import Hands
from fleet.control.drill.powers import Powers
from fleet.control.harness import MeasuredDrill
from fleet.control.process.processes import Modules, Processes
from fleet.control.status import ProcessStatus
from fleet.control.timing import Timing
from fleet.core.beats import beat_s
from fleet.core.config import Config
from fleet.core.faults.resolve import resolve
from fleet.core.messages import Heartbeat, Inject, Stop
from fleet.core.rundir import RunDirectory

Tell = Callable[[Child, Inject | Stop], bool]

_JUDGED_S = 0.00025  # between two judgements for each process: 10 ms for forty, and a few hundredths of a core


class House:
    """`tell` sends to a learner, and is False if it can't be reached. `life` is the server's first."""

    def __init__(
        self,
        directory: RunDirectory,
        config: Config,
        starts: Starts,
        record: Record,
        modules: Modules,
        timing: Timing,
        *,
        life_pipe: int,
        life: int,
        tell: Tell,
    ) -> None:
        assert config.world.robots is not None
        control, run = config.control, directory.run
        groups = config.groups(config.world.robots)
        budget = Budget(control.restarts, control.restart_window_s, control.backoff_s)
        names = [f"learner-{learner}" for learner in range(len(groups))]
        frozen = config.frozen_learners(config.world.robots)
        learners = {name: Child(name, k, budget, frozen=k in frozen) for k, name in enumerate(names)}
        server = Child(SERVER, None, budget, incarnation=life)
        self._run, self._tell, self._judge_at = run, tell, 0.0
        self._children = {SERVER: server} | learners
        self.learners = list(learners.values())
        self.processes = Processes(run, directory.logs, life_pipe, modules)
        watch = Watch(control, record, beat_s(config))
        self.care = Care(run, learners, self.processes, record, watch, starts, timing)
        self.server = ServerCare(
            server,
            self.care,
            self.processes,
            record,
            watch,
            starts,
            timing.server_stuck,
            lambda round_: self.drill.struck_since(round_),
            in_thread,
        )
        self.zygote = ZygoteCare(self.processes, record, watch, budget, control.heartbeat_s)
        injuries = Injuries(run, self.care, self.processes, watch, timing.leave, tell)
        powers = Powers(self.processes, self.server, self.zygote)
        hands = Hands(injuries, powers, record, self.care.notices.append, tell)
        self.drill = MeasuredDrill(
            run,
            resolve(config),
            self._children,
            groups,
            hands,
            begins_at=starts.begins_at(),
            struck_before=struck_before(directory.events),
        )

    @property
    def running(self) -> bool:
        """Whether a learner or the server has a process, as far as we know."""
        return any(child.running for child in self._children.values())

    def everyone(self) -> list[Child]:
        """The zygote, the server and the learners."""
        return [self.zygote.child, *self._children.values()]

    def table(self) -> list[ProcessStatus]:
        """Their rows of the display."""
        return [child.status() for child in self.everyone()]

    def dues(self, now: float) -> tuple[float | None, ...]:
        """When there is something to do next, unless something happens before."""
        return self.care.next_due(), self.server.next_due(now), self.zygote.next_due(), self.drill.next_due()

    def knows(self, process: str, incarnation: int) -> bool:
        """Whether the run has, or had, that incarnation of the server or of a learner."""
        child = self._children.get(process)
        return child is not None and incarnation <= child.incarnation

    def heard(self, beat: Heartbeat, attention: float, now: float) -> None:
        """A heartbeat of the server or of a learner."""
        child = self._children.get(beat.process)
        if child is self.server.child:
            if self.server.heard(beat, attention, now) and child.restarts:
                self.drill.server_up(now)
        elif child is not None:
            self.care.heard(child, beat, attention, now)

    def act(self, attention: float, now: float) -> None:
        """Judge everyone, and do what the clock says."""
        if now >= self._judge_at:
            self._judge_at = now + _JUDGED_S * len(self._children)
            self.care.judge(attention, now)
            self.server.judge(attention, now)
        self.zygote.watch(attention, now)
        self.drill.tick(now)
        self.server.act(attention, now)
        self.zygote.act(attention, now)
        self.care.act(now)

    def release(self) -> None:
        """The run ends: from now on nothing is started, broken or missed."""
        self.drill.release()
        self.server.child.wanted = False
        self.zygote.release()
        self.care.release()
        self.processes.close_intake()

    def dismiss(self, reason: str) -> None:
        """Have those learners leave that the server could not tell any more, and end those that weren't up yet."""
        self.release()
        for child in self.learners:
            if child.running and child.phase is Phase.STARTING:
                self.care.kill(child, reason)
            elif child.running:
                self._tell(child, Stop(self._run, reason))
