"""When work that does not get on means that a process is stuck. Pure: times are given, in the time of an `Attention`.

What waits for a message has no work in hand and can't be stuck. What has some is expected to advance within five times
what nearly all of its steps took. Only time up to its last heartbeat counts: what is silent is judged by its silence.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from fleet.control.care.liveness import Verdict

_WINDOW = 256
_TIMES = 5.0
_LONGEST_EXCUSE = 2.0  # times the limit: what is stuck in a loop stands in the queue for a processor as well


@dataclass
class Advance:
    """One process's. `least_s`: what it may always take for a step; `grace_s`: for its first."""

    least_s: float
    grace_s: float
    suspected: bool = False
    _progress: int = 0
    _gaps: deque[float] = field(default_factory=lambda: deque(maxlen=_WINDOW))
    _since: float | None = None
    _seen: float = 0.0
    _queued: float = 0.0

    @property
    def limit_s(self) -> float:
        """How long it may stand still with work in hand."""
        if not self._progress:
            return max(self.least_s, self.grace_s)
        return max(self.least_s, _TIMES * p99(self._gaps)) if self._gaps else self.least_s

    @property
    def still_s(self) -> float:
        """How long it has stood still with work in hand, up to its last heartbeat."""
        return 0.0 if self._since is None else self._seen - self._since

    def heard(self, now: float, progress: int, working: bool) -> bool:
        """A heartbeat; returns whether that clears a suspicion."""
        self._seen = now
        if progress == self._progress and working:
            self._since = now if self._since is None else self._since
            return False
        if progress != self._progress and self._since is not None:
            self._gaps.append(now - self._since)
        self._progress, self._since = progress, now if working else None
        cleared, self.suspected = self.suspected, False
        return cleared

    def judge(self, queued_s: Callable[[], float]) -> Verdict:
        """What to take its standing still for; `queued_s` as for `Vitals.judge`."""
        still, limit = self.still_s, self.limit_s
        if still <= limit / 2:
            return Verdict.WELL
        if not self.suspected:
            self.suspected, self._queued = True, queued_s()
        if still <= limit:
            return Verdict.SUSPECT
        excused = min(queued_s() - self._queued, _LONGEST_EXCUSE * limit)
        return Verdict.STUCK if still - excused > limit else Verdict.SUSPECT


def p99(values: deque[float]) -> float:
    """The value that 99 of 100 don't exceed; of fewer than 100 the largest. There has to be one."""
    return sorted(values)[math.ceil(0.99 * len(values)) - 1]
