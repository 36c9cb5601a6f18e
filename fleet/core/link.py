"""One ZeroMQ socket with its limits: what both channels are built on.

A link sends frames without ever blocking and gives back, as messages, what came in and can be believed. What can't is
thrown away whole, counted by reason and logged; whoever sent it isn't cut off, and the caller hears nothing of it.
Sockets belong to the thread and the process that made them: make a link after a fork, never before.
"""

import contextlib
import errno
import logging
import math
import os
import secrets
import socket as posix
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import zmq

from fleet.core.checks import MessageError
from fleet.core.codec import BadFrame, Buffer
from fleet.core.counters import Counters
from fleet.core.endpoints import ChannelError, Endpoint, parse_endpoint
from fleet.core.keys import KeyPair, load_client_keys, load_server_keys
from fleet.core.messages import Message
from fleet.core.weather import Weather
from fleet.core.wire import MAX_FRAMES, MAX_MESSAGE, encode, kind_of
from fleet.core.zap import Door

_BURST = 256
"""Messages looked at in one call, so that a flood of bad ones can't hold the caller."""
_DONTWAIT = int(zmq.DONTWAIT)  # as plain ints: combining the enum's members costs more than sending a frame
_SEND_MORE = int(zmq.DONTWAIT) | int(zmq.SNDMORE)
_BACKLOG = 4096  # a fleet's learners come all at once, and who finds no place tries again only after a pause
_EVENTS = (
    zmq.Event.HANDSHAKE_SUCCEEDED
    | zmq.Event.DISCONNECTED
    | zmq.Event.HANDSHAKE_FAILED_NO_DETAIL
    | zmq.Event.HANDSHAKE_FAILED_PROTOCOL
    | zmq.Event.HANDSHAKE_FAILED_AUTH
)

T = TypeVar("T")
log = logging.getLogger(__name__)


