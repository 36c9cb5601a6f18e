"""Processes by descriptor: a pidfd names one process for ever, where a pid may already be somebody else's."""

import ctypes
import os
import select
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from fleet.core.errors import FleetError

_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37


class ControlError(FleetError):
    """Base of what goes wrong in starting, watching and stopping a run's processes."""


def send(descriptor: int, number: signal.Signals) -> bool:
    """Signal that process; False if it has already ended."""
    try:
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    return True


def ended(descriptor: int) -> bool:
    """Whether that process has ended (its parent may not have reaped it yet)."""
    return _readable([descriptor], 0.0) != []


def ended_of(descriptors: Iterable[int]) -> list[int]:
    """Those whose processes have ended."""
    return _readable(list(descriptors), 0.0)


def wait(descriptors: Iterable[int], timeout_s: float) -> list[int]:
    """Wait until all of these processes have ended, at most `timeout_s`; returns those that still run."""
    running = list(descriptors)
    deadline = time.monotonic() + timeout_s
    while running:
        gone = _readable(running, max(0.0, deadline - time.monotonic()))
        if not gone:
            break
        running = [descriptor for descriptor in running if descriptor not in gone]
    return running


def reap(descriptor: int) -> int | None:
    """Reap our own child; its exit status, negative for a signal. None if it still runs, or isn't ours.

    A process becomes ours by being started here, or, for a subreaper, when its parent dies.
    """
    try:
        result = os.waitid(os.P_PIDFD, descriptor, os.WEXITED | os.WNOHANG)
    except ChildProcessError:
        return None
    if result is None:
        return None
    return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status


class Ends:
    """Tells which of many processes have ended, without asking after each: an ended one is told once.

    `descriptor` is readable while there is one to tell.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll()

    @property
    def descriptor(self) -> int:
        """What to wait on."""
        return self._epoll.fileno()

    def add(self, descriptor: int) -> None:
        """Watch a process. Before its pidfd is closed, it has to be told or removed."""
        self._epoll.register(descriptor, select.EPOLLIN)

    def remove(self, descriptor: int) -> None:
        """Watch it no more; it may have been told already."""
        # Not left to closing it: a copy of the descriptor that somebody else has would keep it watched.
        with suppress(FileNotFoundError):
            self._epoll.unregister(descriptor)

    def take(self) -> list[int]:
        """The pidfds of those that have ended, and are watched no more."""
        over = [descriptor for descriptor, _ in self._epoll.poll(0)]
        for descriptor in over:
            self._epoll.unregister(descriptor)
        return over

    def close(self) -> None:
        """Let go of it. A second call does nothing."""
        self._epoll.close()


@contextmanager
def subreaper() -> Iterator[None]:
    """Within it, orphaned descendants of this process become its children, so it can reap them."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = ctypes.c_int()
    libc.prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(before), 0, 0, 0)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise ControlError(f"this kernel has no child subreaper: {os.strerror(ctypes.get_errno())}")
    try:
        yield
    finally:
        libc.prctl(_PR_SET_CHILD_SUBREAPER, before.value, 0, 0, 0)


def close(descriptor: int) -> None:
    """Close a descriptor, whatever its state."""
    with suppress(OSError):
        os.close(descriptor)


def _readable(descriptors: list[int], timeout_s: float) -> list[int]:
    poller = select.poll()
    for descriptor in descriptors:
        poller.register(descriptor, select.POLLIN)
    return [descriptor for descriptor, _ in poller.poll(timeout_s * 1000)]
