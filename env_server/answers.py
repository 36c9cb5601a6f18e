"""What the learners say to the environment server, and what they are told: the data link's part of the server.

Hellos and policies go to the roster, welcomes back. A learner that isn't understood, or doesn't answer, is reminded;
what can't be mended so the supervisor is told.
"""

import logging
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Protocol

from actors.errors import ActorError
from env_server.harness import Harness, Tell
from env_server.nudges import Nudges
from env_server.roster import Actors, Hearer, Roster
from fleet.core.data_channel import Spoiled
from fleet.core.messages import Hello, Message, Policy, Rollout, Stop, Welcome
from fleet.core.spec import Array

log = logging.getLogger(__name__)

REFUSALS = 3
"""Messages in a row that can't be used, after which their learner is started anew."""


class Line(Protocol):
    """The data link; a `DataServer` is one."""

    def send(self, learner: int, incarnation: int, message: Welcome | Rollout | Stop) -> bool:
        """Send without blocking; False if it can't be reached."""
        ...

    def receive(self, timeout_s: float) -> list[Message]:
        """What has come in."""
        ...

    def spoiled(self) -> list[Spoiled]:
        """What has come in and can't be read."""
        ...


class Judging(Actors, Protocol):
    """Actors that know what they can act with; `StackedPolicy` is one."""

    def check(self, weights: Mapping[str, Array], robots: int) -> None:
        """Raise ActorError unless `weights` are for these networks, of one or of each of `robots`."""
        ...


class Answers:
    """Serves `data`. Accepted policies go to `actors`; the rest of the server hears of them through the roster."""

    def __init__(
        self,
        data: Line,
        roster: Roster,
        actors: Judging,
        recorder: Hearer,
        harness: Harness,
        tell: Tell,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._data, self._roster, self._actors, self._recorder = data, roster, actors, recorder
        self._harness, self._tell, self._clock = harness, tell, clock
        self._nudges = Nudges()

    def attend(self) -> None:
        """Handle all that has come in, and remind who owes a policy."""
        for message in self._data.receive(0.0):
            self._hear(message)
        for spoiled in self._data.spoiled():
            self._not_understood(*spoiled)
        self._nudge()

    def send(self, rollout: Rollout) -> bool:
        """Send a rollout to whom it names; False if it can't be reached."""
        return self._data.send(rollout.learner, rollout.incarnation, rollout)

    def dismiss(self, run: str, reason: str) -> None:
        """Tell all learners to stop."""
        for session in self._roster.sessions:
            self._data.send(session.learner, session.incarnation, Stop(run, reason))

    def _hear(self, message: Message) -> None:
        if isinstance(message, Hello):
            welcome = self._roster.greet(message)
            if welcome is not None:
                self._data.send(message.learner, message.incarnation, welcome)
        elif isinstance(message, Policy):
            try:
                self._actors.check(message.weights, self._roster.robots_of(message.learner))
            except ActorError as error:
                self._not_understood(message.learner, message.incarnation, str(error))
                return
            if self._roster.take(message, self._actors, self._recorder) and not message.rollouts:
                self._harness.online(message.learner)

    def _not_understood(self, learner: int, incarnation: int, reason: str) -> None:
        """A learner's message can't be used, and it doesn't know: have it say that again, but not for ever."""
        times = self._roster.spoiled(learner, incarnation)
        if times == 0:
            return
        log.warning("learner %d/%d can't be understood (%d in a row): %s", learner, incarnation, times, reason)
        if times < REFUSALS:
            self._nudges.hasten(self._roster.sessions[learner], self._clock())
            return
        self._tell("refused", {"learner": learner, "incarnation": incarnation, "reason": reason})
        self._harness.fence(learner, incarnation, "policy_refused")

    def _nudge(self) -> None:
        for nudge in self._nudges.due(self._roster.sessions, self._clock()):
            session = nudge.session
            self._data.send(session.learner, session.incarnation, self._roster.welcome(session))
            if nudge.silent:
                details = {"learner": session.learner, "incarnation": session.incarnation}
                self._tell("unanswered", {**details, "waited_s": nudge.waited_s, "wait": nudge.wait})
