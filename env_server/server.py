"""The environment server process: steps the world and deals each robot's steps to its learner.

    python -m env_server.server < ServerStart as JSON

Policies come in over the data link and rollouts go out over it. The supervisor says over the control link who has died
or won't come back, and when to stop. Metrics, ledger and the world's part of the snapshots are written here.
"""

import logging
import math
import sys
from pathlib import Path
from time import monotonic, perf_counter

import zmq

from actors.stacked import StackedPolicy
from env_server.collect import Collector, Round
from env_server.errors import ServerError
from env_server.milestones import Milestones
from env_server.pacing import Pace
from env_server.record import Dealt, Recorder
from env_server.roster import Roster
from env_server.snapshot import restore_world
from env_server.worlds import make_world
from fleet.core.config import Config, robot_groups
from fleet.core.config.load import load_config
from fleet.core.counters import Counters
from fleet.core.data_channel import DataServer
from fleet.core.jsonl import BoundedJsonl
from fleet.core.ledger_file import Ledger
from fleet.core.messages import Event, Gone, Hello, Lost, Message, Policy, Progress, Rollout, Stop
from fleet.core.orphan import die_with_parent, watch
from fleet.core.pulse import Pulse
from fleet.core.rundir import RunDirectory
from fleet.core.start import ServerStart, read_server_start

log = logging.getLogger(__name__)

DRAIN_S = 2.0
NAME = "env_server"


