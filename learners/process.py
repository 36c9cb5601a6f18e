"""A learner process: one learner, its rollouts in, its policies out.

Forked by the zygote, which calls `main` with a LearnerStart as JSON. It says hello to the environment server, learns
the world's shape from the welcome, comes back with the checkpoint it was given, and answers each rollout with a policy.
When to say what is answering.py's to decide; what it does to itself under a fault plan is sabotage.py's.
"""

import logging
import sys
from collections import deque
from collections.abc import Callable
from math import ceil
from pathlib import Path
from time import monotonic

import zmq

from fleet.core import beats, seeds
from fleet.core.answering import Answer
from fleet.core.checkpoint import SaveError, load_arrays
from fleet.core.config import Config
from fleet.core.config.load import load_config
from fleet.core.counters import Counters
from fleet.core.data_channel import DataClient
from fleet.core.faults.resolve import resolve
from fleet.core.gate import Gate
from fleet.core.messages import Event, Inject, Message, Rollout, Stop, Welcome
from fleet.core.pulse import Pulse
from fleet.core.rundir import RunDirectory
from fleet.core.snapshots import LearnerStore
from fleet.core.spec import Array
from fleet.core.start import LearnerStart, read_learner_start
from fleet.core.weather import Weather
from learners.build import build_learner
from learners.protocol import Learner, Meta
from learners.sabotage import Sabotage

log = logging.getLogger(__name__)

_LOOK_S = 1.0


class LearnerProcess:
    """One incarnation. `run()` returns when the server or the supervisor says stop."""

    def __init__(self, start: LearnerStart, config: Config) -> None:
        if start.doomed:
            raise RuntimeError(f"planned: {start.name} is not to be made")
        self._start, self._config = start, config
        directory = RunDirectory.open(Path(start.directory))
        # As many may be newer than the last policy accepted as there is credit, and nobody comes back with those.
        self._store = LearnerStore(directory.learner(start.learner), keep=config.run.credit + 2)
        self._saved = load_checkpoint(start)
        resumed = None if start.origin == "init" else self._saved
        self._weather = Weather(int(seeds.stream(config.run.seed, "faults", start.learner).generate_state(1)[0]))
        self._data = DataClient(
            start.data_endpoint,
            start.run,
            start.learner,
            start.incarnation,
            Counters(),
            version=-1 if resumed is None else int(resumed[1]["version"]),
            weather=self._weather,
        )
        self._answering = self._data.answering
        where = start.control_endpoint, start.run, start.name, start.incarnation
        self._pulse = Pulse(*where, beats.beat_s(config), beats.measure_s(config))
        self._sabotage = make_sabotage(start, config, self._weather, self._pulse, self._data.reconnect)
        self._poller = zmq.Poller()
        self._poller.register(self._data.socket, zmq.POLLIN)
        self._poller.register(self._pulse.wakeup_fd, zmq.POLLIN)
        self._gate = open_gate(start, config)
        assert config.world.robots is not None
        self._frozen = start.learner in config.frozen_learners(config.world.robots)
        self._waiting: deque[tuple[Rollout, float]] = deque()  # and when each came
        self._published = monotonic()
        self._stopping = self._unsaved = False

    def run(self) -> None:
        """Greet, publish the first policy, then learn until told to stop."""
        try:
            self._data.greet()
            welcome = self._await_welcome()
            if welcome is None:
                return
            learner = build_learner(self._config, welcome.spec, self._start.learner)
            wake(learner, self._start, self._saved)
            self._saved = None
            self._answer(learner, welcome)
            while not self._stopping:
                for message in self._listen():
                    if isinstance(message, Rollout):
                        self._waiting.append((message, monotonic()))
                    elif isinstance(message, Welcome):
                        self._answer(learner, message)
                if self._waiting and (self._gate is None or self._gate.enter()):
                    self._learn(learner, *self._waiting.popleft())
                if self._sabotage.must_save:  # told of it while no rollouts come, since its robots' bodies are off
                    self._save(learner, learner.version)
        finally:
            if self._gate is not None:
                self._gate.close()
            self._pulse.close()
            self._data.close()

    def _await_welcome(self) -> Welcome | None:
        while not self._stopping:
            for message in self._listen():
                if isinstance(message, Welcome):
                    return message
        return None

    def _answer(self, learner: Learner, welcome: Welcome) -> None:
        """Publish the first policy of a server life, or the last one again if the server doesn't have it."""
        answer = self._answering.answer(welcome, monotonic())
        if answer is Answer.ENTER:
            self._waiting.clear()  # they are another life's, which counts them as lost
            learner.version = self._answering.enter(welcome, learner.version)
            if self._frozen and not self._store.versions():  # it never learns: there is no other occasion
                self._save(learner, learner.version, anyway=True)
            self._publish(learner, (), {})
        elif answer is Answer.REPEAT:
            self._data.send(self._answering.again(learner.weights(), monotonic()))

    def _learn(self, learner: Learner, rollout: Rollout, came: float) -> None:
        diagnostics = {"waited_s": max(0.0, came - self._published)}
        self._sabotage.at_rollout(rollout.round, monotonic())
        diagnostics |= learner.update(rollout.batch, self._sabotage.ticker(self._pulse.tick))
        if self._gate is not None:
            self._gate.leave()
        self._save(learner, rollout.round + 1)
        self._publish(learner, (rollout.seq,), diagnostics)
        self._pulse.tick()

    def _save(self, learner: Learner, done: int, *, anyway: bool = False) -> None:
        """A learner goes on without a checkpoint that the disk doesn't take: nothing hangs on it but a restart.

        Told once until one is written again, since a disk may stay full for long.
        """
        sabotage, store = self._sabotage, self._store
        anyway = anyway or sabotage.must_save
        try:
            saved = save_if_due(self._config, store, learner, done, anyway=anyway, half=sabotage.half_saved)
        except SaveError as error:
            log.warning("goes on without a checkpoint: %s", error)
            if not self._unsaved:
                self._pulse.send(Event(self._start.run, self._start.name, "save_failed", {"error": str(error)}))
            self._unsaved = True
        else:
            self._unsaved = self._unsaved and not saved

    def _publish(self, learner: Learner, rollouts: tuple[int, ...], diagnostics: dict[str, float]) -> None:
        weights = learner.weights()
        self._data.send(self._answering.policy(learner.version, rollouts, weights, diagnostics, monotonic()))
        self._published = monotonic()

    def _listen(self) -> list[Message]:
        """What the server sent, once something has come; nothing once a stop has, since nobody waits for an answer.

        With a rollout in hand it is the gate that is waited for.
        """
        self._pulse.working = False
        patience = max(0.0, self._patience())
        if self._waiting and self._gate is not None:
            self._gate.wait((self._pulse.wakeup_fd, self._data.socket.fileno()), patience)
        else:
            self._poller.poll(ceil(1000.0 * patience))
        self._pulse.working = True
        messages = self._data.receive(0.0)
        self._data.greet_if_due()
        commands = self._pulse.heard()
        self._stopping = any(isinstance(message, Stop) for message in messages + commands)
        for command in commands:
            if isinstance(command, Inject) and not self._stopping:
                self._sabotage.told(command.fault, command.over, monotonic())
        self._sabotage.at_time(monotonic())
        return [] if self._stopping else messages

    def _patience(self) -> float:
        """How many seconds at most there is nothing to do but wait."""
        due = min(self._answering.hello_at, self._weather.next_due, self._sabotage.next_end)
        return min(_LOOK_S, due - monotonic())


