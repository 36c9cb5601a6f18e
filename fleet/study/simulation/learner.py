"""A simulated learner process: the real `Answering` around an update that only takes time.

It works as `learners.process` does: what comes in while it is busy waits, then all of it is judged at once and answered
in order. Its heartbeats go on meanwhile, as those of the thread in `Pulse` do.
"""

from collections import deque
from collections.abc import Callable
from pathlib import Path
from random import Random

from fleet.core.answering import Answer, Answering
from fleet.core.checkpoint import CheckpointError
from fleet.core.codec import BadFrame
from fleet.core.faults.strike import Strike, strike_of
from fleet.core.ledger import RolloutName
from fleet.core.messages import Event, Heartbeat, Inject, Message, Rollout, Stop, Welcome
from fleet.core.snapshots import Checkpoint, LearnerStore
from fleet.core.start import LearnerStart
from fleet.study.simulation.invariants import Invariants, State
from fleet.study.simulation.link import DataLink, Router
from fleet.study.simulation.process import KilledError, Process
from fleet.study.simulation.scene import Scene

_LOOK_S = 1.0


class Checkpoints(LearnerStore):
    """One learner's, kept in memory; `damaged` are there and don't load."""

    def __init__(self, keep: int) -> None:
        super().__init__(Path("/nowhere"), keep)
        self.kept: dict[int, State] = {}
        self.damaged: set[int] = set()
        self._most = keep

    def versions(self) -> list[int]:
        """What is there, ascending."""
        return sorted(self.kept)

    def keep(self, version: int, state: State) -> None:
        """Write one, then drop what is over the number kept."""
        self.kept[version] = state
        self.damaged.discard(version)
        self.drop(self.versions()[: -self._most])

    def load(self, version: int) -> Checkpoint:
        """That one. Raises CheckpointError."""
        if version not in self.kept or version in self.damaged:
            raise CheckpointError(f"version {version} can't be loaded")
        return Checkpoint(version, self.path(version), {}, {})

    def newest(self) -> Checkpoint | None:
        """The newest that loads; None if there is none at all."""
        for version in reversed(self.versions()):
            if version not in self.damaged:
                return self.load(version)
        if self.kept:
            raise CheckpointError("none loads")
        return None

    def drop_after(self, version: int) -> None:
        """Remove later ones."""
        self.drop([later for later in self.kept if later > version])

    def drop(self, versions: list[int]) -> None:
        """Remove these."""
        for version in versions:
            del self.kept[version]
            self.damaged.discard(version)

    def state(self, path: str) -> State:
        """What the file holds."""
        return self.kept[int(Path(path).stem[1:])]


