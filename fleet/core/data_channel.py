"""The data link: rollouts from the environment server to each learner, policies back. DESIGN section 3.

The server side takes hellos and policies, the learner's side welcomes, rollouts and stops; each only from the one whose
routing id and header agree. What a session (session.py) would refuse is not judged here; what a learner takes in is
answering.py's to judge.
"""

import re
import time
from contextlib import suppress
from typing import NamedTuple

import zmq

from fleet.core.answering import Answering
from fleet.core.checks import shown
from fleet.core.codec import BadFrame, Buffer
from fleet.core.counters import Counters
from fleet.core.link import Link, check_run
from fleet.core.messages import Hello, Message, Policy, Rollout, Stop, Welcome
from fleet.core.weather import Weather
from fleet.core.wire import MAX_MESSAGE, decode

MAX_POLICY = 2**26
"""Bytes of the largest message to the server."""

_LEARNER = re.compile(rb"learner-(0|[1-9][0-9]{0,5})/(0|[1-9][0-9]{0,9})")
_MOST_SPOILED = 2000  # more than there are learners; a stranger may make up as many names as it likes
_QUEUE = 16  # credit is at most 8; with a welcome and a stop that never fills, and a dead peer holds no more


class Spoiled(NamedTuple):
    """What one incarnation of a learner sent can't be used: its message was thrown away, and it doesn't know."""

    learner: int
    incarnation: int
    reason: str


class DataServer:
    """The environment server's end. Made once per server life; one thread's own.

        server = DataServer(endpoint, run, Counters())
        for message in server.receive(0.1): ...
        for spoiled in server.spoiled(): ...
        if not server.send(learner, incarnation, Rollout(...)): session.withdraw(seq)

    `socket` is for pollers; it is edge-triggered, so call `receive(0)` until it gives nothing before waiting on its fd.
    """

    def __init__(self, endpoint: str, run: str, counters: Counters) -> None:
        self._run = run
        self._link = Link(zmq.ROUTER, endpoint, counters, queue=_QUEUE, largest_in=MAX_POLICY, largest_out=MAX_MESSAGE)
        self._link.on_bad = self._note
        self._spoiled: dict[tuple[int, int], Spoiled] = {}
        self.counters = counters
        self.socket = self._link.socket

    def send(self, learner: int, incarnation: int, message: Welcome | Rollout | Stop) -> bool:
        """Send without blocking. False: that incarnation isn't connected or its queue is full; nothing was sent.

        A rollout's arrays are sent from where they lie: they must not change afterwards, ever. Raises MessageError
        if it is larger than MAX_MESSAGE.
        """
        return self._link.send(message, learner_identity(learner, incarnation), fixed=True)

    def receive(self, timeout_s: float) -> list[Message]:
        """The hellos and policies that came in, waiting at most `timeout_s` for the first; bad ones never raise."""
        return [message for _, message in self._link.receive(timeout_s, self._take)]

    def spoiled(self) -> list[Spoiled]:
        """What was thrown away since the last call and came from a learner, as far as its routing id can be believed.

        Of each incarnation one, the last: a flood says no more than that it isn't understood.
        """
        if not self._spoiled:
            return []
        spoiled, self._spoiled = list(self._spoiled.values()), {}
        return spoiled

    def close(self) -> None:
        """Free the endpoint."""
        self._link.close()

    def _note(self, frames: list[Buffer], error: BadFrame) -> None:
        with suppress(BadFrame):
            sender = learner_of(frames[0])
            if sender in self._spoiled or len(self._spoiled) < _MOST_SPOILED:
                self._spoiled[sender] = Spoiled(*sender, error.reason)

    def _take(self, frames: list[Buffer]) -> tuple[None, Message]:
        sender = learner_of(frames[0])
        message = decode(frames[1:])
        if not isinstance(message, Hello | Policy):
            raise BadFrame("kind", f"{type(message).__name__} from a learner")
        check_run(message.run, self._run)
        if (message.learner, message.incarnation) != sender:
            raise BadFrame("sender", f"{sender} signs as {(message.learner, message.incarnation)}")
        return None, message


class DataClient:
    """A learner's end. Made after the fork; one thread's own. What is said and taken in is `answering`'s to decide.

        client = DataClient(endpoint, run, learner, incarnation, Counters())
        client.greet_if_due()                       # at first, and after each receive
        for message in client.receive(0.5): ...     # Welcome, Rollout, Stop
        client.send(client.answering.policy(...))

    Rollouts are handed out only once the last hello was welcomed, only of that welcome's life and robots, only if they
    fit its world's spec, and each at most once, in order. Their arrays are read-only views of the received frames.
    """

    def __init__(
        self,
        endpoint: str,
        run: str,
        learner: int,
        incarnation: int,
        counters: Counters,
        *,
        version: int = -1,
        weather: Weather | None = None,
    ) -> None:
        self.answering = Answering(run, learner, incarnation, version)
        self._run = run
        self._link = Link(
            zmq.DEALER,
            endpoint,
            counters,
            queue=_QUEUE,
            largest_in=MAX_MESSAGE,
            largest_out=MAX_POLICY,
            identity=learner_identity(learner, incarnation),
            weather=weather,
        )
        self._greeted_on = 1  # the first connection made carries the first hello
        self.counters = counters
        self.socket = self._link.socket

    @property
    def connections(self) -> int:
        """How often a connection was made, as of the last `receive`."""
        return self._link.connections

    def greet(self) -> bool:
        """Say hello now. Until its welcome comes no rollout is handed out. False: the queue is full."""
        self._greeted_on = max(self._greeted_on, self._link.connections)
        return self._link.send(self.answering.hello(time.monotonic()))

    def greet_if_due(self) -> None:
        """Say hello if it is time: at first, over a new connection, after a spoiled message, or without a welcome."""
        if time.monotonic() >= self.answering.hello_at:
            self.greet()

    def send(self, policy: Policy) -> bool:
        """Send a snapshot of `policy` without blocking. False: the queue is full, and nothing was sent.

        Without a server it is queued until there is one; that is another life then, which refuses it.
        """
        return self._link.send(policy)

    def receive(self, timeout_s: float) -> list[Message]:
        """What the server sent, waiting at most `timeout_s` for the first. Never raises for bad messages."""
        messages = [message for _, message in self._link.receive(timeout_s, self._take)]
        if self._link.connections > self._greeted_on:
            self.answering.reconnected()
        return messages

    def reconnect(self) -> None:
        """Drop the connection, with all that was on its way, and make another."""
        self._link.reconnect()

    def close(self) -> None:
        """Drop what isn't sent."""
        self._link.close()

    def _take(self, frames: list[Buffer]) -> tuple[None, Message]:
        now = time.monotonic()
        try:
            message = decode(frames)
            if not isinstance(message, Welcome | Rollout | Stop):
                raise BadFrame("kind", f"{type(message).__name__} from the server")
            check_run(message.run, self._run)
        except BadFrame:
            self.answering.spoiled(now)
            raise
        if not isinstance(message, Stop):
            self.answering.judge(message, now)
        return None, message


def learner_identity(learner: int, incarnation: int) -> bytes:
    """The routing id of one incarnation of a learner on the data link; never used again."""
    return b"learner-%d/%d" % (learner, incarnation)


def learner_of(identity: Buffer) -> tuple[int, int]:
    """The learner and incarnation that a routing id names. Raises BadFrame."""
    match = _LEARNER.fullmatch(bytes(identity))
    if match is None:
        raise BadFrame("sender", f"routing id {shown(bytes(identity))}")
    return int(match[1]), int(match[2])