def make_sabotage(
    start: LearnerStart, config: Config, weather: Weather, pulse: Pulse, reconnect: Callable[[], None]
) -> Sabotage:
    """What the config's fault plan has this incarnation do to itself."""
    plan = [strike for strike in resolve(config) if strike.learner == start.learner]
    new = start.incarnation == 0 and start.origin in ("fresh", "init")
    return Sabotage(start.run, start.name, plan, weather, pulse, reconnect, new=new)


def open_gate(start: LearnerStart, config: Config) -> Gate | None:
    """The run's gate; None if it has none, or never more learner processes than may compute at once."""
    assert config.world.robots is not None
    slots = config.learners.at_once
    if start.gate is None or slots is None or len(config.groups(config.world.robots)) <= slots:
        return None
    try:
        return Gate(Path(start.gate), slots)
    except OSError as error:
        log.warning("computes without waiting for others: no gate can be made in %s: %s", start.gate, error)
        return None


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


def save_if_due(
    config: Config,
    store: LearnerStore,
    learner: Learner,
    done: int,
    *,
    anyway: bool = False,
    half: Callable[[], None] | None = None,
) -> bool:
    """Write the learner's checkpoint if its own or a run snapshot's is due after `done` rounds, or else `anyway`.

    Returns whether it was written. Raises as `LearnerStore.save`, which says what `half` is.
    """
    due = anyway or learner.version % config.checkpoint.learner_every == 0 or config.snapshot_due(done)
    if due:
        store.save(learner.version, *learner.save(), half=half)
    return due


def main(text: str) -> None:
    """The zygote's child calls this; it returns when the learner is told to stop. Failures go to its log."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    start = read_learner_start(text)
    config = load_config(RunDirectory.open(Path(start.directory)).config)
    LearnerProcess(start, config).run()