class Link:
    """A socket, bound if it is a ROUTER and connected if it is a DEALER, encrypted if its endpoint names keys.

    `queue`: messages kept per peer and direction. `largest_in`: bytes of the largest message that may come in.
    Raises ChannelError if the endpoint can't be used, BadInput if its keys can't.
    """

    def __init__(
        self,
        kind: zmq.SocketType,
        endpoint: str,
        counters: Counters,
        *,
        queue: int,
        largest_in: int = MAX_MESSAGE,
        largest_out: int = MAX_MESSAGE,
        identity: bytes | None = None,
        weather: Weather | None = None,
    ) -> None:
        where = parse_endpoint(endpoint)
        self._bound: str | None = None
        self._door: Door | None = None
        self.counters = counters
        self.on_bad: Callable[[list[Buffer], BadFrame], None] | None = None
        """Told of what was thrown away."""
        self.connections = 0
        """Handshakes that succeeded. A client whose count has grown has a new connection and should say hello."""
        self._largest_in, self._largest_out = largest_in, largest_out
        self._reached, self._weather = where.reached, weather
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
        self.socket = context.socket(kind)
        self._set_options(queue, identity)
        self._monitor = self._watch(context)
        try:
            self.socket.ipv6 = where.is_ipv6
            if where.keys is not None:
                self._protect(context, where.keys)
            if kind == zmq.ROUTER:
                self._bind(where)
            else:
                self.socket.connect(where.reached)
        except BaseException:
            self.close()
            raise

    def send(self, message: Message, peer: bytes | None = None, *, fixed: bool = False) -> bool:
        """Send without blocking. False: the peer isn't connected or its queue is full, and nothing was sent.

        `fixed` promises that the message's arrays never change again; then large ones leave without a copy. Raises
        MessageError if the message is larger than the other side takes, which would cut the connection for ever.
        """
        frames = encode(message)
        size = sum(len(frame) for frame in frames)
        if size > self._largest_out:
            raise MessageError(f"{kind_of(message)} of {size} bytes; allowed are at most {self._largest_out}")
        if self._weather is not None:
            weathered = self._weather.leaving(kind_of(message), frames, time.monotonic())
            if weathered is None:
                return True
            frames = list(weathered)
        parts: Sequence[bytes | memoryview] = frames if peer is None else [peer, *frames]
        return self._put(parts, kind_of(message), size, copy=not fixed)

    def _put(self, parts: Sequence[bytes | memoryview], kind: str, size: int, *, copy: bool) -> bool:
        try:
            for part in parts[:-1]:
                self.socket.send(part, _SEND_MORE, copy=copy)
            self.socket.send(parts[-1], _DONTWAIT, copy=copy)
        except zmq.Again:
            return False
        except zmq.ZMQError as error:
            if error.errno != errno.EHOSTUNREACH:
                raise
            return False
        self.counters.add("sent", kind, size)
        return True

    def reconnect(self) -> None:
        """Drop a client's connection, with all that was on its way, and make another."""
        self.socket.disconnect(self._reached)
        self.socket.connect(self._reached)

    def receive(self, timeout_s: float, take: Callable[[list[Buffer]], tuple[T, Message]]) -> list[tuple[T, Message]]:
        """All that has come in, once something has or `timeout_s` is over. `take` decodes, or raises BadFrame."""
        deadline = time.monotonic() + timeout_s
        taken: list[tuple[T, Message]] = []
        while True:
            self._release()
            for _ in range(_BURST):
                frames = self._frames()
                if frames is None:
                    break
                self._take(frames, take, taken)
            left = deadline - time.monotonic()
            if taken or left <= 0:
                break
            held = math.inf if self._weather is None else max(0.0, self._weather.next_due - time.monotonic())
            if not self.socket.poll(math.ceil(min(left, held) * 1000)) and left <= held:
                break
        self._count_connections()
        return taken

    def close(self) -> None:
        """Drop what isn't sent and free the endpoint. May be called again."""
        if not self.socket.closed:
            self.socket.disable_monitor()
            self._monitor.close(linger=0)
            self.socket.close(linger=0)
            if self._bound is not None:
                # ZeroMQ leaves the file, and shuts its listener only later: the next life must not meet this one there.
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._bound)
            if self._door is not None:
                self._door.close()

    def _release(self) -> None:
        """Send what the weather held until now."""
        for held in [] if self._weather is None else self._weather.due(time.monotonic()):
            self._put(held.frames, held.kind, sum(len(frame) for frame in held.frames), copy=True)

    def _take(
        self, frames: list[Buffer], take: Callable[[list[Buffer]], tuple[T, Message]], taken: list[tuple[T, Message]]
    ) -> None:
        if self._weather is not None and self._weather.cut_in:
            return
        # A routing id that a ROUTER puts first is ZeroMQ's own and isn't counted.
        size = sum(len(frame) for frame in (frames[1:] if self.socket.type == zmq.ROUTER else frames))
        try:
            if len(frames) > MAX_FRAMES + 1:
                raise BadFrame("frames", f"more than {MAX_FRAMES} frames")
            if size > self._largest_in:
                raise BadFrame("size", f"{size} bytes; allowed are at most {self._largest_in}")
            item = take(frames)
        except BadFrame as error:
            count = self.counters.reject(error.reason)
            if self.on_bad is not None:
                self.on_bad(frames, error)
            if count & (count - 1) == 0:  # the 1st, 2nd, 4th, 8th ...: a flood must not fill the log
                log.warning("threw away a message of %d bytes (%s; %d so far)", size, error, count)
            return
        self.counters.add("received", kind_of(item[1]), size)
        taken.append(item)

    def _frames(self) -> list[Buffer] | None:
        """The frames of the next message, if there is one; of one with too many, one more than is allowed."""
        frames: list[Buffer] = []
        more = True
        while more:
            try:
                frame = self.socket.recv(_DONTWAIT, copy=False)
            except zmq.Again:
                return None
            more = frame.more
            if len(frames) < MAX_FRAMES + 2:
                frames.append(frame.buffer)
        return frames

    def _set_options(self, queue: int, identity: bytes | None) -> None:
        """ZeroMQ's defaults wait for ever and bound nothing (each measured: see RELIABILITY)."""
        socket = self.socket
        socket.linger = 0
        socket.maxmsgsize = self._largest_in
        socket.sndhwm = queue
        socket.rcvhwm = queue
        socket.handshake_ivl = 3000
        socket.reconnect_ivl = 50
        socket.reconnect_ivl_max = 2000
        if socket.type == zmq.ROUTER:
            socket.backlog = _BACKLOG
            socket.router_mandatory = True
            # Without it a peer whose link was cut may find its own id taken, by the connection that has just ended.
            socket.router_handover = True
        if identity is not None:
            socket.setsockopt(zmq.IDENTITY, identity)

    def _watch(self, context: "zmq.Context[zmq.Socket[bytes]]") -> "zmq.Socket[bytes]":
        where = f"inproc://link-{secrets.token_hex(8)}"
        self.socket.monitor(where, _EVENTS)
        monitor = context.socket(zmq.PAIR)
        # With a bound, ZeroMQ's I/O thread would wait at it while this process is busy elsewhere.
        monitor.rcvhwm = 0
        monitor.connect(where)
        return monitor

    def _count_connections(self) -> None:
        with contextlib.suppress(zmq.Again):
            while True:
                event = int.from_bytes(self._monitor.recv_multipart(zmq.DONTWAIT)[0][:2], "little")
                if event == zmq.Event.HANDSHAKE_SUCCEEDED:
                    self.connections += 1
                else:
                    self.counters.disconnects += 1

    def _protect(self, context: "zmq.Context[zmq.Socket[bytes]]", folder: Path) -> None:
        """Encrypt, know the other side by its key, and as a server let in only whom the folder allows."""
        if self.socket.type != zmq.ROUTER:
            client = load_client_keys(folder)
            self._set_keys(client.own)
            self.socket.curve_serverkey = client.server
            return
        server = load_server_keys(folder)
        self._door = Door(context, server.allowed)
        self._set_keys(server.own)
        self.socket.curve_server = True
        self.socket.setsockopt_string(zmq.ZAP_DOMAIN, self._door.domain)
        # Without it, a missing doorkeeper would let everyone in.
        self.socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)

    def _set_keys(self, own: KeyPair) -> None:
        self.socket.curve_publickey = own.public
        self.socket.curve_secretkey = own.secret

    def _bind(self, where: Endpoint) -> None:
        """Bind; an ipc one for this user only, and ZeroMQ would silently take it away from a living owner."""
        if where.path is not None:
            with posix.socket(posix.AF_UNIX) as probe, contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                probe.connect(where.path)
                raise ChannelError(f"another process serves {where.path}")
        before = os.umask(0o077)
        try:
            self.socket.bind(where.bound)
        except zmq.ZMQError as error:
            raise ChannelError(f"can't serve {where.bound}: {error}") from error
        finally:
            os.umask(before)
        self._bound = where.path


def check_run(named: str, run: str) -> None:
    """Raises BadFrame if a message is of another run."""
    if named != run:
        raise BadFrame("run", f"run {named}; this is {run}")
