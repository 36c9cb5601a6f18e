"""The zygote: one warm, single-threaded process that forks learners on request.

Run as `python -m fleet.control.process.zygote SOCKET WARM RUN`: the descriptor of an inherited SOCK_SEQPACKET socket,
the import path of a warm-up function, the run's id (for people who look at `ps`). It imports and warms everything once
and freezes the collector's generations, so that forty learners share those pages and start in seconds.

In from the socket: {"do": "fork", "name", "target", "start", "log"}, and {"do": "ward", "name"} with a pidfd;
{"do": "ping"}.
Out: {"say": "ready", ...} once; {"say": "forked", "name", "pid"} with a pidfd;
{"say": "exited", "name", "pid", "status"}; {"say": "refused", "name", "text"}; {"say": "pong"}.
When the socket ends, the supervisor is gone: every child and every ward is killed. A ward is what the zygote did not
fork itself; learners watch for that end as well, but one that is stopped can't.
"""

import gc
import json
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import Any

import psutil

from fleet.control.process import forked, pidfd
from fleet.core import orphan

LONGEST_MESSAGE = 1 << 16


class Zygote:
    """Children and wards by pidfd; lives in one thread, because only then is a fork safe."""

    def __init__(self, link: socket.socket, life: int) -> None:
        self._link = link
        self._life = life
        self._children: dict[int, tuple[str, int]] = {}
        self._wards: list[int] = []
        self._woken, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def serve(self, warm_s: float) -> None:
        """Fork, reap and report until the supervisor is gone."""
        signal.signal(signal.SIGCHLD, lambda *_: None)  # a handler, or the wakeup descriptor stays silent
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        try:
            memory = psutil.Process().memory_full_info().uss
            self._say(say="ready", pid=os.getpid(), threads=_threads(), warm_s=warm_s, memory=memory)
            self._loop()
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            self._kill_all()

    def abandon(self) -> None:
        """The supervisor is gone before we were warm: kill the wards that are named in the socket, and end."""
        with suppress(BlockingIOError):
            while True:
                data, descriptors, _, _ = socket.recv_fds(self._link, LONGEST_MESSAGE, 1, socket.MSG_DONTWAIT)
                if not data:
                    break
                for descriptor in descriptors:
                    pidfd.send(descriptor, signal.SIGKILL)
        os._exit(orphan.ORPHANED)

    def _loop(self) -> None:
        poller = select.poll()
        poller.register(self._link, select.POLLIN)
        poller.register(self._woken, select.POLLIN)
        while True:
            ready = [descriptor for descriptor, _ in poller.poll()]
            if self._woken in ready:
                os.read(self._woken, 4096)
                self._reap()
            if self._link.fileno() in ready:
                data, descriptors, _, _ = socket.recv_fds(self._link, LONGEST_MESSAGE, 1)
                if not data:
                    return
                self._obey(json.loads(data), descriptors)

    def _obey(self, order: dict[str, str], descriptors: list[int]) -> None:
        if order["do"] == "ping":
            self._say(say="pong")
        elif order["do"] == "ward":
            self._forget_ended_wards()
            self._wards.append(descriptors[0])
        elif _threads() != 1:
            self._say(say="refused", name=order["name"], text=f"the zygote has {_threads()} threads; a fork needs one")
        else:
            self._fork(forked.Order(order["name"], order["target"], order["start"], order["log"]))

    def _forget_ended_wards(self) -> None:
        for descriptor in pidfd.ended_of(self._wards):
            os.close(descriptor)
            self._wards.remove(descriptor)

    def _fork(self, order: forked.Order) -> None:
        # The child starts only when told that the supervisor has its pidfd: one that nobody knows of ends at EOF.
        told, tell = os.pipe2(os.O_CLOEXEC)
        try:
            pid = os.fork()
        except OSError as error:
            os.close(told)
            os.close(tell)
            self._say(say="refused", name=order.name, text=f"fork failed: {error}")
            return
        if pid == 0:
            forked.become(order, told, self._life, [tell, *self._own_descriptors()])
        os.close(told)
        descriptor = os.pidfd_open(pid)  # only we reap it, so the pid is still its own
        self._children[pid] = (order.name, descriptor)
        try:
            self._say(say="forked", name=order.name, pid=pid, descriptors=[descriptor])
            os.write(tell, b"!")
        finally:
            os.close(tell)

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            name, descriptor = self._children.pop(pid)
            os.close(descriptor)
            self._say(say="exited", name=name, pid=pid, status=os.waitstatus_to_exitcode(status))

    def _say(self, *, descriptors: list[int] | None = None, **message: Any) -> None:
        socket.send_fds(self._link, [json.dumps(message).encode()], descriptors or [])

    def _own_descriptors(self) -> list[int]:
        children = [descriptor for _, descriptor in self._children.values()]
        return [self._link.fileno(), self._woken, self._wake, *children, *self._wards]

    def _kill_all(self) -> None:
        for descriptor in [*(fd for _, fd in self._children.values()), *self._wards]:
            pidfd.send(descriptor, signal.SIGKILL)  # also ends one that is stopped


def _threads() -> int:
    return len(os.listdir("/proc/self/task"))


def main(arguments: list[str]) -> int:
    """The zygote's whole life; returns its exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor acts on it
    link = socket.socket(fileno=int(arguments[0]))
    link.set_inheritable(False)
    zygote = Zygote(link, orphan.life_descriptor())
    zygote.serve(_warm(zygote, arguments[1]))
    return 0


def _warm(zygote: Zygote, warm: str) -> float:
    """Import and warm everything; returns the seconds that took."""
    # Not SIGKILL, which would leave stopped children behind: SIGCONT wakes us, should we be stopped, to see the end.
    parent = os.getppid()
    signal.signal(signal.SIGCONT, lambda *_: zygote.abandon() if os.getppid() != parent else None)
    orphan.at_parents_end(signal.SIGCONT)
    started = time.monotonic()
    forked.load(warm)()
    gc.collect()
    gc.freeze()  # a collection in a child would write to every object's header, and so copy every page
    signal.signal(signal.SIGCONT, signal.SIG_DFL)
    return time.monotonic() - started


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
