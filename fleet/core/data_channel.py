"""The data link: rollouts from the environment server to each learner, policies back. DESIGN section 3.

The server side takes hellos and policies, the learner's side welcomes, rollouts and stops; each only from the one whose
routing id and header agree. What a session (session.py) would refuse is not judged here.
"""

import re

import zmq

from fleet.core import checks
from fleet.core.checks import MessageError, shown
from fleet.core.codec import BadFrame, Buffer
from fleet.core.counters import Counters
from fleet.core.link import Link, check_run
from fleet.core.messages import Hello, Message, Policy, Rollout, Stop, Welcome
from fleet.core.wire import MAX_MESSAGE, decode

MAX_POLICY = 2**26
"""Bytes of the largest message to the server."""

_LEARNER = re.compile(rb"learner-(0|[1-9][0-9]{0,5})/(0|[1-9][0-9]{0,9})")
_QUEUE = 16  # credit is at most 8; with a welcome and a stop that never fills, and a dead peer holds no more


class DataServer:
    """The environment server's end. Made once per server life; one thread's own.

        server = DataServer(endpoint, run, Counters())
        for message in server.receive(0.1): ...
        if not server.send(learner, incarnation, Rollout(...)): session.withdraw(seq)

    `socket` is for pollers; it is edge-triggered, so call `receive(0)` until it gives nothing before waiting on its fd.
    """

    def __init__(self, endpoint: str, run: str, counters: Counters) -> None:
        self._run = run
        self._link = Link(zmq.ROUTER, endpoint, counters, queue=_QUEUE, largest_in=MAX_POLICY, largest_out=MAX_MESSAGE)
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

    def close(self) -> None:
        """Free the endpoint."""
        self._link.close()

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
    """A learner's end. Made after the fork; one thread's own.

        client = DataClient(endpoint, run, learner, incarnation, Counters())
        client.greet(version)                       # and again whenever client.connections has grown
        for message in client.receive(0.5): ...     # Welcome, Rollout, Stop

    Rollouts are handed out only once the last hello was welcomed, only of that welcome's life and robots, only if they
    fit its world's spec, and each at most once, in order. Their arrays are read-only views of the received frames.
    """

    def __init__(self, endpoint: str, run: str, learner: int, incarnation: int, counters: Counters) -> None:
        self._run, self._learner, self._incarnation = run, learner, incarnation
        self._link = Link(
            zmq.DEALER,
            endpoint,
            counters,
            queue=_QUEUE,
            largest_in=MAX_MESSAGE,
            largest_out=MAX_POLICY,
            identity=learner_identity(learner, incarnation),
        )
        self._greetings = 0
        self._life = -1
        self._welcome: Welcome | None = None
        self.counters = counters
        self.socket = self._link.socket
        self.last = -1
        """Sequence number of the last rollout handed out in this server life; -1: none."""

    @property
    def connections(self) -> int:
        """How often a connection was made, as of the last `receive`."""
        return self._link.connections

    def greet(self, version: int) -> bool:
        """Say hello, with the policy version held (-1: none). Until its welcome comes no rollout is handed out."""
        self._greetings += 1
        self._welcome = None
        hello = Hello(
            self._run, self._learner, self._incarnation, version, self.last, life=self._life, greeting=self._greetings
        )
        return self._link.send(hello)

    def send(self, policy: Policy) -> bool:
        """Send a snapshot of `policy` without blocking. False: the queue is full, and nothing was sent.

        Without a server it is queued until there is one; that is another life then, which refuses it.
        """
        return self._link.send(policy)

    def receive(self, timeout_s: float) -> list[Message]:
        """What the server sent, waiting at most `timeout_s` for the first. Never raises for bad messages."""
        return [message for _, message in self._link.receive(timeout_s, self._take)]

    def close(self) -> None:
        """Drop what isn't sent."""
        self._link.close()

    def _take(self, frames: list[Buffer]) -> tuple[None, Message]:
        message = decode(frames)
        if not isinstance(message, Welcome | Rollout | Stop):
            raise BadFrame("kind", f"{type(message).__name__} from the server")
        check_run(message.run, self._run)
        if isinstance(message, Stop):
            return None, message
        if (message.learner, message.incarnation) != (self._learner, self._incarnation):
            raise BadFrame("sender", f"for learner {message.learner}/{message.incarnation}")
        if isinstance(message, Welcome):
            self._take_welcome(message)
        else:
            self._take_rollout(message)
        return None, message

    def _take_welcome(self, welcome: Welcome) -> None:
        if welcome.greeting != self._greetings:
            raise BadFrame("sequence", f"welcome to hello {welcome.greeting}; {self._greetings} was the last")
        if welcome.life < self._life:
            raise BadFrame("life", f"server life {welcome.life}; {self._life} has been here")
        if welcome.life > self._life:
            self._life, self.last = welcome.life, -1
        self._welcome = welcome

    def _take_rollout(self, rollout: Rollout) -> None:
        welcome = self._welcome
        if welcome is None or rollout.life != welcome.life:
            raise BadFrame("life", f"rollout {rollout.seq} of server life {rollout.life} without its welcome")
        if rollout.seq <= self.last:
            raise BadFrame("sequence", f"rollout {rollout.seq}; {self.last} was taken in")
        try:
            checks.batch_in(rollout.batch, welcome.spec, welcome.robots)
        except MessageError as error:
            raise BadFrame("fields", str(error)) from error
        self.last = rollout.seq


def learner_identity(learner: int, incarnation: int) -> bytes:
    """The routing id of one incarnation of a learner on the data link; never used again."""
    return b"learner-%d/%d" % (learner, incarnation)


def learner_of(identity: Buffer) -> tuple[int, int]:
    """The learner and incarnation that a routing id names. Raises BadFrame."""
    match = _LEARNER.fullmatch(bytes(identity))
    if match is None:
        raise BadFrame("sender", f"routing id {shown(bytes(identity))}")
    return int(match[1]), int(match[2])
