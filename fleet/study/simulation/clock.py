"""Simulated time: a queue of what happens when. Nothing here knows the wall clock."""

import heapq
from collections.abc import Callable

Act = Callable[[], None]


class Clock:
    """`now` in simulated seconds. What is due at the same moment happens in the order in which it was asked for."""

    def __init__(self) -> None:
        self.now = 0.0
        self._queue: list[tuple[float, int, Act]] = []
        self._asked = 0

    def after(self, delay_s: float, act: Act) -> None:
        """Have `act()` called `delay_s` from now."""
        heapq.heappush(self._queue, (self.now + max(0.0, delay_s), self._asked, act))
        self._asked += 1

    def run(self, until: float, over: Callable[[], bool] = lambda: False) -> None:
        """Let time pass up to `until`, or till `over()` is true after something has happened."""
        while self._queue and self._queue[0][0] <= until:
            self.now, _, act = heapq.heappop(self._queue)
            act()
            if over():
                return
        self.now = max(self.now, until)
