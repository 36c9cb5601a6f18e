"""The learner's side of a session: what it says to the environment server, what it takes in. No sockets, no clock.

Its counterpart is session.py. It is fed what comes from the data channel and gives the hellos and policies that answer
it. Over a link that loses, repeats and reorders messages it makes these impossible: a rollout handed out twice, one of
another server life, or one that the server was told hadn't come. What was lost on the way is mended in one of two ways:
the last policy is published again, or hello is said again, whose `last` tells the server what never came.
"""

from collections.abc import Mapping
from enum import Enum, auto
from math import inf

from fleet.core import checks
from fleet.core.checks import MessageError
from fleet.core.codec import BadFrame
from fleet.core.messages import Hello, Policy, Rollout, Welcome
from fleet.core.spec import Array

WELCOME_S = 5.0
"""How long a welcome is waited for; each further hello waits twice as long, so that a slow link is greeted at last."""
AGAIN_S = 1.0
"""A welcome that is repeated within this time of what was said last may be older than that, and asks for nothing."""
_DOUBLINGS = 4


class Answer(Enum):
    """What a welcome asks for."""

    GO_ON = auto()
    """Nothing."""
    ENTER = auto()
    """A first policy: it is of a server life not known before."""
    REPEAT = auto()
    """The last policy again: the server doesn't have it."""


