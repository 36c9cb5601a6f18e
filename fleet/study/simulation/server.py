"""A simulated environment server: the real `Roster`, `Answers`, `Harness` and `Pace` around rounds that only take time.

It works as `env_server.server` does: while it collects a round it hears the supervisor alone, and what came over the
data link waits until then.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import Any, cast

import numpy as np

from actors.stacked import StackedPolicy
from env_server.answers import Answers
from env_server.collect import Collector, Round
from env_server.faults import Faults
from env_server.harness import Harness
from env_server.record import Recorder
from env_server.roster import Roster
from fleet.control.care.child import SERVER
from fleet.core.data_channel import DataServer, Spoiled
from fleet.core.messages import (
    Event,
    Gone,
    Heartbeat,
    Hello,
    Inject,
    Lost,
    Message,
    Policy,
    Progress,
    Rollout,
    Stop,
    Welcome,
)
from fleet.core.spec import WorldSpec
from fleet.core.start import ServerStart, read_server_start
from fleet.study.simulation.invariants import Invariants, Weights
from fleet.study.simulation.link import Router
from fleet.study.simulation.process import KilledError, Process
from fleet.study.simulation.scene import Scene

_TICK_S = 0.25
_DRAIN_S = 2.0


def tiny_round(robots: int) -> Round:
    """One step of every robot in one copy: as small as a rollout can be."""
    shape = (robots, 1, 1)
    return Round(
        steps=1,
        obs=np.zeros((robots, 2, 1, 1), np.uint8),
        actions=np.zeros(shape, np.uint8),
        log_probs=np.zeros(shape, np.float32),
        rewards=np.zeros(shape, np.float32),
        terminated=np.zeros(shape, np.bool_),
        truncated=np.zeros(shape, np.bool_),
    )


class Actors:
    """What acts with the policies, as the server's parts see it; tells the invariants."""

    def __init__(self, server: "Server", invariants: Invariants) -> None:
        self._server, self._invariants = server, invariants

    def check(self, weights: Weights, robots: int) -> None:
        """Simulated weights always fit."""

    def load(self, robots: Sequence[int], weights: Weights) -> None:
        """These act from now on."""
        policy = self._server.taking
        assert policy is not None
        self._invariants.acts(policy, self._server.life, tuple(robots), self._server.groups[policy.learner])


class Unrecorded:
    """The recorder's and the collector's part: nothing is written down, and nobody has a body."""

    def learned(self, learner: int, agent_steps: int, lag: int, diagnostics: Mapping[str, float]) -> None:
        """A policy was accepted."""

    def suffer(self, afflictions: object, bodies: object) -> None:
        """Robots fail."""


class Data:
    """The data channel, as `Answers` sees it."""

    def __init__(self, server: "Server", router: Router) -> None:
        self.inbox: list[Hello | Policy | Spoiled] = []
        self._server, self._router = server, router
        self._bad: list[Spoiled] = []

    def receive(self, timeout_s: float) -> Iterator[Hello | Policy]:
        """What has come in."""
        came, self.inbox = self.inbox, []
        for message in came:
            if isinstance(message, Spoiled):
                self._bad.append(message)
                continue
            self._server.taking = message if isinstance(message, Policy) else None
            yield message

    def spoiled(self) -> list[Spoiled]:
        """What couldn't be read of it."""
        bad, self._bad = self._bad, []
        return list({(item.learner, item.incarnation): item for item in bad}.values())

    def send(self, learner: int, incarnation: int, message: Welcome | Rollout | Stop) -> bool:
        """Send one message."""
        self._server.work()
        if isinstance(message, Welcome):
            self._server.welcomed(learner, incarnation)
        sent = self._router.send(learner, incarnation, message)
        if sent and isinstance(message, Rollout):
            self._server.invariants.sent(message)
        return sent


