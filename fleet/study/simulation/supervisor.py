"""A simulated supervisor: the real `Care`, `ServerCare`, `Injuries` and `Drill` over simulated processes and links.

It works as `fleet.control.supervisor` does: it takes in what has come, judges, acts, and tells the server.
"""

from collections.abc import Callable, Mapping
from typing import cast

from fleet.control.care.child import SERVER, Child, Phase
from fleet.control.care.injuries import Injuries
from fleet.control.care.learners import Care
from fleet.control.care.reports import hand_on
from fleet.control.care.restarts import Budget
from fleet.control.care.server import ServerCare
from fleet.control.care.watch import Watch
from fleet.control.care.zygote import ZygoteCare
from fleet.control.drill.drill import Drill
from fleet.control.drill.hands import Hands
from fleet.control.drill.powers import Powers
from fleet.control.process.processes import Ended, Started
from fleet.control.timing import Timing
from fleet.core.messages import Event, Heartbeat, Inject, Message, Progress, Stop
from fleet.study.simulation.clock import Clock
from fleet.study.simulation.processes import RUN, SimulatedProcesses, SimulatedRecord, SimulatedStarts
from fleet.study.simulation.scene import Scene

Send = Callable[[str, int, Message], bool]
"""Process, incarnation, message: False if it can't be reached."""


class Supervisor:
    """One run's. `outcome` is what the run came to, once it is over: done, failed or interrupted."""

    def __init__(
        self,
        scene: Scene,
        clock: Clock,
        processes: SimulatedProcesses,
        record: SimulatedRecord,
        starts: SimulatedStarts,
        send: Send,
        look: Callable[[Child], None],
    ) -> None:
        """`look` is shown every process after it has been acted upon."""
        control = scene.control
        budget = Budget(control.restarts, control.restart_window_s, control.backoff_s)
        timing = Timing()
        learners = {f"learner-{k}": Child(f"learner-{k}", k, budget) for k in range(len(scene.groups))}
        server = Child(SERVER, None, budget)
        watch = Watch(control, record, control.heartbeat_s)
        self.outcome = ""
        self.reason = ""
        self.learners: Mapping[str, Child] = learners
        self.processes = processes
        self.care = Care(RUN, learners, processes, record, watch, starts, timing)
        self.server = ServerCare(server, self.care, processes, record, watch, starts, timing.server_stuck)
        injuries = Injuries(RUN, self.care, processes, watch, timing.leave, self._tell)
        powers = Powers(processes, self.server, cast(ZygoteCare, None))  # no strike of a scene is at the zygote
        hands = Hands(injuries, powers, record, self.care.notices.append, self._tell)
        self.drill = Drill(RUN, scene.strikes, {SERVER: server} | learners, scene.groups, hands)
        self._clock, self._timing, self._send, self._look = clock, timing, send, look
        self._stopping = False

    def start(self) -> None:
        """Begin the run."""
        self.drill.before_start(self._clock.now)
        self.server.start(self._clock.now)
        self._tick()

    def hear(self, process: str, incarnation: int, message: Message) -> None:
        """It came over the control link."""
        now = self._clock.now
        if self.outcome or (process == SERVER and incarnation != self.server.life):
            return
        if isinstance(message, Heartbeat):
            self._heartbeat(process, message)
        elif isinstance(message, Progress):
            self.server.progress(message, now)
            self.drill.first_progress(now)
        elif isinstance(message, Event):
            if process == SERVER:
                hand_on(message, self.care, now)
            self.care.draining = self.care.draining or message.name == "draining"
            if self.care.speaks_for(process, incarnation):
                self.drill.event(message, now)
        self._tell_server()

    def woken(self) -> None:
        """Something has happened to a process."""
        now = self._clock.now
        if self.outcome:
            return
        for happening in self.processes.collect():
            if isinstance(happening, Started):
                self.care.started(happening, now)
            elif isinstance(happening, Ended):
                self._ended(happening, now)
        self._act()

    def stop(self) -> None:
        """A person asks for a clean stop."""
        if self.server.child.phase in (Phase.STARTING, Phase.WAITING):
            self._over("interrupted", "nothing had been begun")
            return
        self._stopping = True
        self._release()
        self.care.notices.append(Stop(RUN, "stop"))
        self._clock.after(self._timing.stop, lambda: self._over("interrupted", "it took too long"))

    def _heartbeat(self, process: str, beat: Heartbeat) -> None:
        now = self._clock.now
        if process != SERVER:
            self.care.heard(self.learners[process], beat, now, now)
        elif self.server.heard(beat, now, now) and self.server.child.restarts:
            self.drill.server_up(now)

    def _ended(self, happening: Ended, now: float) -> None:
        if happening.name != SERVER:
            self.care.ended(happening, now)
            return
        self.server.exited(happening)
        if self._stopping or happening.status == 0:
            self._over("interrupted" if self._stopping else "done", "")
            return
        reason = self.server.follow(happening, now)
        self.care.draining = False
        if reason is not None:
            self._over("failed", reason)

    def _tick(self) -> None:
        if not self.outcome:
            self._act()
            self._clock.after(self._timing.tick, self._tick)

    def _act(self) -> None:
        now = self._clock.now
        if self.outcome:
            return
        self.care.judge(now, now)
        self.server.judge(now, now)
        self.drill.tick(now)
        self.server.act(now, now)
        self.care.act(now)
        self._tell_server()
        for child in (self.server.child, *self.learners.values()):
            self._look(child)
        if self.care.all_gone() and not self._stopping:
            self._over("failed", "every learner has failed or left")

    def _release(self) -> None:
        self.drill.release()
        self.server.child.wanted = False
        self.care.release()
        self.processes.close_intake()

    def _over(self, outcome: str, reason: str) -> None:
        if not self.outcome:
            self._release()
            self.outcome, self.reason = outcome, reason

    def _tell_server(self) -> None:
        notices = self.care.notices
        while notices and self._send(SERVER, self.server.life, notices[0]):
            notices.popleft()

    def _tell(self, child: Child, message: Inject | Stop) -> bool:
        return self._send(child.name, child.incarnation, message)
