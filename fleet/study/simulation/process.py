"""What any simulated process can suffer: it ends, it is frozen and thaws. Its own actions stand still meanwhile."""

from collections import deque
from collections.abc import Callable

from fleet.core.errors import FleetError
from fleet.study.simulation.clock import Act, Clock


class KilledError(FleetError):
    """Raised inside a simulated process's own work, where a SIGKILL strikes in the middle of it."""


class Process:
    """One process. Whatever it does goes through `later` or `now`, so that the dead and the frozen do nothing."""

    def __init__(self, clock: Clock, name: str, pid: int, ended: Callable[["Process", int], None]) -> None:
        self.clock, self.name, self.pid = clock, name, pid
        self.alive, self.frozen = True, False
        self.barred = False
        """It can write to no file."""
        self._ended = ended
        self._missed: deque[Act] = deque()

    def later(self, delay_s: float, act: Act) -> None:
        """Have it do `act` after `delay_s`, if it still lives then; when frozen, as soon as it thaws."""
        self.clock.after(delay_s, lambda: self.now(act))

    def now(self, act: Act) -> None:
        """Have it do `act` at once."""
        if not self.alive:
            return
        if self.frozen:
            self._missed.append(act)
            return
        try:
            act()
        except KilledError:
            self.end(-9)

    def end(self, status: int) -> None:
        """It is gone, with that exit status (negative: the signal that ended it)."""
        if self.alive:
            self.alive = False
            self._missed.clear()
            self._ended(self, status)

    def freeze(self) -> None:
        """SIGSTOP."""
        self.frozen = self.alive

    def thaw(self) -> None:
        """SIGCONT: what came in meanwhile is done now, in its order."""
        self.frozen = False
        while self._missed and self.alive and not self.frozen:
            self.now(self._missed.popleft())
