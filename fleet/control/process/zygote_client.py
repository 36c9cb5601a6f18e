"""The supervisor's side of the zygote: orders go out, reports come in, and nothing here ever blocks."""

import json
import os
import signal
import socket
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleet.control.process import pidfd
from fleet.control.process.spawn import Spawned, spawn

_LONGEST_MESSAGE = 1 << 16


@dataclass(frozen=True)
class Ready:
    """It has warmed up and will fork. `memory` is its own private memory (USS) in bytes."""

    pid: int
    threads: int
    warm_s: float
    memory: int


@dataclass(frozen=True)
class Forked:
    """A child runs. The pidfd is the receiver's to close."""

    name: str
    pid: int
    pidfd: int


@dataclass(frozen=True)
class Exited:
    """A child has been reaped. `status` is negative for the signal that ended it."""

    name: str
    pid: int
    status: int


@dataclass(frozen=True)
class Refused:
    """It could not fork."""

    name: str
    text: str


@dataclass(frozen=True)
class Pong:
    """It has answered a ping."""


Report = Ready | Forked | Exited | Refused | Pong


class ZygoteClient:
    """One zygote process. Poll `socket` and `pidfd`; call `flush` and `reports` when something is readable."""

    def __init__(self, *, warm: str, run: str, log: Path, life: int) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self.socket = ours
        self.ready = False
        self._unsent: deque[tuple[bytes, tuple[int, ...]]] = deque()
        arguments = [str(theirs.fileno()), warm, run]
        with theirs:
            self._spawned: Spawned = spawn(
                "fleet.control.process.zygote", arguments, log=log, life=life, inherit=[theirs.fileno()]
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._spawned.pid

    @property
    def pidfd(self) -> int:
        """Readable once it has ended."""
        return self._spawned.pidfd

    def status(self) -> int | None:
        """Its exit status, or None while it runs."""
        return self._spawned.status()

    def fork(self, name: str, target: str, start: str, log: Path) -> None:
        """Order a child; a `Forked` or a `Refused` answers, once it is `ready`."""
        self._order({"do": "fork", "name": name, "target": target, "start": start, "log": str(log)})

    def ward(self, name: str, descriptor: int) -> None:
        """Have it kill that process too, should the supervisor be gone. Its pidfd stays the caller's."""
        self._order({"do": "ward", "name": name}, os.dup(descriptor))

    def ping(self) -> None:
        """Ask for a `Pong`; not while what was said before is still to be sent."""
        if not self._unsent:
            self._order({"do": "ping"})

    def flush(self) -> None:
        """Send what is waiting, as far as the socket takes it."""
        while self._unsent:
            data, descriptors = self._unsent[0]
            try:
                socket.send_fds(self.socket, [data], descriptors)
            except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                return  # full, or dead: then its pidfd says so
            self._unsent.popleft()
            for descriptor in descriptors:
                os.close(descriptor)

    def reports(self) -> list[Report]:
        """Everything it has said since the last call; also what a dead one said before it died."""
        reports = []
        while (report := self._receive()) is not None:
            self.ready = self.ready or isinstance(report, Ready)
            reports.append(report)
        self.flush()
        return reports

    def kill(self) -> None:
        """SIGKILL. Its children live on."""
        pidfd.send(self.pidfd, signal.SIGKILL)

    def hang_up(self) -> None:
        """End the link: it kills its children and wards, and exits."""
        self.socket.close()

    def close(self) -> None:
        """Let go of all descriptors, once it has ended."""
        self.socket.close()
        pidfd.close(self.pidfd)
        for _, descriptors in self._unsent:
            for descriptor in descriptors:
                os.close(descriptor)
        self._unsent.clear()

    def _order(self, message: dict[str, str], *descriptors: int) -> None:
        self._unsent.append((json.dumps(message).encode(), descriptors))
        self.flush()

    def _receive(self) -> Report | None:
        with suppress(BlockingIOError, ConnectionResetError):
            data, descriptors, _, _ = socket.recv_fds(self.socket, _LONGEST_MESSAGE, 1)
            if data:
                return _report(json.loads(data), descriptors)
        return None


def _report(message: dict[str, Any], descriptors: list[int]) -> Report:
    kind = message.pop("say")
    if kind == "ready":
        return Ready(**message)
    if kind == "forked":
        os.set_inheritable(descriptors[0], False)
        return Forked(pidfd=descriptors[0], **message)
    if kind == "pong":
        return Pong()
    return Exited(**message) if kind == "exited" else Refused(**message)
