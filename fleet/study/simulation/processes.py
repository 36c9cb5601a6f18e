"""What `Care` acts through, simulated: processes that are ordered, end and are killed, checkpoints, and the record."""

import signal
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, cast

from fleet.control.care.child import SERVER, Child
from fleet.control.care.comeback import choose
from fleet.control.care.record import Record
from fleet.control.care.starts import Starts
from fleet.control.process.processes import Ended, Happening, Processes, Started
from fleet.core.ledger_file import Ledger
from fleet.core.rundir import RunDirectory
from fleet.core.snapshots import Snapshot
from fleet.core.start import Origin
from fleet.study.simulation.clock import Clock
from fleet.study.simulation.learner import Checkpoints
from fleet.study.simulation.process import Process

RUN = "0123456789abcdef" * 2
_FIRST_PID = 2**22 + 1  # above any real one: the kernel's figures of a simulated process are of none


class SimulatedProcesses(Processes):
    """Processes in simulated time.

    `make` begins what a process does, `over` ends it, and `woken` is called when something has happened.
    """

    def __init__(
        self,
        clock: Clock,
        dice: Random,
        make: Callable[[Process, str], None],
        over: Callable[[Process], None],
        woken: Callable[[], None],
    ) -> None:
        self.running: dict[str, Process] = {}
        self._clock, self._dice, self._make, self._over, self._woken = clock, dice, make, over, woken
        self._ordered: dict[str, str] = {}
        self._happened: deque[Happening] = deque()
        self._next_pid = _FIRST_PID
        self._closed = False

    def start_server(self, start: str) -> int:
        """Begin a life of the server."""
        return self._begin(SERVER, start).pid

    def order_learner(self, name: str, start: str) -> None:
        """Have it forked in a moment."""
        self._ordered[name] = start
        self._clock.after(self._dice.uniform(0.01, 0.3), lambda: self._fork(name, start))

    def close_intake(self) -> None:
        """Nothing starts from now on."""
        self._closed = True
        self._ordered.clear()

    def signal(self, name: str, number: signal.Signals) -> bool:
        """SIGKILL, SIGSTOP or SIGCONT."""
        process = self.running.get(name)
        if process is None:
            return False
        if number is signal.SIGKILL:
            self._clock.after(0.0, lambda: process.end(-9))
        elif number is signal.SIGSTOP:
            process.freeze()
        else:
            process.thaw()
        return True

    def rename(self, name: str, other: str) -> None:
        """It goes by another name from now on."""
        process = self.running[other] = self.running.pop(name)
        process.name = other

    def bar_from_files(self, name: str) -> None:
        """It can save nothing any more."""
        self.running[name].barred = True

    def log(self, name: str) -> Path:
        """There is none."""
        return Path("/nowhere") / name

    def collect(self) -> list[Happening]:
        """All that has happened since the last call."""
        happened, self._happened = list(self._happened), deque()
        return happened

    def _fork(self, name: str, start: str) -> None:
        if self._ordered.get(name) == start and not self._closed:
            del self._ordered[name]
            process = self._begin(name, start)
            self._tell(Started(name, process.pid))

    def _begin(self, name: str, start: str) -> Process:
        process = Process(self._clock, name, self._next_pid, self._ended)
        self._next_pid += 1
        self.running[name] = process
        self._make(process, start)
        return process

    def _ended(self, process: Process, status: int) -> None:
        self._over(process)
        self._clock.after(self._dice.uniform(0.0, 0.05), lambda: self._notice(process, status))

    def _notice(self, process: Process, status: int) -> None:
        if self.running.get(process.name) is process:
            del self.running[process.name]
        self._tell(Ended(process.name, process.pid, status, self._clock.now))

    def _tell(self, happening: Happening) -> None:
        self._happened.append(happening)
        self._woken()


class SimulatedRecord(Record):
    """The record as a list of (simulated seconds, event, process, details)."""

    def __init__(self, clock: Clock, trace: Callable[[str, str], None]) -> None:
        self.events: list[tuple[float, str, str, Mapping[str, Any]]] = []
        self.counts: Counter[str] = Counter()
        self._clock, self._trace = clock, trace

    def since(self, moment: float) -> float:
        """Simulated time begins with the run."""
        return moment

    def event(self, name: str, process: str, **details: Any) -> None:
        """One line."""
        known = {key: value for key, value in details.items() if value is not None}
        self.counts[name] += 1
        self.events.append((self._clock.now, name, process, known))
        self._trace(process, f"{name} {known}")


@dataclass(frozen=True)
class Nowhere:
    """What stands for the run directory: there is none."""

    run: str = RUN
    path: Path = Path("/nowhere")

    def endpoint(self, link: str) -> str:
        """Nothing is bound there."""
        return f"ipc:///nowhere/{link}"


class SimulatedStarts(Starts):
    """Starts from checkpoints in memory; the world goes on from no snapshot. Made by `starts_of`."""

    stores: Mapping[int, Checkpoints]
    ledger: Ledger
    lives: Iterator[int]

    def again(self, child: Child) -> tuple[Origin, str | None, str]:
        """How it comes back."""
        assert child.learner is not None
        store, injury = self.stores[child.learner], child.injury
        if injury is not None and injury.damage is not None:
            store.damaged |= set(store.versions()[-1:])
            injury.damage = None
        found = choose(store, child)
        return ("fresh", None, found.note) if found.path is None else ("restart", str(found.path), found.note)

    def next_life(self, last: int) -> int:
        """The number of the server's next life."""
        return next(self.lives)

    def end_life(self, why: str, since: int) -> dict[int, int]:
        """Settle the ledger of a life that is over."""
        self.ledger.lost(self.ledger.outstanding(), why)
        return self.ledger.newest(since)

    def _newest_snapshot(self) -> tuple[Snapshot | None, str]:
        return None, ""


def starts_of(stores: Mapping[int, Checkpoints], ledger: Ledger) -> SimulatedStarts:
    """The starts of one simulated run."""
    starts = SimulatedStarts(cast(RunDirectory, Nowhere()), None, {}, 1)
    for name, value in {"stores": stores, "ledger": ledger, "lives": count(1)}.items():
        object.__setattr__(starts, name, value)  # the real one is frozen
    return starts
