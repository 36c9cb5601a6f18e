"""`fleet bench scale`: what one more robot costs, from ten to a thousand: time, memory, and the wait at the start.

Each fleet is a supervised run of warehouse1000 with fewer robots and stations on a smaller floor: as many cells per
robot, and the same rollouts. Once with a process per robot and, where the config has it, once with packed learners.
"""

import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from fleet.control.status import Status
from fleet.core.config import Config
from fleet.core.config.load import load_config
from fleet.core.errors import FleetError
from fleet.core.jsonl import read_jsonl
from fleet.core.platform import memory
from fleet.study.bench.bench import Measured, Row
from fleet.study.run import run

COUNTS = (10, 40, 100, 200, 400, 1000)
PER_PROCESS = 50
CELLS = 30  # of the floor for each robot, as warehouse1000 has
_BLOCK = 9  # rows of a shelf block with its aisle, and how many times as many columns as rows of blocks
ENOUGH = 600  # robots x rounds
_DROPPED, _LEAST = 2, 3  # rounds left out, and rounds measured at least


@dataclass(frozen=True)
class Scaled:
    """One fleet: microseconds of wall and processor time for each trained agent-step; bytes; seconds to all ready.

    `learner`: private memory of the median learner's process; `memory`: of the whole run (PSS).
    """

    robots: int
    wall_us: float
    cpu_us: float
    learner: float
    memory: float
    ready_s: float


def measure(
    *,
    counts: Sequence[int] = COUNTS,
    overrides: Sequence[str] = (),
    per_process: int = PER_PROCESS,
    enough: int = ENOUGH,
) -> Measured:
    """Rows `scale_N_...` for N robots, then `scale_packed_N_...`, each against the smallest fleet of its block.

    A fleet is measured for as many rounds as make robots x rounds `enough`, but for three at least.
    Raises BadInput if a fleet doesn't fit, FleetError if a run fails.
    """
    blocks = {"scale": [scale(count, overrides, enough) for count in counts]}
    if "learners" in Config.model_fields:
        packed = [*overrides, f"learners.per_process={per_process}"]
        blocks["scale_packed"] = [scale(count, packed, enough) for count in counts]
    rows = [row for name, fleets in blocks.items() for fleet in fleets for row in _rows(name, fleet, fleets[0])]
    how = (
        f"Supervised runs of warehouse1000 (8 copies, rollouts of 32 steps) with {CELLS} cells and half a station per "
        f"robot, over at least {_LEAST} rounds after the first {_DROPPED}. Processor time is that of all processes. "
        "Memory is at the end: the median learner's private one, and everybody's (PSS) per robot. Ready: "
        "until each learner's first policy is in use. Wanted: within 20% to 200 robots."
    )
    return Measured(how, rows)


def floor_of(robots: int) -> list[str]:
    """Overrides that give that many robots their floor: about three times as wide as high."""
    rows = max(1, round(math.sqrt(CELLS * robots / (3 * _BLOCK * _BLOCK))))
    columns = max(1, math.ceil((CELLS * robots / (_BLOCK * rows + 2) - 1) / 3)) // 2 * 2 + 1
    sizes = {"shelf_rows": rows, "shelf_columns": columns, "robots": robots, "stations": max(1, robots // 2)}
    return [f"world.{key}={value}" for key, value in sizes.items()]


def scale(robots: int, overrides: Sequence[str] = (), enough: int = ENOUGH) -> Scaled:
    """Train a fleet of that many for a few rounds, in a folder that is removed. Raises FleetError if the run ends."""
    last = _DROPPED + max(_LEAST, enough // robots)
    settings = load_config("warehouse1000", [*floor_of(robots), *overrides])
    watch = Watch(last)
    with tempfile.TemporaryDirectory(prefix="fleet-bench-") as folder:
        out = Path(folder) / "run"
        try:
            finished = run(settings, out, on_status=watch.look)
        except Enough:
            lines, events = read_jsonl(out / "metrics.jsonl"), read_jsonl(out / "events.jsonl")
        else:
            if finished.outcome.kind == "interrupted":
                raise KeyboardInterrupt
            raise FleetError(f"the run {finished.outcome.kind} before it was measured: {finished.outcome.reason}")
    first, end = watch.looks[0], watch.looks[-1]
    between = lines[first.round : end.round]
    trained = sum(line["trained_per_s"] * line["wall_s"] for line in between)
    wall_us = sum(line["wall_s"] for line in between) / trained * 1e6
    # processor time is that between two looks, whose wall time is a little off that of the rounds
    cpu_us = (end.cpu_s - first.cpu_s) / (end.at - first.at) * wall_us
    return Scaled(robots, wall_us, cpu_us, watch.learner, watch.memory, _ready_s(events))


class Enough(Exception):  # noqa: N818 - nothing is wrong
    """A fleet has been measured. Raised through its supervisor, which leaves nothing running."""


@dataclass(frozen=True)
class Look:
    """The processor seconds of all processes at a moment, after so many rounds."""

    round: int
    at: float
    cpu_s: float


@dataclass
class Watch:
    """Looks at the processor time from the first measured round to `last`, or what it sees next, then at the memory."""

    last: int
    clock: Callable[[], float] = time.monotonic
    looks: list[Look] = field(default_factory=list)
    memory: int = 0
    learner: float = 0.0

    def look(self, status: Status) -> None:
        """Called by the supervisor now and then. Raises Enough once all is known."""
        seen = self.looks[-1].round if self.looks else _DROPPED - 1
        if self.memory or status.round <= seen:
            return
        pids = {process.name: process.pid for process in status.processes if process.pid is not None}
        self.looks.append(Look(status.round, self.clock(), time.process_time() + sum(map(_cpu_s, pids.values()))))
        if status.round >= self.last and len(self.looks) > 1:
            self._weigh(pids)
            raise Enough

    def _weigh(self, pids: Mapping[str, int]) -> None:
        found = {name: one for name, pid in {**pids, "supervisor": os.getpid()}.items() if (one := memory(pid))}
        self.learner = statistics.median(one.uss for name, one in found.items() if name.startswith("learner-"))
        self.memory = sum(one.pss for one in found.values())


def _cpu_s(pid: int) -> float:
    with suppress(psutil.NoSuchProcess):
        used = psutil.Process(pid).cpu_times()
        return float(used.user + used.system)
    return 0.0


def _ready_s(events: Sequence[Mapping[str, Any]]) -> float:
    """Seconds from the start to the last learner's first policy."""
    began = next(line["at"] for line in events if line["event"] == "start")
    return float(max(line["at"] for line in events if line["event"] == "online") - began)


def _rows(block: str, fleet: Scaled, least: Scaled) -> list[Row]:
    name = f"{block}_{fleet.robots}"
    robots, fewest = fleet.robots, least.robots

    def row(what: str, value: float, unit: str, other: float) -> Row:
        return Row(f"{name}_{what}", value, unit, f"{fewest} robots: {other:.1f}", value / other)

    return [
        row("wall", fleet.wall_us, "us/agent-step", least.wall_us),
        row("cpu", fleet.cpu_us, "us/agent-step", least.cpu_us),
        row("learner", fleet.learner / 1e6, "MB/process", least.learner / 1e6),
        row("memory", fleet.memory / robots / 1e6, "MB/robot", least.memory / fewest / 1e6),
        row("ready", fleet.ready_s, "s", least.ready_s),
    ]
