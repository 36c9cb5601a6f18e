"""Attacks a live run's two sockets from outside: `python -m tests.fuzz.attack DATA CONTROL RUN FRAMES SEED`.

Sends FRAMES messages as fast as it can, goes on at leisure until standard input ends, and prints how many it sent. It
knows the run's id and signs as anyone but a process that is really there: who may connect and takes a living
process's routing id takes its place, and who says a proper hello as a learner's next incarnation supersedes it. That
needs the run's private folder (or, over tcp, an allowed key), whose owner could as well kill the processes.
"""

import contextlib
import os
import select
import socket
import sys
import threading
import time
from random import Random

import zmq

from fleet.core.endpoints import parse_endpoint
from fleet.core.messages import Hello
from tests.fuzz.samples import mutated, samples, sent

GREETING = b"\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL" + bytes(48)
READY = b"\4\x29\5READY\x0bSocket-Type\0\0\0\6DEALER\x08Identity\0\0\0\0"
RAW = [
    b"GET / HTTP/1.1\r\nHost: fleet\r\n\r\n" + b"x" * 300,
    b"",
    GREETING[:11],
    GREETING,
    GREETING.replace(b"NULL", b"PLAI"),
    GREETING + b"\4\xff",
    GREETING + READY + b"\2" + (2**40).to_bytes(8, "big"),
    GREETING + READY + b"\2" + (2**63 + 5).to_bytes(8, "big") + bytes(1000),
    GREETING + READY + b"\2" + (2**26 + 1).to_bytes(8, "big") + bytes(1000),
    GREETING + READY + b"\1\5hello",
    GREETING + READY + b"\4\7\4PING\0\1",
    bytes(range(256)) * 4,
]
"""Starts of conversations that never become one, frames of a length that never comes, commands out of place."""

STRANGERS = [
    *[b"learner-7/0", b"learner-0/1", b"learner-2/4294967295", b"learner-999999/9", b"env_server/1", b"env_server/7"],
    *[b"supervisor/0", b"zygote/1", b"cli-0123456789abcdef/0", b"learner-00/0", b"x", b"\xff" * 200, b"learner-1/-1"],
]
_BIG = 8 * 2**20
_SLICE = 50


class Attack:
    """One after the other, from several connections at a time."""

    def __init__(self, endpoints: list[str], run: str, seed: int) -> None:
        self._random = Random(seed)
        self._endpoints = endpoints
        # What its own process could have sent is never among them, and a proper hello of a later incarnation neither.
        forged = [*samples(run, 7, 0, 0), *samples(run, 0, 1, 3), *samples(run, 0, 0, 9), *samples("f" * 32, 0, 0, 0)]
        self._proper = [sent(message) for message in forged if not isinstance(message, Hello)]
        self._proper += [sent(message) for message in samples(run, 7, 0, 0)]
        self._sockets: list[tuple[bytes, zmq.Socket[bytes]]] = []
        self.sent = 0

    def message(self) -> list[bytes]:
        """What comes next."""
        random = self._random
        chance = random.random()
        if chance < 0.3:
            return [random.randbytes(random.randrange(100)) for _ in range(random.randrange(1, 5))]
        if chance < 0.32:
            return [b""] * random.randrange(1, 4)
        if chance < 0.3203:
            return [b"\x80"] * 1000
        if chance < 0.32035:
            return [bytes(_BIG)]
        if chance < 0.33:
            return [b"\xdc\x04\x00" * 2000]
        proper = random.choice(self._proper)
        return proper if chance < 0.4 else mutated(proper, random)

    def slice(self) -> None:
        """A few messages from a connection that is new now and then, and a raw conversation begun."""
        if len(self._sockets) < 12 or self._random.random() < 0.02:
            self._connect()
        _, link = self._random.choice(self._sockets)
        for _ in range(_SLICE):
            if not link.poll(2, zmq.POLLOUT):
                return
            link.send_multipart(self.message() or [b""])
            self.sent += 1

    def _connect(self) -> None:
        link: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        link.linger = 0
        link.sndhwm = 64
        # Each name once: two of the same would only cut each other off.
        name = self._random.choice([*STRANGERS, b"learner-%d/0" % self._random.randrange(10, 10**6)])
        name = os.urandom(9) if name in (taken for taken, _ in self._sockets) else name
        link.setsockopt(zmq.IDENTITY, b"x" + name if name[0] == 0 else name)
        link.connect(self._random.choice(self._endpoints))
        self._sockets.append((name, link))
        if len(self._sockets) > 20:
            self._sockets.pop(0)[1].close()

    def close(self) -> None:
        """End all connections."""
        for _, link in self._sockets:
            link.close()


def talk_raw(endpoints: list[str], over: threading.Event) -> None:
    """Begin conversations without ZeroMQ, thirty at a time, and leave most of them hanging."""
    places = [parse_endpoint(endpoint) for endpoint in endpoints]
    hanging: list[socket.socket] = []
    number = 0
    while not over.wait(0.02):
        place, number = places[number % 2], number + 1
        stranger = socket.socket(socket.AF_INET if place.path is None else socket.AF_UNIX)
        hanging.append(stranger)
        with contextlib.suppress(OSError):
            stranger.settimeout(0.2)
            stranger.connect(place.path or (str(place.host), place.port))
            stranger.sendall(RAW[(number // 2) % len(RAW)])
        if len(hanging) > 30:
            hanging.pop(0).close()
    for stranger in hanging:
        stranger.close()


def main() -> None:
    """Attack until whoever started this closes our standard input, and all frames are sent."""
    data, control, run, frames, seed = sys.argv[1:]
    attack, over = Attack([data, control], run, int(seed)), threading.Event()
    thread = threading.Thread(target=talk_raw, args=([data, control], over))
    thread.start()
    began = time.monotonic()
    try:
        while not select.select([sys.stdin], [], [], 0)[0] and time.monotonic() - began < 120:
            attack.slice()
            over.wait(0.0 if attack.sent < int(frames) else 0.1)
    finally:
        over.set()
        thread.join()
        attack.close()
        print(attack.sent, "enough" if attack.sent >= int(frames) else "too few", flush=True)


if __name__ == "__main__":
    main()
