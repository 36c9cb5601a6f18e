"""What a worker is told and what it tells: the job it is started with, an environment's outline, the link's frames.

Both ends are ours, and on one machine. All of it is JSON or raw bytes.
"""

import json
import socket
from dataclasses import asdict, dataclass
from typing import Any

DONE, FAILED, REFUSED = b"=", b"!", b"?"
"""How an answer begins: with what was asked for; with why that can't be; with what the user can put right."""


@dataclass(frozen=True)
class Outline:
    """What is known of an environment without a step: its agents' names, actions and observed numbers, in their order.

    `bound` (D,) is the largest magnitude of each observation feature, 1 where there is none; `memory` the bytes that a
    process with one copy takes.
    """

    agents: tuple[str, ...]
    actions: tuple[int, ...]
    features: tuple[int, ...]
    bound: tuple[float, ...]
    memory: int


@dataclass(frozen=True)
class Job:
    """The environment `env` with arguments `args`, and which copies of it to step: from `first` up to `after`.

    `link` and `board` are descriptors, of the socket and of the shared memory; without a board the outline is all that
    is asked for. `clock` has, for each of the world's copies, how many steps its first episode is short of `max_steps`.
    """

    env: str
    args: dict[str, Any]
    link: int
    board: int | None = None
    first: int = 0
    after: int = 1
    max_steps: int = 1
    clock: tuple[int, ...] = (0,)

    def to_json(self) -> str:
        """As text, for `read_job`."""
        return json.dumps(asdict(self))


def read_job(text: str) -> Job:
    """What `Job.to_json` wrote."""
    return Job(**json.loads(text))


def write_outline(outline: Outline) -> bytes:
    """As bytes, for `read_outline`."""
    return json.dumps(asdict(outline)).encode()


def read_outline(text: bytes) -> Outline:
    """What `write_outline` wrote."""
    given = json.loads(text)
    lists = {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
    return Outline(**lists, memory=given["memory"])


def send(link: socket.socket, content: bytes) -> None:
    """Send one frame. Raises OSError if the other end is gone."""
    link.sendall(len(content).to_bytes(8, "little") + content)


def receive(link: socket.socket) -> bytes | None:
    """Wait for the next frame; None if the other end is gone."""
    head = _exactly(link, 8)
    return None if head is None else _exactly(link, int.from_bytes(head, "little"))


def _exactly(link: socket.socket, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        try:
            part = link.recv(min(size - len(parts), 1 << 20))
        except OSError:  # reset by a dead peer, or closed by us, who have ended it
            return None
        if not part:
            return None
        parts += part
    return bytes(parts)
