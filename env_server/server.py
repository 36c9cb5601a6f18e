"""The environment server process: steps the world and deals each robot's steps to its learner.

    python -m env_server.server < ServerStart as JSON

Policies come in over the data link and rollouts go out over it. The supervisor says over the control link who has died
or won't come back, which faults begin, and when to stop; the run's plan it resolves itself. Metrics, ledger and the
world's part of the snapshots are written here.
"""

import logging
import math
import sys
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any

import zmq

from actors.build import make_policy
from env_server.answers import Answers
from env_server.collect import Collector, Round
from env_server.dealt import Dealt
from env_server.errors import ServerError
from env_server.faults import Faults
from env_server.harness import Harness
from env_server.milestones import Milestones
from env_server.pacing import Pace
from env_server.record import Recorder, recorded
from env_server.roster import Roster
from env_server.snapshot import load_last, restore_world
from env_server.worlds import make_world
from fleet.core.config import Config
from fleet.core.config.load import load_config
from fleet.core.counters import Counters
from fleet.core.data_channel import DataServer
from fleet.core.faults.resolve import resolve
from fleet.core.jsonl import BoundedJsonl
from fleet.core.ledger_file import Ledger
from fleet.core.messages import Event, Gone, Inject, Lost, Message, Progress, Stop
from fleet.core.orphan import die_with_parent, watch
from fleet.core.pulse import Pulse
from fleet.core.rundir import RunDirectory
from fleet.core.session import Phase
from fleet.core.start import ServerStart, read_server_start

DRAIN_S = 2.0
STRUCK_S = 10.0
"""How long a server that the plan has killed waits for that."""
NAME = "env_server"


