"""The supervisor: starts a run's processes, hears them, mends what breaks, and ends with nothing left running.

One loop waits on the control link, the pidfd of every process, the zygote's socket and the signals that came in. The
processes and who cares for each are in house.py; here is the run as a whole.
"""

import os
import signal
import time
from collections.abc import Mapping
from contextlib import ExitStack

from fleet.control import ending
from fleet.control.care.child import SERVER, ZYGOTE, Phase
from fleet.control.care.record import Record
from fleet.control.care.reports import hand_on
from fleet.control.care.starts import Starts
from fleet.control.desk import Desk
from fleet.control.ending import Ending, Outcome, with_log
from fleet.control.harness import Usage
from fleet.control.house import House
from fleet.control.process import pidfd
from fleet.control.process.processes import Ended, Happening, Modules, Started
from fleet.control.process.zygote_client import Ready, Refused
from fleet.control.signals import Inbox
from fleet.control.status import OnStatus
from fleet.control.timing import Timing
from fleet.control.waiting import Waiting
from fleet.core.config import Config
from fleet.core.control_channel import ControlServer, Peer
from fleet.core.ledger_file import resolve_outstanding
from fleet.core.messages import Event, Heartbeat, Message, MessageError, Progress, Reply, Stop
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
        on_status: OnStatus | None = None,
        modules: Modules | None = None,
        timing: Timing | None = None,
    ) -> None:
        assert config.world.robots is not None, "the config given to a supervisor is resolved"
        self._directory, self._config, self._life = directory, config, life
        gated, foreign = config.learners.at_once is not None, config.world.is_foreign
        self._starts = Starts(directory, snapshot, dict(origins or {}), config.checkpoint.keep, gated, foreign)
        self._on_status = on_status
        self._modules, self._timing = (
            modules or Modules(),
            (timing or Timing()).of_fleet(len(config.groups(config.world.robots))),
        )
        self._ending: Ending | None = None
        self._killed = False
        self._inbox = Inbox()

    def stop(self) -> None:
        """Ask for a clean stop, as Ctrl-C does, from any thread; a second time: for a quick one."""
        self._inbox.post(signal.SIGINT)

    def run(self) -> Outcome:
        """Run to the end. Whatever happens, nothing is left running and no socket is left behind.

        Raises LedgerError or RecordError if what the run came to can't be written down.
        """
        with ExitStack() as stack:
            stack.enter_context(self._inbox)
            stack.enter_context(pidfd.subreaper())
            self._usage = Usage()
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
        self._directory.use_wire(self._config.wire)
        endpoint = self._directory.endpoint("control")
        self._control = ControlServer(endpoint, self._directory.run)
        stack.callback(self._control.close)
        self._directory.open_control(endpoint)
        self._house = House(
            self._directory,
            self._config,
            self._starts,
            self._record,
            self._modules,
            self._timing,
            life_pipe=life,
            life=self._life,
            tell=lambda child, message: self._control.send(child.name, child.incarnation, message),
        )
        self._desk = Desk(self._directory.run, self._config, self._house.table, self._house.drill)
        self._waiting = Waiting(self._control.socket, self._inbox.descriptor)
        self._displayed = self._trimmed = time.monotonic()

    def _start(self) -> None:
        """Zygote and environment server side by side; the learners are ordered at once and forked when it is warm."""
        house = self._house
        self._record.event("start", "supervisor", pid=os.getpid(), learners=len(house.learners), life=self._life)
        house.drill.before_start(time.monotonic())
        house.zygote.start(self._waiting.attention.now)
        house.server.start(self._waiting.attention.now)
        self._record.processes(house.processes.pids())

    def _loop(self) -> None:
        house = self._house
        while not self._over(time.monotonic()):
            self._wait()
            attention = self._waiting.attention.now
            for number in self._inbox.take():
                self._heed(number)
            self._listen()
            for happening in house.processes.collect():
                self._handle(happening)
            now = time.monotonic()
            if (reason := house.server.settle()) is not None and self._ending is None:
                self._fail(reason)
            house.act(attention, now)
            self._tell_server()
            if self._ending is None and house.care.all_gone():
                log = house.processes.log(house.learners[0].name)
                self._fail(with_log("every learner has failed or left", log))
            self._record.processes(house.processes.pids())
            self._show(now)

    def _wait(self) -> None:
        house = self._house
        longest = _SHORT_S if house.processes.waits_for_status() else self._timing.tick
        deadline = self._ending.deadline if self._ending is not None else None
        self._waiting.wait(house.processes.descriptors(), longest, *house.dues(time.monotonic()), deadline)

    def _over(self, now: float) -> bool:
        if self._ending is None:
            return False
        return self._killed or now >= self._ending.deadline or not self._house.running

    def _heed(self, number: int) -> None:
        name = signal.Signals(number).name
        self._record.event("signal", "supervisor", signal=name)
        if self._ending is not None:
            self._killed = True
        else:
            self._stop_cleanly(f"{name} came")

    def _listen(self) -> None:
        for peer, message in self._control.receive(0.0):
            if peer.process != SERVER or peer.incarnation == self._house.server.life:
                self._hear(peer, message)

    def _hear(self, peer: Peer, message: Message) -> None:
        now = time.monotonic()
        if isinstance(message, Heartbeat):
            self._house.heard(message, self._waiting.attention.now, now)
        elif isinstance(message, Progress):
            self._house.server.progress(message, now)
            self._house.drill.first_progress(now)
        elif isinstance(message, Event) and self._house.knows(peer.process, peer.incarnation):
            self._record.event(message.name, message.process, **{"details": message.details} if message.details else {})
            if peer.process == SERVER:
                hand_on(message, self._house.care, now)
            if self._house.care.speaks_for(peer.process, peer.incarnation):
                self._house.drill.event(message, now)
        self._answer(peer, message, now)
        self._house.care.draining = self._desk.draining
        if self._desk.stop_asked and self._ending is None:
            self._stop_cleanly("`fleet stop` asked for it")

    def _answer(self, peer: Peer, message: Message, now: float) -> None:
        """Hand it to the desk. An answer with too much in it is no reason to end the run."""
        try:
            answer = self._desk.take(message, now, phase=self._phase())
            if answer is not None:
                self._control.reply(peer, answer)
        except MessageError as error:
            text = f"heard, but the answer can't be sent: {error}"
            self._control.reply(peer, Reply(self._directory.run, False, text, {}))

    def _handle(self, happening: Happening) -> None:
        now, attention, house = time.monotonic(), self._waiting.attention.now, self._house
        if isinstance(happening, Ended):
            self._handle_end(happening, now)
        elif isinstance(happening, Ready):
            house.zygote.ready(happening, attention, now)
        else:
            house.zygote.alive(attention)
            if isinstance(happening, Started):
                house.care.started(happening, attention)
            elif isinstance(happening, Refused):
                house.care.refused(happening, now)

    def _handle_end(self, happening: Ended, now: float) -> None:
        if happening.name == SERVER:
            self._listen()  # its last figures say where the next life goes on
            self._server_ended(happening, now)
        elif happening.name == ZYGOTE:
            reason = self._house.zygote.ended(happening, now)
            if reason is not None:
                self._fail(reason)
        else:
            self._house.care.ended(happening, now)

    def _server_ended(self, happening: Ended, now: float) -> None:
        server = self._house.server
        server.exited(happening)
        if self._ending is not None:
            self._ending.deadline = min(self._ending.deadline, now + self._timing.leave)
            self._house.dismiss("the run is over")
        elif happening.status == 0:
            self._ending = Ending(Outcome("done", "all rounds done"), now + self._timing.leave)
            self._house.dismiss("the run is done")
        else:
            reason = server.follow(happening, now)
            self._desk.draining = self._house.care.draining = False
            if reason is not None:
                self._fail(reason)

    def _stop_cleanly(self, reason: str) -> None:
        now = time.monotonic()
        self._record.event("stop", "supervisor", reason=reason)
        self._ending = Ending(Outcome("interrupted", reason), now + self._timing.stop)
        if self._house.server.child.phase in (Phase.STARTING, Phase.WAITING):
            self._ending.deadline = now  # no round is under way that could be brought to its end
        self._house.release()
        self._house.care.notices.append(Stop(self._directory.run, reason))

    def _fail(self, reason: str) -> None:
        self._ending = Ending(Outcome("failed", reason), 0.0)
        self._house.release()

    def _tell_server(self) -> None:
        notices, life = self._house.care.notices, self._house.server.life
        while notices and self._control.send(SERVER, life, notices[0]):
            notices.popleft()

    def _show(self, now: float) -> None:
        if self._on_status is not None and now - self._displayed >= self._timing.display:
            self._displayed = now
            if self._on_status(self._desk.status(now, self._phase())) is False and self._ending is None:
                self._stop_cleanly("whoever watches it has seen enough")
        if now - self._trimmed >= self._timing.trim:
            self._trimmed = now
            self._house.processes.trim_logs()

    def _phase(self) -> str:
        if self._ending is not None:
            return "stopping"
        return "running" if self._desk.figures else "starting"

    def _close(self) -> Outcome:
        """Kill what is left, settle the ledger, write the summary."""
        assert self._ending is not None
        outcome, house = self._ending.outcome, self._house
        house.release()
        left = sorted(name for name in house.processes.pids() if name != ZYGOTE)
        stubborn = house.processes.kill_all(self._timing.kill)  # before anything that a full disk could keep us from
        for name in left:
            self._record.event("kill", name, reason="the run is over", ended=name not in stubborn)
        self._record.processes({})
        for _, message in self._control.receive(0.0):  # the last figures may have come in with the server's end
            self._desk.take(message, time.monotonic(), phase="stopping")
        house.server.wait_settled()
        balance = resolve_outstanding(self._directory.ledger, outcome.loss)
        summary = ending.summarize(outcome, self._desk.figures, house.everyone(), balance)
        summary["faults_injected"] = self._record.counts["inject"]
        summary["harness"] = self._usage.figures(house.drill.cpu_s)
        self._record.event("end", "supervisor", outcome=outcome.kind, status=outcome.exit_status)
        if self._on_status is not None:
            self._on_status(self._desk.status(time.monotonic(), outcome.kind))
        self._record.summary(summary)
        return outcome
