"""A learner process: one learner, its rollouts in, its policies out.

Forked by the zygote, which calls `main` with a LearnerStart as JSON. It says hello to the environment server, learns
the world's shape from the welcome, comes back with the checkpoint it was given, and answers each rollout with a policy.
When its link was cut it says hello again.
"""

import logging
import sys
from pathlib import Path

from fleet.core.checkpoint import load_arrays
from fleet.core.config import Config
from fleet.core.config.load import load_config
from fleet.core.counters import Counters
from fleet.core.data_channel import DataClient
from fleet.core.messages import Message, Policy, Rollout, Stop, Welcome
from fleet.core.pulse import Pulse
from fleet.core.rundir import RunDirectory
from fleet.core.snapshots import LearnerStore
from fleet.core.spec import Array
from fleet.core.start import LearnerStart, read_learner_start
from learners.build import build_learner
from learners.protocol import Learner, Meta

log = logging.getLogger(__name__)


class LearnerProcess:
    """One incarnation. `run()` returns when the server or the supervisor says stop."""

    def __init__(self, start: LearnerStart, config: Config) -> None:
        self._start, self._config = start, config
        directory = RunDirectory.open(Path(start.directory))
        self._store = LearnerStore(directory.learner(start.learner))
        self._saved = load_checkpoint(start)
        self._data = DataClient(start.data_endpoint, start.run, start.learner, start.incarnation, Counters())
        self._pulse = Pulse(
            start.control_endpoint, start.run, start.name, start.incarnation, config.control.heartbeat_s
        )
        resumed = None if start.origin == "init" else self._saved
        self._version = -1 if resumed is None else int(resumed[1]["version"])
        self._connections = 1
        self._life = -1
        self._told: tuple[tuple[int, ...], dict[str, float]] = (), {}
        self._stopping = False

    def run(self) -> None:
        """Greet, publish the first policy, then learn until told to stop."""
        try:
            self._greet()
            welcome = self._await_welcome()
            if welcome is None:
                return
            learner = self._come_to_life(welcome)
            while not self._stopping:
                for message in self._listen(1.0):
                    if isinstance(message, Rollout):
                        self._learn(learner, message)
                    elif isinstance(message, Welcome):
                        self._come_back(learner, message)
        finally:
            self._pulse.close()
            self._data.close()

    def _greet(self) -> None:
        self._data.greet(self._version)
        self._connections = max(1, self._data.connections)  # the first one made carries the first hello

    def _await_welcome(self) -> Welcome | None:
        while not self._stopping:
            for message in self._listen(1.0):
                if isinstance(message, Welcome):
                    return message
        return None

    def _come_to_life(self, welcome: Welcome) -> Learner:
        """Build the learner, give it what it comes back with, and publish its first policy."""
        learner = build_learner(self._config, welcome.spec, self._start.learner)
        wake(learner, self._start, self._saved)
        self._saved = None
        self._enter(learner, welcome)
        return learner

    def _come_back(self, learner: Learner, welcome: Welcome) -> None:
        """The link was cut: the last policy may have been on its way then."""
        if welcome.life != self._life:
            self._enter(learner, welcome)
        elif welcome.accepted < learner.version:
            self._publish(learner, *self._told)

    def _enter(self, learner: Learner, welcome: Welcome) -> None:
        """Publish the first policy of a server life; versions go on from the last that was accepted."""
        self._life = welcome.life
        learner.version = max(learner.version, welcome.accepted + 1)
        self._publish(learner, (), {})

    def _learn(self, learner: Learner, rollout: Rollout) -> None:
        diagnostics = learner.update(rollout.batch, self._pulse.tick)
        save_if_due(self._config, self._store, learner, rollout.round + 1)
        self._publish(learner, (rollout.seq,), diagnostics)
        self._pulse.tick()

    def _publish(self, learner: Learner, rollouts: tuple[int, ...], diagnostics: dict[str, float]) -> None:
        start = self._start
        self._version, self._told = learner.version, (rollouts, diagnostics)
        policy = Policy(
            run=start.run,
            life=self._life,
            learner=start.learner,
            incarnation=start.incarnation,
            version=learner.version,
            rollouts=rollouts,
            weights=learner.weights(),
            diagnostics=diagnostics,
        )
        self._data.send(policy)

    def _listen(self, timeout_s: float) -> list[Message]:
        """What the server sent; nothing once a stop has come, since nobody waits for an answer then."""
        messages = self._data.receive(timeout_s)
        if self._data.connections > self._connections:
            self._greet()
        self._stopping = any(isinstance(message, Stop) for message in messages + self._pulse.heard())
        return [] if self._stopping else messages


def load_checkpoint(start: LearnerStart) -> tuple[dict[str, Array], Meta] | None:
    """The checkpoint this incarnation comes back with, if it was given one. Raises CheckpointError."""
    return None if start.checkpoint is None else load_arrays(Path(start.checkpoint))


def wake(learner: Learner, start: LearnerStart, saved: tuple[dict[str, Array], Meta] | None) -> None:
    """Put a fresh learner in the state that `saved` holds: all of it, or for `init` the networks alone."""
    if saved is None:
        return
    arrays, meta = saved
    if start.origin == "init":
        learner.start_from(arrays)
    else:
        learner.restore(arrays, meta)


def save_if_due(config: Config, store: LearnerStore, learner: Learner, done: int) -> None:
    """Write the learner's checkpoint if its own or a run snapshot's is due after `done` rounds."""
    if learner.version % config.checkpoint.learner_every == 0 or config.snapshot_due(done):
        store.save(learner.version, *learner.save())


def main(text: str) -> None:
    """The zygote's child calls this; it returns when the learner is told to stop. Failures go to its log."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    start = read_learner_start(text)
    config = load_config(RunDirectory.open(Path(start.directory)).config)
    LearnerProcess(start, config).run()
