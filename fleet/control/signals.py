"""Signals to the supervisor, as something its loop can wait on."""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any, Self

_HEEDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Inbox:
    """Within it, SIGINT, SIGTERM and SIGHUP are queued instead of acted on, and `descriptor` becomes readable.

    Only the main thread of a program can have signals; in another thread `post` is the one way in.
    """

    def __init__(self) -> None:
        self.descriptor, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._before: dict[signal.Signals, Callable[[int, FrameType | None], Any] | int | None] = {}

    def post(self, number: int) -> None:
        """Put one in, from any thread or signal handler."""
        with suppress(OSError):  # full of signals already, or closed
            os.write(self._writer, bytes([number]))

    def take(self) -> list[int]:
        """The numbers of those that came since the last call, in order."""
        try:
            return list(os.read(self.descriptor, 4096))
        except BlockingIOError:
            return []

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _HEEDED:
                self._before[number] = signal.signal(number, lambda which, _: self.post(which))
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        os.close(self._writer)
        os.close(self.descriptor)
