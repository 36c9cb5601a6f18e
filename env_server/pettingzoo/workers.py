"""The worker processes as the world holds them: started together, asked together, ended with it."""

import os
import socket
import subprocess
import sys
import weakref
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from env_server.errors import SetupError, WorldError
from env_server.pettingzoo.job import FAILED, REFUSED, Job, Outline, read_outline, receive, send

_LEAVING_S = 2.0
"""How long an environment may take to close."""


@dataclass
class Worker:
    """One of them, and the link to it."""

    job: Job
    process: subprocess.Popen[bytes]
    link: socket.socket


class Workers:
    """`count` processes that share the copies of `job`, whose `board` they all write; `outlines` is what each made.

    They are gone when this object is, and die with the thread that has made it, whatever its process dies of. Raises
    SetupError if the environment can't be had, and WorldError if one of them dies on the way.
    """

    def __init__(self, job: Job, count: int) -> None:
        edges = [len(job.clock) * k // count for k in range(count + 1)]
        self._workers: list[Worker] = []
        self._end = weakref.finalize(self, _end, self._workers)
        try:
            for first, after in zip(edges, edges[1:], strict=False):
                self._workers.append(_start(replace(job, first=first, after=after)))
            self.outlines = [read_outline(self._answer(worker)) for worker in self._workers]
        except BaseException:
            self.close()
            raise

    def ask(self, order: str) -> None:
        """Have all of them do it, side by side. Raises WorldError, with all of them ended, if one can't."""
        try:
            for worker in self._workers:
                with suppress(OSError):  # why it is gone, its answer tells
                    send(worker.link, order.encode())
            for worker in self._workers:
                self._answer(worker)
        except BaseException:
            self.close()  # those that weren't heard would answer the next order with this one's
            raise

    def render(self, copy: int) -> bytes:
        """What the worker of that copy answers to `render`. Raises SetupError if it can't draw."""
        worker = next(each for each in self._workers if each.job.first <= copy < each.job.after)
        with suppress(OSError):
            send(worker.link, f"render {copy - worker.job.first}".encode())
        return self._answer(worker)

    def close(self) -> None:
        """End them, now. A second call does nothing."""
        self._end()

    def _answer(self, worker: Worker) -> bytes:
        """What it has to say. Raises SetupError for what a user can put right, else WorldError, if it failed."""
        answer = receive(worker.link)
        job = worker.job
        if answer is None:
            which = f"copies {job.first} to {job.after - 1}" if job.board is not None else "its first copy"
            raise WorldError(f"{job.env}: the process of {which} {_ended(worker.process.wait())}")
        if answer[:1] == REFUSED:
            raise SetupError(answer[1:].decode())
        if answer[:1] == FAILED:
            raise WorldError(f"{job.env}, {answer[1:].decode()}")
        return answer[1:]


def look_at(env: str, args: dict[str, object]) -> Outline:
    """The outline of an environment, from a process that makes one of it and ends. Raises as `Workers`."""
    workers = Workers(Job(env, args, link=-1), 1)
    workers.close()
    return workers.outlines[0]


def _start(job: Job) -> Worker:
    ours, theirs = socket.socketpair()
    inherited = [theirs.fileno()] if job.board is None else [theirs.fileno(), job.board]
    with theirs:
        process = subprocess.Popen(
            # -P as everywhere: the current folder lends no modules; what this process can import, that one can
            [sys.executable, "-P", "-m", "env_server.pettingzoo.worker"],
            stdin=subprocess.PIPE,
            stdout=2,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(os.path.abspath(entry) for entry in sys.path)},
            pass_fds=inherited,
            process_group=0,  # Ctrl-C is for who started it; of his session, so that it is known whose it was
        )
        assert process.stdin is not None
        with suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(replace(job, link=theirs.fileno()).to_json().encode())
    return Worker(job, process, ours)


def _end(workers: Sequence[Worker]) -> None:
    """Hang up on all of them, then see them gone."""
    for worker in workers:
        worker.link.close()
    for worker in workers:
        try:
            worker.process.wait(_LEAVING_S)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()


def _ended(status: int) -> str:
    return f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