class Learner:
    """One incarnation. `tell` takes what it says to the supervisor."""

    def __init__(
        self,
        process: Process,
        start: LearnerStart,
        scene: Scene,
        dice: Random,
        invariants: Invariants,
        checkpoints: Checkpoints,
        tell: Callable[[Message], None],
    ) -> None:
        self.process, self.learner, self.incarnation = process, start.learner, start.incarnation
        self.link: DataLink | None = None
        self.die_in: int | None = None
        """After how many more pieces of its work it is killed; None: not at all."""
        self._progress = 0
        self._factor = 1.0
        self._start, self._scene, self._dice, self._invariants = start, scene, dice, invariants
        self._checkpoints, self._tell = checkpoints, tell
        self._inbox: list[Welcome | Rollout | Stop] = []
        self._commands: list[Inject | Stop] = []
        self._taken: deque[Welcome | Rollout] = deque()
        self._busy = self._cut_before = False
        self._state = invariants.state(start.learner, -1)
        if start.checkpoint is not None:
            self._state = checkpoints.state(start.checkpoint)
        self._answering = Answering(start.run, start.learner, start.incarnation, self._state.version)

    def begin(self, router: Router) -> None:
        """What the process does from its fork on."""
        self.process.later(self._dice.uniform(*self._scene.boot_s), lambda: self._up(router))

    def hear(self, message: Welcome | Rollout | Stop) -> None:
        """It came over the data link."""
        self._inbox.append(message)
        if not self._busy:
            self._listen()

    def connected(self) -> None:
        """The link's connection is there, for the first time or again."""
        assert self.link is not None
        self._cut_before = self.link.connections > 1
        if not self._busy:
            self._listen()

    def control(self, message: Inject | Stop) -> None:
        """The supervisor says so."""
        self._commands.append(message)
        if not self._busy:
            self._listen()

    def _up(self, router: Router) -> None:
        if self._start.doomed:
            self.process.end(1)
            return
        self._invariants.up(self.learner, self.incarnation)
        self.link = router.join(self, self.learner, self.incarnation, self._scene.weather)
        self._beat()
        self._look()

    def _beat(self) -> None:
        start, process = self._start, self.process
        known = (start.run, start.name, start.incarnation, process.pid, self._progress, 0, 0.0)
        self._tell(Heartbeat(*known, working=self._busy))
        process.later(self._scene.control.heartbeat_s, self._beat)

    def _look(self) -> None:
        if not self._busy:
            self._listen()
        self.process.later(_LOOK_S, self._look)

    def _listen(self) -> None:
        """Judge all that has come in, then answer it, then say hello if that is due."""
        now = self.process.clock.now
        came, self._inbox = self._inbox, []
        for message in came:
            if isinstance(message, Stop):
                self.process.end(0)
                return
            try:
                self._answering.judge(message, now)
            except BadFrame:
                continue
            self._taken.append(message)
        if self._obeyed():
            return
        if self._cut_before:
            self._cut_before = False
            self._answering.reconnected()
        self._work()

    def _obeyed(self) -> bool:
        """Do what the supervisor has told it; whether that ends its work."""
        commands, self._commands = self._commands, []
        for command in commands:
            if isinstance(command, Stop):
                self.process.end(0)
                return True
            strike = strike_of(command.fault)
            if command.over:
                self._factor = 1.0
                continue
            self._said("struck", strike)
            if strike.kind == "exit":
                self.process.end(0)
                return True
            if strike.kind == "hang":
                self._busy = True
                return True
            self._slow_down(strike)
        return False

    def _slow_down(self, strike: Strike) -> None:
        def over() -> None:
            self._factor = 1.0
            self._said("mended", strike)

        self._factor = strike.factor
        self.process.later(strike.for_s or 0.0, over)

    def _said(self, name: str, strike: Strike) -> None:
        details = {"number": strike.number, "round": -1, "kind": strike.kind, "monotonic": self.process.clock.now}
        self._tell(Event(self._start.run, self._start.name, name, details))

    def _work(self) -> None:
        while self._taken:
            message = self._taken.popleft()
            if isinstance(message, Rollout):
                self._learn(message)
                return
            self._answer(message)
        self._greet_if_due()

    def _greet_if_due(self) -> None:
        now = self.process.clock.now
        if now >= self._answering.hello_at:
            assert self.link is not None
            self.link.send(self._answering.hello(now))

    def _answer(self, welcome: Welcome) -> None:
        answer, now = self._answering.answer(welcome, self.process.clock.now), self.process.clock.now
        assert self.link is not None
        if answer is Answer.ENTER:
            version = self._answering.enter(welcome, self._state.version)
            self._state = self._invariants.state(self.learner, version, self._state.held)
            self.link.send(self._answering.policy(version, (), self._state.weights, {}, now))
            self._step_done()
        elif answer is Answer.REPEAT:
            self.link.send(self._answering.again(self._state.weights, now))

    def _learn(self, rollout: Rollout) -> None:
        self._busy = True
        seconds = self._dice.uniform(*self._scene.update_s) * self._factor
        self.process.later(seconds, lambda: self._learned(rollout))

    def _learned(self, rollout: Rollout) -> None:
        name = RolloutName(rollout.life, rollout.learner, rollout.incarnation, rollout.seq)
        version = self._state.version + 1
        self._state = self._invariants.learned(self._state, name, rollout.batch.robots, version)
        self._progress += 1
        self._step_done()
        if version % self._scene.learner_every == 0 and not self.process.barred:
            self._checkpoints.keep(version, self._state)
        self._step_done()
        assert self.link is not None
        weights, now = self._state.weights, self.process.clock.now
        self.link.send(self._answering.policy(version, (rollout.seq,), weights, {}, now))
        self._step_done()
        self._busy = False
        self._work()
        if not self._busy:
            self._listen()

    def _step_done(self) -> None:
        if self.die_in is not None:
            self.die_in -= 1
            if self.die_in < 0:
                raise KilledError
