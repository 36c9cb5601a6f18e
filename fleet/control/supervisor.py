"""The supervisor: starts a run's processes, hears them, mends what breaks, and ends with nothing left running.

One loop waits on the control link, the pidfd of every process, the zygote's socket and the signals that came in. One
learner's life is in care.py, how processes are held in processes.py; here is the run as a whole.
"""

import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack

from fleet.control import ending, pidfd
from fleet.control.care import Care
from fleet.control.desk import Desk
from fleet.control.ending import Ending, Outcome, describe_exit, with_log
from fleet.control.fleet_state import SERVER, ZYGOTE, Child, Phase
from fleet.control.processes import Ended, Happening, Modules, Processes, Started
from fleet.control.record import Record
from fleet.control.restarts import Budget
from fleet.control.signals import Inbox
from fleet.control.starts import Starts
from fleet.control.status import ProcessStatus, Status
from fleet.control.timing import Timing
from fleet.control.waiting import Waiting
from fleet.control.zygote_care import ZygoteCare
from fleet.control.zygote_client import Ready, Refused
from fleet.core.config import Config, robot_groups
from fleet.core.control_channel import ControlServer, Peer
from fleet.core.ledger_file import resolve_outstanding
from fleet.core.messages import Event, Heartbeat, Message, Stop
from fleet.core.rundir import RunDirectory
from fleet.core.start import Origin

_SHORT_S = 0.005


