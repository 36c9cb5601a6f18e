"""The gate: as many of a run's learners compute at once as there are cores; the others wait, first come, first served.

Processes that compute all at once push each other out of the caches, and all finish at the end. Where an update is
long enough to be worth waking up for once more, they do better one after another. The gate is a few files in a folder,
and no process. A slot is held by a lock on its file, which the kernel opens when the holder dies, so nobody's death
stops anybody; a slot held for too long, by a frozen process say, is replaced by another. A pipe wakes one waiter for
each slot that is given back; a waiter that it misses looks again by itself.
"""

import contextlib
import fcntl
import os
import select
import struct
import time
from collections.abc import Callable, Iterable
from pathlib import Path

LOOK_S = 1.0
"""How often a waiter looks again though nobody has woken it."""
_MOST_REPLACEMENTS = 64
_TIME = struct.Struct("d")  # monotonic seconds, the same clock for all processes of a machine


class Gate:
    """One process's way in and out.

        gate = Gate(folder, slots=2)
        while not gate.enter():
            gate.wait([control_fd, data_fd], timeout_s)
        ...                                  # compute
        gate.leave()

    `overdue_s`: a slot held longer than that, and than four times as long as this process held its own last, no longer
    counts as one of the `slots`. Raises OSError if the folder can't be made or holds no pipe.
    """

    def __init__(
        self, folder: Path, slots: int, overdue_s: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        folder.mkdir(exist_ok=True)
        pipe = folder / "returned"
        with contextlib.suppress(FileExistsError):
            os.mkfifo(pipe, 0o600)
        self._folder, self._slots, self._clock = folder, slots, clock
        self._least_overdue = self._overdue = overdue_s
        # For reading and writing, so that it stays open whoever else comes and goes.
        self._pipe = os.open(pipe, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._queue: select.epoll | None = None
        self._held = -1
        self._since = 0.0

    def enter(self) -> bool:
        """Take a slot if one is free. Who can't `wait`s, and tries again."""
        if self._take():
            return True
        returned = self._drain()
        if not returned or not self._take():
            return False
        self._wake(min(returned - 1, self._slots - 1))  # what more was given back is others' to take
        return True

    def wait(self, others: Iterable[int], timeout_s: float) -> None:
        """Wait until it is this process's turn to try, one of the descriptors `others` is readable, or time is up."""
        if self._queue is None:
            # A new registration stands last in the pipe's queue of waiters, of whom one is woken: first come, first
            # served.
            self._queue = select.epoll()
            self._queue.register(self._pipe, select.EPOLLIN | select.EPOLLEXCLUSIVE)
            for other in others:
                self._queue.register(other, select.EPOLLIN)
        self._queue.poll(max(0.0, min(timeout_s, LOOK_S)))

    def leave(self) -> None:
        """Give the slot back."""
        if self._held < 0:
            return
        self._overdue = max(self._least_overdue, 4.0 * (self._clock() - self._since))
        os.close(self._held)
        self._held = -1
        self._wake(1)

    def close(self) -> None:
        """Leave, and let go of the gate's files."""
        self.leave()
        self._stop_waiting()
        os.close(self._pipe)

    def _take(self) -> bool:
        for slot in range(self._slots):
            for replacement in range(_MOST_REPLACEMENTS):
                if self._lock(self._folder / f"slot-{slot}.{replacement}"):
                    self._stop_waiting()
                    return True
                if self._clock() - self._since < self._overdue:
                    break
        return False

    def _lock(self, path: Path) -> bool:
        """Whether the slot is ours now; if not, `_since` is when its holder took it."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            written = os.pread(descriptor, _TIME.size, 0)
            os.close(descriptor)
            # Nothing there yet: it has been taken for the first time just now.
            self._since = _TIME.unpack(written)[0] if len(written) == _TIME.size else self._clock()
            return False
        self._held, self._since = descriptor, self._clock()
        os.pwrite(descriptor, _TIME.pack(self._since), 0)
        return True

    def _drain(self) -> int:
        try:
            return len(os.read(self._pipe, 4096))
        except BlockingIOError:
            return 0

    def _wake(self, count: int) -> None:
        if count > 0:
            with contextlib.suppress(BlockingIOError):  # full: there is more than enough to wake everyone
                os.write(self._pipe, b"." * count)

    def _stop_waiting(self) -> None:
        if self._queue is not None:
            self._queue.close()
            self._queue = None