class EnvironmentServer:
    """One life of the server. `run()` returns when the rounds are done or the supervisor says stop."""

    def __init__(self, start: ServerStart, config: Config) -> None:
        self._start, self._config = start, config
        self._directory = RunDirectory.open(Path(start.directory))
        self._counters = Counters()
        self._stopping = ""
        self._waited = 0.0
        world = make_world(config.world)
        groups = config.groups(world.spec.robots)
        self._actors = make_policy(world.spec, config)
        self._collector = Collector(world, self._actors, config.run.seed, config.learner.rollout_steps)
        self._first, agent_steps = self._begin()
        self._agent_steps_before = agent_steps
        self._pulse = Pulse(start.control_endpoint, start.run, NAME, start.life, config.control.heartbeat_s)
        metrics = BoundedJsonl(self._directory.metrics, digits=6)
        self._recorder = Recorder(metrics, self._collector, config.run.rounds, agent_steps)
        self._milestones = Milestones(
            self._directory,
            config,
            self._collector,
            self._recorder,
            tick=self._pulse.tick,
            failed=lambda done, error: self._tell("snapshot_failed", {"round": done, "error": error}),
        )
        self._ledger = Ledger(self._directory.ledger)
        self._pace = Pace(config.run.pacing == "lockstep", config.run.quorum, config.run.patience_s)
        self._roster = Roster(
            start.run,
            start.life,
            groups,
            world.spec,
            self._ledger,
            config.run.credit,
            lockstep=self._pace.lockstep,
            fences={int(learner): incarnation for learner, incarnation in start.fences.items()},
            accepted={int(learner): version for learner, version in start.accepted.items()},
            gone=start.gone,
            frozen=config.frozen_robots(world.spec.robots),
        )
        self._harness = Harness(
            Faults(resolve(config), self._first),
            self._roster,
            self._collector,
            self._tell,
            self._first,
            restored=start.snapshot is not None,
            struck=start.struck,
        )
        if self._first:
            silent = [s.learner for s in self._roster.sessions if s.phase is Phase.GONE or not s.expected]
            load_last(self._directory, silent, groups, self._actors, config.learners.policies)
        self._data = DataServer(start.data_endpoint, start.run, self._counters)
        self._answers = Answers(self._data, self._roster, self._actors, self._recorder, self._harness, self._tell)
        self._poller = zmq.Poller()
        self._poller.register(self._data.socket, zmq.POLLIN)
        self._poller.register(self._pulse.wakeup_fd, zmq.POLLIN)

    def _begin(self) -> tuple[int, int]:
        """Put the world where it goes on; rounds and agent-steps that the run has done.

        A life that takes another's place may find a round in the record that the supervisor hasn't heard of.
        """
        start = self._start
        replaces = start.goes_on_at is not None
        if start.snapshot is None:
            self._collector.reset(start.life if replaces else 0)
            done = 0, 0
        else:
            done = restore_world(Path(start.snapshot), self._collector)
        if start.goes_on_at is None:
            return done
        return max((start.goes_on_at, start.agent_steps), recorded(self._directory.metrics))

    def run(self) -> None:
        """All rounds, then a clean end: nothing outstanding, the learners told to stop."""
        try:
            while self._harness.round < self._config.run.rounds and self._await_round():
                self._one_round()
            self._tell("draining", {})  # learners that leave now are not dead
            self._settle()
            self._answers.dismiss(self._start.run, self._stopping or "done")
        finally:
            self._close()  # after an error the learners are there for this server's next life

    def _await_round(self) -> bool:
        """Wait for the next round, its first faults included; False if the run is to stop instead."""
        self._waited = 0.0
        self._harness.arrive()
        if not self._await_start():
            return False
        return not self._harness.begin("before") or self._await_start()

    def _one_round(self) -> None:
        number = self._harness.round
        waited = self._waited
        offline = self._harness.settle()
        versions = [session.accepted for session in self._roster.sessions]
        taken = self._collector.collect(number, self._stop_heard)
        if not self._pace.lockstep:
            self._hear(0.0)  # who finished meanwhile gets its part of this round too, one version late
        if self._stopping:
            self._roster.withhold_all(number, taken, "stopped")
            return
        began = perf_counter()
        dealt = self._roster.deal(number, taken, versions, self._answers.send, offline)
        times = {"sending": perf_counter() - began, "waiting": waited}
        self._pulse.tick()
        self._harness.begin("during")
        if self._pace.lockstep or number + 1 == self._config.run.rounds:
            times["learning"] = self._await_policies()
        self._finish_round(number, taken, dealt, times)

    def _finish_round(self, number: int, taken: Round, dealt: Dealt, times: dict[str, float]) -> None:
        """The record of a round; a round that a stop cut short has none."""
        if self._stopping:
            return
        versions = {session.learner: session.accepted for session in self._roster.sessions}
        figures = self._milestones.finish(number, taken, dealt, times, versions)
        self._pulse.send(Progress(self._start.run, self._start.life, figures | self._wire_figures()))
        if any(strike.target == NAME and strike.about.fatal for strike in self._harness.begin("after")):
            self._await_the_end()
        self._harness.round = number + 1

    def _wire_figures(self) -> dict[str, float | int | str | bool]:
        counters = self._counters
        kinds: dict[str, float | int | str | bool] = {
            f"wire_{way}_{kind}_bytes": size
            for way in ("sent", "received")
            for kind, size in counters.as_dict()[f"bytes_{way}"].items()
        }
        return kinds | {
            "wire_agent_steps": self._recorder.agent_steps - self._agent_steps_before,
            "wire_sent_bytes": counters.bytes("sent"),
            "wire_received_bytes": counters.bytes("received"),
            "wire_rejected": sum(counters.rejected.values()),
            "wire_disconnects": counters.disconnects,
        }

    def _await_start(self) -> bool:
        """Wait until pacing lets the next round start; False if the run is to stop instead."""
        began, before = monotonic(), self._waited
        while not self._stopping:
            self._hear(0.0)
            if self._roster.all_gone:
                raise ServerError("every learner has failed; nobody is left to learn")
            waited = monotonic() - began
            standing = self._roster.standing(self._harness.offline)
            started = self._harness.round > self._first
            if self._pace.may_start(standing, waited, started, self._harness.returning):
                self._waited = before + waited
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

    def _await_the_end(self) -> None:
        """The supervisor has been told to kill this process: it is to die in this round, and in no other."""
        deadline = monotonic() + STRUCK_S
        while not self._stopping and monotonic() < deadline:
            self._hear(0.25)

    def _settle(self) -> None:
        """What is still being learned gets a moment; then the ledger is closed over it."""
        deadline = monotonic() + DRAIN_S
        while self._roster.outstanding and monotonic() < deadline:
            self._hear(deadline - monotonic())
        self._roster.lose_all("stopped" if self._stopping else "unanswered")

    def _close(self) -> None:
        self._ledger.close()
        self._pulse.close()
        self._data.close()

    def _hear(self, timeout_s: float) -> None:
        """Handle all that has come in on both links, waiting for something at most `timeout_s`."""
        self._pulse.working = timeout_s <= 0.0
        self._poller.poll(round(max(0.0, timeout_s) * 1000.0))
        self._pulse.working = True
        for message in self._pulse.heard():
            self._control(message)
        self._answers.attend()

    def _stop_heard(self) -> bool:
        self._pulse.tick()
        for message in self._pulse.heard():
            self._control(message)
        return bool(self._stopping)

    def _control(self, message: Message) -> None:
        if isinstance(message, Lost):
            self._harness.lost(message)
        elif isinstance(message, Gone):
            self._roster.give_up(message.learner, message.reason)
        elif isinstance(message, Inject):
            self._harness.injected(message)
        elif isinstance(message, Stop):
            self._stopping = message.reason or "stopped"

    def _tell(self, name: str, details: dict[str, Any]) -> None:
        self._pulse.send(Event(self._start.run, NAME, name, details))


def main() -> None:
    """Read the start from standard input, serve, exit 0 when done; a failure's traceback goes to the log."""
    die_with_parent()
    watch()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    start = read_server_start(sys.stdin.read())
    EnvironmentServer(start, load_config(RunDirectory.open(Path(start.directory)).config)).run()


if __name__ == "__main__":
    main()