class Supervisor:
    """One run, in the caller's process.

        with RunDirectory.create(path, text, command) as directory:
            outcome = Supervisor(directory, config, on_status=show).run()

    `config` is resolved (world.robots is known) and is what stands in the directory, whose lock the caller holds.
    `origins` says how each learner comes to life first (fresh if it isn't named); `snapshot` and `life` are the
    environment server's. `run` may be called once; from the main thread it heeds SIGINT, SIGTERM and SIGHUP.
    """

    def __init__(
        self,
        directory: RunDirectory,
        config: Config,
        *,
        origins: Mapping[int, tuple[Origin, str | None]] | None = None,
        snapshot: str | None = None,
        life: int = 0,
        on_status: Callable[[Status], None] | None = None,
        modules: Modules | None = None,
        timing: Timing | None = None,
    ) -> None:
        assert config.world.robots is not None, "the config given to a supervisor is resolved"
        self._directory, self._config = directory, config
        self._life = life
        self._starts = Starts(directory, life, snapshot, dict(origins or {}), config.checkpoint.keep)
        self._on_status = on_status
        self._modules, self._timing = modules or Modules(), timing or Timing()
        self._ending: Ending | None = None
        self._killed = False
        self._inbox = Inbox()
        control = config.control
        budget = Budget(control.restarts, control.restart_window_s, control.backoff_s)
        self._budget = budget
        count = len(robot_groups(config.mapping, config.world.robots))
        names = {f"learner-{learner}": Child(f"learner-{learner}", learner, budget) for learner in range(count)}
        self._children = {SERVER: Child(SERVER, None, budget, incarnation=life)} | names

    def stop(self) -> None:
        """Ask for a clean stop, as Ctrl-C does, from any thread; a second time: for a quick one."""
        self._inbox.post(signal.SIGINT)

    def run(self) -> Outcome:
        """Run to the end. Whatever happens, nothing is left running and no socket is left behind."""
        with ExitStack() as stack:
            stack.enter_context(self._inbox)
            stack.enter_context(pidfd.subreaper())
            self._record = Record(self._directory)
            stack.callback(self._record.close)
            life, held = os.pipe2(os.O_CLOEXEC)  # `held` is never written to; it closes when we die
            stack.callback(os.close, life)
            stack.callback(os.close, held)
            self._open(stack, life)
            try:
                self._start()
                self._loop()
            except BaseException as error:
                self._ending = Ending(Outcome("failed", f"the supervisor failed: {error!r}"), 0.0)
                raise
            finally:
                outcome = self._close()
        return outcome

    def _open(self, stack: ExitStack, life: int) -> None:
        endpoint = self._directory.endpoint("control")
        self._control = ControlServer(endpoint, self._directory.run)
        stack.callback(self._control.close)
        self._directory.open_control(endpoint)
        self._processes = Processes(self._directory.run, self._directory.logs, life, self._modules)
        self._care = Care(
            self._directory.run,
            self._children,
            self._config.control,
            self._processes,
            self._record,
            self._starts,
            self._timing.left,
        )
        self._desk = Desk(self._directory.run, self._config, self._table)
        self._zygote = ZygoteCare(self._processes, self._record, self._budget, self._config.control.start_grace_s)
        self._waiting = Waiting(self._control.socket, self._inbox.descriptor)
        self._displayed = self._trimmed = time.monotonic()

    def _start(self) -> None:
        """Zygote and environment server side by side; the learners are ordered at once and forked when it is warm."""
        self._record.event("start", "supervisor", pid=os.getpid(), learners=len(self._care.learners()), life=self._life)
        self._zygote.start()
        server = self._children[SERVER]
        server.phase = Phase.STARTING
        self._care.begin(server, self._processes.start_server(self._starts.server()), self._waiting.attention.now)
        self._record.processes(self._processes.pids())

    def _loop(self) -> None:
        while not self._over(time.monotonic()):
            self._wait()
            attention = self._waiting.attention.now
            for number in self._inbox.take():
                self._heed(number)
            for peer, message in self._control.receive(0.0):
                self._hear(peer, message)
            for happening in self._processes.collect():
                self._handle(happening)
            now = time.monotonic()
            self._care.judge(attention, now)
            self._care.act(now)
            self._zygote.watch(now)
            self._tell_server()
            if self._ending is None and self._care.all_failed():
                self._fail(with_log("every learner has failed", self._processes.log(self._care.learners()[0].name)))
            self._record.processes(self._processes.pids())
            self._show(now)

    def _wait(self) -> None:
        longest = _SHORT_S if self._processes.waits_for_status() else self._timing.tick
        deadline = self._ending.deadline if self._ending is not None else None
        self._waiting.wait(self._processes.descriptors(), longest, self._care.next_due(), deadline)

    def _over(self, now: float) -> bool:
        if self._ending is None:
            return False
        running = any(child.running for child in self._children.values())
        return self._killed or now >= self._ending.deadline or not running

    def _heed(self, number: int) -> None:
        name = signal.Signals(number).name
        self._record.event("signal", "supervisor", signal=name)
        if self._ending is not None:
            self._killed = True
        else:
            self._stop_cleanly(f"{name} came")

    def _hear(self, peer: Peer, message: Message) -> None:
        now = time.monotonic()
        if isinstance(message, Heartbeat):
            self._care.heard(message, self._waiting.attention.now, now)
        elif isinstance(message, Event):
            self._record.event(message.name, message.process, **{"details": message.details} if message.details else {})
        answer = self._desk.take(message, now, phase=self._phase())
        if self._desk.draining:
            self._care.draining = True
        for learner, incarnation in self._desk.take_online():
            self._care.online(learner, incarnation, now)
        if answer is not None:
            self._control.reply(peer, answer)
        if self._desk.stop_asked and self._ending is None:
            self._stop_cleanly("`fleet stop` asked for it")

    def _handle(self, happening: Happening) -> None:
        now = time.monotonic()
        if isinstance(happening, Started):
            self._care.started(happening, self._waiting.attention.now)
        elif isinstance(happening, Refused):
            self._care.refused(happening, now)
        elif isinstance(happening, Ready):
            self._zygote.ready(happening, now)
        else:
            self._handle_end(happening, now)

    def _handle_end(self, happening: Ended, now: float) -> None:
        if happening.name == SERVER:
            self._server_ended(happening, now)
        elif happening.name == ZYGOTE:
            reason = self._zygote.ended(happening, now, wanted=self._ending is None)
            if reason is not None:
                self._fail(reason)
        else:
            self._care.ended(happening, now)

    def _server_ended(self, happening: Ended, now: float) -> None:
        server = self._children[SERVER]
        server.pid, server.vitals, server.phase = None, None, Phase.ENDED
        self._record.event("exit", SERVER, pid=happening.pid, status=happening.status)
        if self._ending is not None:
            self._ending.deadline = min(self._ending.deadline, now + self._timing.leave)
            self._dismiss_learners("the run is over")
            return
        if happening.status == 0:
            self._ending = Ending(Outcome("done", "all rounds done"), now + self._timing.leave)
            self._dismiss_learners("the run is done")
            return
        frozen = " after it had been silent for too long" if server.fault is not None else ""
        text = f"the environment server {describe_exit(happening.status)}{frozen}"
        self._fail(with_log(text, self._processes.log(SERVER)))

    def _stop_cleanly(self, reason: str) -> None:
        now = time.monotonic()
        self._record.event("stop", "supervisor", reason=reason)
        self._ending = Ending(Outcome("interrupted", reason), now + self._timing.stop)
        if self._children[SERVER].phase is Phase.STARTING:
            self._ending.deadline = now  # nothing has been begun that could be brought to an end
        self._care.release()
        self._care.notices.append(Stop(self._directory.run, reason))

    def _fail(self, reason: str) -> None:
        self._ending = Ending(Outcome("failed", reason), 0.0)
        self._care.release()

    def _dismiss_learners(self, reason: str) -> None:
        """Have those leave that the server could not tell any more, and end those that weren't up yet."""
        self._care.release()
        for child in self._care.learners():
            if child.running and child.phase is Phase.STARTING:
                self._care.kill(child, reason)
            elif child.running:
                self._control.send(child.name, child.incarnation, Stop(self._directory.run, reason))

    def _tell_server(self) -> None:
        notices = self._care.notices
        while notices and self._control.send(SERVER, self._life, notices[0]):
            notices.popleft()

    def _show(self, now: float) -> None:
        if self._on_status is not None and now - self._displayed >= self._timing.display:
            self._displayed = now
            self._on_status(self._desk.status(now, self._phase()))
        if now - self._trimmed >= self._timing.trim:
            self._trimmed = now
            self._processes.trim_logs()

    def _table(self) -> list[ProcessStatus]:
        return [self._zygote.status(), *(child.status() for child in self._children.values())]

    def _phase(self) -> str:
        if self._ending is not None:
            return "stopping"
        return "running" if self._desk.figures else "starting"

    def _close(self) -> Outcome:
        """Kill what is left, settle the ledger, write the summary."""
        assert self._ending is not None
        outcome = self._ending.outcome
        self._care.release()
        left = sorted(name for name in self._processes.pids() if name != ZYGOTE)
        stubborn = self._processes.kill_all(self._timing.kill)  # before anything that a full disk could keep us from
        for name in left:
            self._record.event("kill", name, reason="the run is over", ended=name not in stubborn)
        self._record.processes({})
        for _, message in self._control.receive(0.0):  # the last figures may have come in with the server's end
            self._desk.take(message, time.monotonic(), phase="stopping")
        resolve_outstanding(self._directory.ledger, outcome.loss)
        summary = ending.summarize(outcome, self._desk.figures, self._care.learners(), self._directory.ledger)
        self._record.event("end", "supervisor", outcome=outcome.kind, status=outcome.exit_status)
        self._record.summary(summary)
        if self._on_status is not None:
            self._on_status(self._desk.status(time.monotonic(), outcome.kind))
        return outcome