class Server:
    """One life. `tell` takes what it says to the supervisor."""

    def __init__(
        self,
        process: Process,
        start: str,
        scene: Scene,
        dice: Random,
        invariants: Invariants,
        router: Router,
        tell: Callable[[Message], None],
    ) -> None:
        self.process, self.groups, self.invariants = process, scene.groups, invariants
        self._start: ServerStart = read_server_start(start)
        self.life = self._start.life
        self.taking: Policy | None = None
        """The policy that is being judged."""
        self.die_in: int | None = None
        """After how many more pieces of its work it is killed; None: not at all."""
        self.finishing = False
        """No more rounds: it drains and ends."""
        self._scene, self._dice = scene, dice
        self._router, self._say = router, tell
        self._round = tiny_round(sum(len(group) for group in scene.groups))
        self._data = Data(self, router)
        self._first = self._start.goes_on_at or 0
        self._collecting = self._learning = self._stopping = self.up = False
        self._waits_since = self._drains_until = 0.0

    def begin(self) -> None:
        """What the process does from its start on."""
        self.process.later(self._dice.uniform(*self._scene.boot_s), self._come_up)

    def hear(self, message: Hello | Policy | Spoiled) -> None:
        """It came over the data link."""
        self._data.inbox.append(message)
        if not self._collecting:
            self._go_on()

    def control(self, message: Message) -> None:
        """The supervisor says so."""
        if isinstance(message, Lost):
            self._harness.lost(message)
            self.invariants.fence(message.learner, message.incarnation)
        elif isinstance(message, Gone):
            self._roster.give_up(message.learner, message.reason)
        elif isinstance(message, Inject):
            self._harness.injected(message)
        elif isinstance(message, Stop):
            self._stopping = True
        if not self._collecting:
            self._go_on()

    def work(self) -> None:
        """A piece of its work is done; it may be its last."""
        if self.die_in is not None:
            self.die_in -= 1
            if self.die_in < 0:
                raise KilledError

    def welcomed(self, learner: int, incarnation: int) -> None:
        """It has taken that incarnation for the current one."""
        self.invariants.fence(learner, incarnation - 1)

    def _come_up(self) -> None:
        start, scene = self._start, self._scene
        self.up = True
        self.invariants.ledger.work = self.work
        robots = sum(len(group) for group in scene.groups)
        self._roster = Roster(
            start.run,
            start.life,
            scene.groups,
            WorldSpec(robots, 1, 1, np.dtype(np.uint8), 5, np.ones(1, np.float32)),
            self.invariants.ledger,
            scene.credit,
            lockstep=scene.pace.lockstep,
            fences={int(learner): incarnation for learner, incarnation in start.fences.items()},
            accepted={int(learner): version for learner, version in start.accepted.items()},
            gone=start.gone,
        )
        nothing = Unrecorded()
        self._harness = Harness(
            Faults(()), self._roster, cast(Collector, nothing), self._tell, self._first, restored=False
        )
        self._answers = Answers(
            cast(DataServer, self._data),
            self._roster,
            cast(StackedPolicy, Actors(self, self.invariants)),
            cast(Recorder, nothing),
            self._harness,
            self._tell,
            clock=lambda: self.process.clock.now,
        )
        self._router.bind(self)
        self._waits_since = self.process.clock.now
        self._beat()
        self._tick()

    def _beat(self) -> None:
        process, run = self.process, self._start.run
        self._say(Heartbeat(run, SERVER, self.life, process.pid, self._harness.round, 0, 0.0, working=self._collecting))
        process.later(self._scene.control.heartbeat_s, self._beat)

    def _tick(self) -> None:
        if not self._collecting:
            self._go_on()
        self.process.later(_TICK_S, self._tick)

    def _go_on(self) -> None:
        """Handle what has come in, then do what is to be done next."""
        self._answers.attend()
        now, outstanding = self.process.clock.now, self._roster.outstanding
        if self._drains_until:
            if not outstanding or now >= self._drains_until:
                self._close()
        elif self._learning and not self._stopping:
            if not outstanding:
                self._round_done()
        elif self.finishing or self._stopping:
            self._tell("draining", {})
            self._drains_until = now + _DRAIN_S
        elif self._may_start(now):
            self._collect()

    def _may_start(self, now: float) -> bool:
        standing, started = self._roster.standing(self._harness.offline), self._harness.round > self._first
        waited = now - self._waits_since
        return self._scene.pace.may_start(standing, waited, started, self._harness.returning)

    def _collect(self) -> None:
        self._collecting = True
        offline = self._harness.settle()
        versions = [session.accepted for session in self._roster.sessions]
        self.process.later(self._dice.uniform(*self._scene.collect_s), lambda: self._collected(versions, offline))

    def _collected(self, versions: list[int], offline: frozenset[int]) -> None:
        self._collecting = False
        number = self._harness.round
        self._harness.next = number + 1
        if not self._scene.pace.lockstep:
            self._answers.attend()
        if self._stopping:
            self._roster.withhold_all(number, self._round, "stopped")
        else:
            self._roster.deal(number, self._round, versions, self._answers.send, offline)
            self.invariants.credit()
            self._learning = True
            if not self._scene.pace.lockstep:
                self._round_done()
        self._go_on()

    def _round_done(self) -> None:
        self._learning = False
        done = self._harness.round + 1
        self._say(Progress(self._start.run, self.life, {"round": done, "agent_steps": done}))
        self._harness.round = done
        self._waits_since = self.process.clock.now
        self.invariants.round_done()

    def _close(self) -> None:
        self._roster.lose_all("stopped" if self._stopping else "unanswered")
        self._answers.dismiss(self._start.run, "done")
        self.process.end(0)

    def _tell(self, name: str, details: dict[str, Any]) -> None:
        if name == "fenced" and details["reason"] != "policy_refused":  # of that nobody may know if it dies now
            self.invariants.fence(details["learner"], details["incarnation"])
        self._say(Event(self._start.run, SERVER, name, details))
