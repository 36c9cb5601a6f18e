"""What `fleet run` shows while it runs: a progress bar and a live table on a terminal, plain lines otherwise.

Fed with the supervisor's `Status` a few times a second.
"""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from fleet.commands.screen import delivered, duration, number, size
from fleet.control.status import Status


class Display(Protocol):
    """A context in which statuses are shown."""

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the terminal back."""
        ...

    def show(self, status: Status) -> None:
        """Show the newest status."""
        ...


def make_display(compiles: bool = False) -> Display:
    """The one that fits stdout. `compiles` says that this start has to compile the world first."""
    return LiveDisplay(compiles) if sys.stdout.isatty() else PlainDisplay(compiles)


def phase_words(status: Status, compiles: bool) -> str:
    """What the run is at, in words."""
    if compiles and status.phase == "starting":
        return "starting (a first start compiles world and learners, about a minute)"
    return status.phase


def figures(status: Status) -> list[tuple[str, str]]:
    """The live table's rows: what it is, and how much."""
    return [
        ("agent-steps", number(status.agent_steps)),
        ("agent-steps/s", number(status.agent_steps_per_s, 0)),
        *delivered(status.agent_steps, status.deliveries_per_1000),
        ("episode return", number(status.episode_return)),
        ("robots online", f"{status.online} of {status.robots}"),
        *([("of these frozen", number(len(status.frozen)))] if status.frozen else []),
        ("policy lag", number(status.policy_lag)),
        ("restarts", number(status.restarts)),
        ("memory", size(status.memory_bytes)),
    ]


class PlainDisplay:
    """A line when the phase changes, else one every few seconds in which a round was done."""

    def __init__(
        self, compiles: bool = False, every_s: float = 5.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._compiles, self._every_s, self._clock = compiles, every_s, clock
        self._printed = -every_s
        self._last: tuple[str, int] = ("", -1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show(self, status: Status) -> None:
        """Print a line if one is due."""
        now = self._clock()
        phase, round_ = self._last
        due = status.round != round_ and now - self._printed >= self._every_s
        if status.phase == phase and not due:
            return
        self._printed, self._last = now, (status.phase, status.round)
        print(line(status, self._compiles), flush=True)


def line(status: Status, compiles: bool = False) -> str:
    """One status as one line."""
    if not status.agent_steps:
        return phase_words(status, compiles)
    told = "".join(f"{rate} {what}, " for what, rate in delivered(status.agent_steps, status.deliveries_per_1000))
    return (
        f"{status.phase}: round {status.round}/{status.rounds}, {number(status.agent_steps_per_s, 0)} agent-steps/s, "
        f"{told}return {number(status.episode_return)}, {status.online} of {status.robots} robots online, "
        f"lag {number(status.policy_lag)}, {size(status.memory_bytes)}, {duration(status.eta_s)} left"
    )


class LiveDisplay:
    """A bar with the time left over a table of figures, redrawn in place."""

    def __init__(self, compiles: bool = False) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.progress import BarColumn, Progress, TextColumn

        # The bar's own estimate would start from nothing in a resumed run; the status has the right one.
        self._progress = Progress(
            TextColumn("{task.fields[phase]}"),
            BarColumn(),
            TextColumn("round {task.completed}/{task.total}"),
            TextColumn("{task.fields[left]} left"),
        )
        self._compiles = compiles
        self._task = self._progress.add_task("run", total=None, phase="starting", left="-")
        self._live = Live(self._progress, console=Console(), refresh_per_second=4)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, status: Status) -> None:
        """Redraw."""
        from rich.console import Group
        from rich.table import Table

        phase, left = phase_words(status, self._compiles), duration(status.eta_s)
        self._progress.update(self._task, total=status.rounds, completed=status.round, phase=phase, left=left)
        table = Table.grid(padding=(0, 2))
        for name, value in figures(status):
            table.add_row(name, value)
        self._live.update(Group(self._progress, table))
