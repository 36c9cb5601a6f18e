"""What the supervisor's loop waits with, and the clock that tells whether it got to run."""

import time
from typing import Any

import zmq

from fleet.control.care.liveness import Attention


class Waiting:
    """Waits on a fixed set of things and on descriptors that come and go."""

    def __init__(self, *always: Any) -> None:
        self.attention = Attention(time.monotonic())
        self._poller = zmq.Poller()
        for item in always:
            self._poller.register(item, zmq.POLLIN)
        self._polled: set[int] = set()

    def wait(self, descriptors: set[int], longest_s: float, *until: float | None) -> None:
        """Until one is readable, for `longest_s` at most and not past the first of `until` (monotonic).

        Time in which we wanted to run and did not is left out of `attention`, so that it is held against nobody.
        """
        for descriptor in self._polled - descriptors:
            self._poller.unregister(descriptor)
        for descriptor in descriptors - self._polled:
            self._poller.register(descriptor, zmq.POLLIN)
        self._polled = set(descriptors)
        now = time.monotonic()
        wait_s = max(0.0, min([now + longest_s, *(moment for moment in until if moment is not None)]) - now)
        self._poller.poll(int(wait_s * 1000) + 1)
        self.attention.tick(time.monotonic(), wait_s)
