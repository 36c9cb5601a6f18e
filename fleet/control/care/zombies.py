"""Learners that were stopped and taken for dead, and run on for a moment beside their replacement: to be fenced.

Started from `Care`; each goes by its name and incarnation, as in "learner-3~0", and is always ended.
"""

import math
import signal
from dataclasses import dataclass

from fleet.control.care.child import Child
from fleet.control.care.record import Record
from fleet.control.process.processes import Ended, Processes


@dataclass
class _Zombie:
    child: Child
    end: float | None = None


class Zombies:
    """`life_s`: how long one runs on. Times are monotonic seconds."""

    def __init__(self, processes: Processes, record: Record, life_s: float) -> None:
        self._processes, self._record, self._life_s = processes, record, life_s
        self._zombies: dict[str, _Zombie] = {}

    def set_aside(self, child: Child) -> None:
        """Its name is free for a replacement from now on; it stays stopped until that is online."""
        name = f"{child.name}~{child.incarnation}"
        self._processes.bar_from_files(child.name)  # its checkpoints would pass for its replacement's
        self._processes.rename(child.name, name)
        self._zombies[name] = _Zombie(child)
        self._record.event("set_aside", name, pid=child.pid, **self._record.injured(child))

    def wake(self, child: Child, now: float) -> None:
        """Its replacement is online: it runs on."""
        for name, zombie in self._zombies.items():
            if zombie.child is child and zombie.end is None:
                zombie.end = now + self._life_s
                self._processes.signal(name, signal.SIGCONT)
                self._record.event("woken", name)

    def dues(self) -> list[float]:
        """When the time of each that runs on is over."""
        return [zombie.end for zombie in self._zombies.values() if zombie.end not in (None, math.inf)]

    def act(self, now: float) -> None:
        """End those whose time is over."""
        for name, zombie in self._zombies.items():
            if zombie.end is not None and now >= zombie.end:
                self._processes.signal(name, signal.SIGKILL)
                zombie.end = math.inf

    def ended(self, happening: Ended) -> bool:
        """Whether it was one of these whose process is gone."""
        if self._zombies.pop(happening.name, None) is None:
            return False
        self._record.event("exit", happening.name, pid=happening.pid, status=happening.status)
        return True