class Answering:
    """One incarnation of a learner. `version` is that of the policy published last, or come back with; -1: none.

        answering = Answering(run, learner, incarnation, version)
        ...
        if now >= answering.hello_at:
            send(answering.hello(now))
        ...                                             # `message` has come in, a Welcome or a Rollout
        answering.judge(message, now)                   # raises BadFrame: not to be taken in
        if isinstance(message, Rollout):
            ...                                         # learn; the version grows
            send(answering.policy(version, (message.seq,), weights, diagnostics, now))
        elif (answer := answering.answer(message, now)) is Answer.ENTER:
            version = answering.enter(message, version)
            send(answering.policy(version, (), weights, {}, now))
        elif answer is Answer.REPEAT:
            send(answering.again(weights, now))

    Times are seconds of any clock that never goes back. Several messages may be judged before the first is answered,
    but they are to be answered in that order.
    """

    def __init__(self, run: str, learner: int, incarnation: int, version: int = -1) -> None:
        self._run, self._learner, self._incarnation = run, learner, incarnation
        self.version = version
        self.greetings = 0
        """How many hellos have been said."""
        self.hello_at = -inf
        """When hello is to be said, as things stand; `inf`: not at all."""
        self.life = -1
        """The newest server life that has sent a welcome; -1: none."""
        self.last = -1
        """Sequence number of the last rollout taken in, in that life; -1: none."""
        self._welcome: Welcome | None = None
        self._unanswered: Welcome | None = None
        self._entered = -1
        self._told: tuple[tuple[int, ...], dict[str, float]] = (), {}
        self._repeated = False
        self._waits = 0
        self._greeted_at = self._spoke_at = -inf

    @property
    def welcomed(self) -> bool:
        """Whether the last hello has been answered; until then no rollout is taken in."""
        return self._welcome is not None

    def hello(self, now: float) -> Hello:
        """The next hello, to be sent now."""
        self.greetings += 1
        self._welcome = None
        self.hello_at = now + WELCOME_S * 2 ** min(self._waits, _DOUBLINGS)
        self._waits += 1
        self._greeted_at = self._spoke_at = now
        return Hello(
            self._run, self._learner, self._incarnation, self.version, self.last, self.life, greeting=self.greetings
        )

    def reconnected(self) -> None:
        """The link was cut and is there again: what was on its way is gone, so hello is due."""
        self.hello_at = -inf

    def spoiled(self, now: float) -> None:
        """Something came that couldn't be read. It may have been a rollout, so hello is due."""
        if self.welcomed:
            self.hello_at = min(self.hello_at, max(now, self._greeted_at + AGAIN_S))

    def judge(self, message: Welcome | Rollout, now: float) -> None:
        """Take `message` in, or raise BadFrame if it isn't for this incarnation, now; then nothing is taken in."""
        if message.run != self._run:
            self.spoiled(now)
            raise BadFrame("run", f"run {message.run}; this is {self._run}")
        if (message.learner, message.incarnation) != (self._learner, self._incarnation):
            self.spoiled(now)
            raise BadFrame("sender", f"for learner {message.learner}/{message.incarnation}")
        if isinstance(message, Welcome):
            self._judge_welcome(message, now)
        else:
            self._judge_rollout(message, now)

    def answer(self, welcome: Welcome, now: float) -> Answer:
        """What a welcome that was taken in asks for; it may also make hello due.

        The server repeats its welcome when it waits for a policy. Either that policy was lost, or the rollout was.
        """
        awaited = welcome is self._unanswered
        self._unanswered = None
        if welcome.life > self._entered:
            return Answer.ENTER
        if not awaited and now < self._spoke_at + AGAIN_S:
            return Answer.GO_ON
        behind = welcome.accepted < self.version
        if not awaited and (not behind or self._repeated):
            self._ask(now)
            return Answer.GO_ON
        self._repeated = behind
        return Answer.REPEAT if behind else Answer.GO_ON

    def enter(self, welcome: Welcome, version: int) -> int:
        """Begin the welcome's server life with weights of `version`; the version to publish them as.

        It goes on from the last that the server accepted from any incarnation, so that no older one is ever applied.
        """
        self._entered = welcome.life
        return max(version, welcome.accepted + 1)

    def policy(
        self,
        version: int,
        rollouts: tuple[int, ...],
        weights: Mapping[str, Array],
        diagnostics: Mapping[str, float],
        now: float,
    ) -> Policy:
        """The policy `version` that has learned from `rollouts`, () for the first, to be sent now."""
        self.version, self._told = version, (rollouts, dict(diagnostics))
        self._repeated = False
        return self.again(weights, now)

    def again(self, weights: Mapping[str, Array], now: float) -> Policy:
        """The last policy once more; `weights` are the same ones."""
        self._spoke_at = now
        rollouts, diagnostics = self._told
        return Policy(
            run=self._run,
            life=self._entered,
            learner=self._learner,
            incarnation=self._incarnation,
            version=self.version,
            rollouts=rollouts,
            weights=dict(weights),
            diagnostics=diagnostics,
        )

    def _judge_welcome(self, welcome: Welcome, now: float) -> None:
        if welcome.greeting != self.greetings:
            # To an earlier hello, though the last one has its welcome: the server took the two the other way round.
            self._ask(now)
            raise BadFrame("sequence", f"welcome to hello {welcome.greeting}; {self.greetings} was the last")
        if welcome.life < self.life:
            raise BadFrame("life", f"server life {welcome.life}; {self.life} has been here")
        if welcome.life > self.life:
            self.life, self.last, self._welcome = welcome.life, -1, None
        if self._welcome is None:
            self._welcome = self._unanswered = welcome
            self._waits = 0
            if self.hello_at > -inf:  # over a new connection hello stays due: this welcome came over the old one
                self.hello_at = inf

    def _judge_rollout(self, rollout: Rollout, now: float) -> None:
        welcome = self._welcome
        if welcome is None or rollout.life != welcome.life:
            raise BadFrame("life", f"rollout {rollout.seq} of server life {rollout.life} without its welcome")
        if rollout.seq <= self.last:
            raise BadFrame("sequence", f"rollout {rollout.seq}; {self.last} was taken in")
        try:
            checks.batch_in(rollout.batch, welcome.spec, welcome.robots)
        except MessageError as error:
            self.spoiled(now)
            raise BadFrame("fields", str(error)) from error
        self.last = rollout.seq

    def _ask(self, now: float) -> None:
        """Say hello again, unless its welcome is awaited anyway or what came may be older than what was said last."""
        if self.welcomed and now >= self._spoke_at + AGAIN_S:
            self.hello_at = min(self.hello_at, now)
