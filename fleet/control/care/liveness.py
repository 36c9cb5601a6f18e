"""When silence means death. Pure but for one reader of the kernel's scheduling figures.

Silence is only held against a process for time in which it could have spoken and we could have listened: not while the
supervisor itself got no processor, and not while the process stood in the queue for one. That is what keeps a machine
with many more processes than cores from killing healthy ones.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

_LONGEST_EXCUSE = 9.0  # times the limit: the queue for a processor excuses much, but not for ever
_OWN_SLACK_S = 0.25


class Attention:
    """A clock in seconds that stands still while its owner is not running, so that no one is blamed for that time."""

    def __init__(self, now: float) -> None:
        self.now = 0.0
        self._last = now

    def tick(self, now: float, asked_s: float) -> float:
        """`asked_s` is how long the owner wanted to wait since the last tick; returns the seconds it lost beyond."""
        passed = now - self._last
        self._last = now
        counted = min(passed, asked_s + _OWN_SLACK_S)
        self.now += counted
        return passed - counted


class Verdict(Enum):
    """What silence, or work that stands still, is taken for."""

    WELL = auto()
    SUSPECT = auto()
    FROZEN = auto()
    STUCK = auto()


@dataclass
class Vitals:
    """The signs of life of one process, in the time of an `Attention`. `limit_s` is what it may be silent for."""

    since: float
    limit_s: float
    suspect_s: float
    suspected: bool = False
    _queued: float = 0.0
    _new: bool = True

    def heard(self, now: float, limit_s: float) -> bool:
        """It has spoken; returns whether that clears a suspicion."""
        cleared = self.suspected
        self.since, self.limit_s, self.suspected, self._new = now, limit_s, False, False
        return cleared

    def judge(self, now: float, queued_s: Callable[[], float]) -> Verdict:
        """What to take its silence for; `queued_s` gives the seconds it has spent waiting for a processor, ever."""
        silent = now - self.since
        if silent <= min(self.suspect_s, self.limit_s):
            return Verdict.WELL
        if not self.suspected:
            # What it stood in the queue for since it was born is an excuse for never having spoken.
            self.suspected, self._queued = True, 0.0 if self._new else queued_s()
        if silent <= self.limit_s:
            return Verdict.SUSPECT
        excused = min(queued_s() - self._queued, _LONGEST_EXCUSE * self.limit_s)
        return Verdict.FROZEN if silent - excused > self.limit_s else Verdict.SUSPECT


def queued_s(pid: int) -> float:
    """Seconds in all that the thread of `pid` which waited most for a processor has waited; 0 if it is gone."""
    longest = 0
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                longest = max(longest, int((task / "schedstat").read_text().split()[1]))
    return longest / 1e9
