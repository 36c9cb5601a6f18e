"""The control link: everyone and the supervisor. Heartbeats, progress, events and commands in; orders and replies out.

A sender is known by its routing id, `<process>/<incarnation>`; the command line is `cli-<random>/0`. What names a
process in a message must be that one.
"""

import re
import secrets
from typing import NamedTuple

import zmq

from fleet.core.checks import PROCESS, shown
from fleet.core.codec import BadFrame, Buffer
from fleet.core.counters import Counters
from fleet.core.endpoints import ChannelError
from fleet.core.link import Link, check_run
from fleet.core.messages import Command, Event, Gone, Heartbeat, Inject, Lost, Message, Progress, Reply, Stop
from fleet.core.wire import MAX_HEADER, decode

_LARGEST = MAX_HEADER + 1024  # no arrays on this link; the rest is room for a routing id
_QUEUE = 256
_IDENTITY = re.compile(r"(?P<process>[a-z0-9_-]{1,64})/(?P<incarnation>0|[1-9][0-9]{0,9})")


class Peer(NamedTuple):
    """Who sent a message, and where a reply goes. The server's incarnation is its life."""

    process: str
    incarnation: int

    @property
    def identity(self) -> bytes:
        """Its routing id."""
        return f"{self.process}/{self.incarnation}".encode()


class ControlServer:
    """The supervisor's end. One thread's own; `socket` is for pollers (edge-triggered: receive(0) until empty)."""

    def __init__(self, endpoint: str, run: str, counters: Counters | None = None) -> None:
        self._run = run
        self.counters = counters or Counters()
        self._link = Link(zmq.ROUTER, endpoint, self.counters, queue=_QUEUE, largest_in=_LARGEST, largest_out=_LARGEST)
        self.socket = self._link.socket

    def send(self, process: str, incarnation: int, message: Lost | Gone | Inject | Stop | Command) -> bool:
        """Send without blocking. False: that process isn't connected or doesn't read; nothing was sent."""
        return self._link.send(message, Peer(process, incarnation).identity)

    def reply(self, peer: Peer, message: Reply | Stop) -> bool:
        """Answer whoever sent a command. False: it has gone."""
        return self._link.send(message, peer.identity)

    def receive(self, timeout_s: float) -> list[tuple[Peer, Message]]:
        """What came in, with its senders, waiting at most `timeout_s` for the first. Never raises for bad messages."""
        return self._link.receive(timeout_s, self._take)

    def close(self) -> None:
        """Free the endpoint."""
        self._link.close()

    def _take(self, frames: list[Buffer]) -> tuple[Peer, Message]:
        peer = _peer(frames[0])
        message = decode(frames[1:])
        match message:
            case Heartbeat(process=process, incarnation=incarnation):
                signed = Peer(process, incarnation)
            case Progress(life=life):
                signed = Peer("env_server", life)
            case Event(process=process):
                signed = Peer(process, peer.incarnation)
            case Command() | Reply():
                signed = peer
            case _:
                raise BadFrame("kind", f"{type(message).__name__} to the supervisor")
        check_run(message.run, self._run)
        if signed != peer:
            raise BadFrame("sender", f"{tuple(peer)} signs as {tuple(signed)}")
        return peer, message


class ControlClient:
    """Everyone else's end. `process` "cli" gets a random name of its own. Made after the fork; one thread's own."""

    def __init__(
        self, endpoint: str, run: str, process: str, incarnation: int, counters: Counters | None = None
    ) -> None:
        name = f"cli-{secrets.token_hex(8)}" if process == "cli" else process
        if PROCESS.fullmatch(name) is None:
            raise ChannelError(f"process is {shown(process)}; allowed is cli or what matches {PROCESS.pattern}")
        self._run = run
        self.counters = counters or Counters()
        self._link = Link(
            zmq.DEALER,
            endpoint,
            self.counters,
            queue=_QUEUE,
            largest_in=_LARGEST,
            largest_out=_LARGEST,
            identity=Peer(name, incarnation).identity,
        )
        self.process = name
        self.socket = self._link.socket

    @property
    def connections(self) -> int:
        """How often a connection was made, as of the last `receive`."""
        return self._link.connections

    def send(self, message: Message) -> bool:
        """Send without blocking. False: the queue is full (no supervisor for long), and nothing was sent."""
        return self._link.send(message)

    def receive(self, timeout_s: float) -> list[Message]:
        """What the supervisor sent, waiting at most `timeout_s` for the first. Never raises for bad messages."""
        return [message for _, message in self._link.receive(timeout_s, self._take)]

    def close(self) -> None:
        """Drop what isn't sent."""
        self._link.close()

    def _take(self, frames: list[Buffer]) -> tuple[None, Message]:
        message = decode(frames)
        if not isinstance(message, Lost | Gone | Inject | Stop | Command | Reply):
            raise BadFrame("kind", f"{type(message).__name__} from the supervisor")
        check_run(message.run, self._run)
        return None, message


def _peer(identity: Buffer) -> Peer:
    match = _IDENTITY.fullmatch(bytes(identity).decode("ascii", errors="replace"))
    if match is None or PROCESS.fullmatch(match["process"]) is None:
        raise BadFrame("sender", f"routing id {shown(bytes(identity))}")
    return Peer(match["process"], int(match["incarnation"]))