class EnvironmentServer:
    """One life of the server. `run()` returns when the rounds are done or the supervisor says stop."""

    def __init__(self, start: ServerStart, config: Config) -> None:
        self._start, self._config = start, config
        self._directory = RunDirectory.open(Path(start.directory))
        world = make_world(config.world)
        self._actors = StackedPolicy(world.spec, config.network)
        self._collector = Collector(world, self._actors, config.run.seed, config.learner.rollout_steps)
        self._round, agent_steps = self._begin()
        self._first = self._round
        metrics = BoundedJsonl(self._directory.metrics, digits=6)
        self._recorder = Recorder(metrics, self._collector, config.run.rounds, agent_steps)
        self._milestones = Milestones(self._directory, config, self._collector, self._recorder)
        self._ledger = Ledger(self._directory.ledger)
        self._pace = Pace(config.run.pacing == "lockstep", config.run.quorum, config.run.patience_s)
        self._roster = Roster(
            start.run,
            start.life,
            robot_groups(config.mapping, world.spec.robots),
            world.spec,
            self._ledger,
            config.run.credit,
            lockstep=self._pace.lockstep,
        )
        self._counters = Counters()
        self._data = DataServer(start.data_endpoint, start.run, self._counters)
        self._pulse = Pulse(start.control_endpoint, start.run, NAME, start.life, config.control.heartbeat_s)
        self._stopping = ""
        self._waited = 0.0
        self._poller = zmq.Poller()
        self._poller.register(self._data.socket, zmq.POLLIN)
        self._poller.register(self._pulse.wakeup_fd, zmq.POLLIN)

    def _begin(self) -> tuple[int, int]:
        if self._start.snapshot is None:
            self._collector.reset()
            return 0, 0
        return restore_world(Path(self._start.snapshot), self._collector)

    def run(self) -> None:
        """All rounds, then a clean end: nothing outstanding, the learners told to stop."""
        try:
            while self._round < self._config.run.rounds and self._await_start():
                self._one_round()
            self._pulse.send(Event(self._start.run, NAME, "draining", {}))  # learners that leave now are not dead
            self._settle()
        finally:
            self._close()

    def _one_round(self) -> None:
        number = self._round
        waited = self._waited
        versions = [session.accepted for session in self._roster.sessions]
        taken = self._collector.collect(number, self._stop_heard)
        if not self._pace.lockstep:
            self._hear(0.0)  # who finished meanwhile gets its part of this round too, one version late
        if self._stopping:
            self._roster.withhold_all(number, taken, "stopped")
            return
        began = perf_counter()
        dealt = self._roster.deal(number, taken, versions, self._send)
        times = {"sending": perf_counter() - began, "waiting": waited}
        self._round += 1
        self._pulse.tick()
        if self._pace.lockstep or self._round == self._config.run.rounds:
            times["learning"] = self._await_policies()
        self._finish_round(number, taken, dealt, times)

    def _finish_round(self, number: int, taken: Round, dealt: Dealt, times: dict[str, float]) -> None:
        """The record of a round; a round that a stop cut short has none."""
        if self._stopping:
            return
        versions = {session.learner: session.accepted for session in self._roster.sessions}
        figures = self._milestones.finish(number, taken, dealt, times, versions)
        self._pulse.send(Progress(self._start.run, self._start.life, figures | self._wire_figures()))

    def _wire_figures(self) -> dict[str, float | int | str | bool]:
        counters = self._counters
        return {
            "wire_sent_bytes": counters.bytes("sent"),
            "wire_received_bytes": counters.bytes("received"),
            "wire_rejected": sum(counters.rejected.values()),
        }

    def _await_start(self) -> bool:
        """Wait until pacing lets the next round start; False if the run is to stop instead."""
        began = monotonic()
        while not self._stopping:
            self._hear(0.0)
            if self._roster.all_gone:
                raise ServerError("every learner has failed; nobody is left to learn")
            waited = monotonic() - began
            if self._pace.may_start(self._roster.standing(), waited, self._round > self._first):
                self._waited = waited
                return True
            self._hear(0.25)
        return False

    def _await_policies(self) -> float:
        """Wait until nothing is outstanding (a learner that dies is accounted for when the supervisor says so).

        Lockstep has to wait for a learner that is alive; free pacing, at its end, has patience.
        """
        limit = math.inf if self._pace.lockstep else self._pace.patience_s
        began = perf_counter()
        while self._roster.outstanding and not self._stopping and perf_counter() - began < limit:
            self._hear(0.25)
        return perf_counter() - began

    def _settle(self) -> None:
        """What is still being learned gets a moment; then the ledger is closed over it."""
        deadline = monotonic() + DRAIN_S
        while self._roster.outstanding and monotonic() < deadline:
            self._hear(deadline - monotonic())
        self._roster.lose_all("stopped" if self._stopping else "unanswered")

    def _close(self) -> None:
        for session in self._roster.sessions:
            self._data.send(session.learner, session.incarnation, Stop(self._start.run, self._stopping or "done"))
        self._ledger.close()
        self._pulse.close()
        self._data.close()

    def _hear(self, timeout_s: float) -> None:
        """Handle all that has come in on both links, waiting for something at most `timeout_s`."""
        self._poller.poll(round(max(0.0, timeout_s) * 1000.0))
        for message in self._pulse.heard():
            self._control(message)
        for message in self._data.receive(0.0):
            self._learner(message)

    def _stop_heard(self) -> bool:
        for message in self._pulse.heard():
            self._control(message)
        return bool(self._stopping)

    def _control(self, message: Message) -> None:
        if isinstance(message, Lost):
            self._roster.lose(message.learner, message.incarnation, message.reason)
        elif isinstance(message, Gone):
            self._roster.give_up(message.learner, message.reason)
        elif isinstance(message, Stop):
            self._stopping = message.reason or "stopped"

    def _learner(self, message: Message) -> None:
        if isinstance(message, Hello):
            welcome = self._roster.greet(message)
            if welcome is not None:
                self._data.send(message.learner, message.incarnation, welcome)
        elif isinstance(message, Policy):
            taken = self._roster.take(message, self._actors, self._recorder)
            if taken and not message.rollouts:  # an incarnation's first: it is back, or has begun
                details = {"learner": message.learner, "incarnation": message.incarnation}
                self._pulse.send(Event(self._start.run, NAME, "online", details))

    def _send(self, rollout: Rollout) -> bool:
        return self._data.send(rollout.learner, rollout.incarnation, rollout)


def main() -> None:
    """Read the start from standard input, serve, exit 0 when done; a failure's traceback goes to the log."""
    die_with_parent()
    watch()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    start = read_server_start(sys.stdin.read())
    EnvironmentServer(start, load_config(RunDirectory.open(Path(start.directory)).config)).run()


if __name__ == "__main__":
    main()
