"""A supervised training run in a temporary folder, for benchmarks: its rounds, memory and processor time.

Rates and the server's time come from the run's metrics.jsonl, processor time from the heartbeats, memory from the
kernel.
"""

import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleet.control.status import Status
from fleet.core.config import Config
from fleet.core.config.load import load_config
from fleet.core.errors import FleetError
from fleet.core.jsonl import read_jsonl
from fleet.core.platform import total_memory
from fleet.study.prepare import prepare
from fleet.study.run import run


@dataclass(frozen=True)
class Trained:
    """A run's measured rounds (`lines` of metrics.jsonl), its peak memory in bytes, and processor time used meanwhile.

    `busy` is the seconds of processor time of each process over `busy_s` seconds.
    """

    config: Config
    lines: Sequence[Mapping[str, Any]]
    memory: int
    samples: int
    busy: Mapping[str, float]
    busy_s: float

    @property
    def rate(self) -> float:
        """Trained agent-steps per second of the median round."""
        return float(statistics.median(line["trained_per_s"] for line in self.lines))

    @property
    def overall(self) -> float:
        """Trained agent-steps per second of all rounds together."""
        return float(sum(line["trained_per_s"] * line["wall_s"] for line in self.lines)) / self.total("wall_s")

    @property
    def round_s(self) -> float:
        """Seconds of the median round."""
        return float(statistics.median(line["wall_s"] for line in self.lines))

    @property
    def robots(self) -> range:
        """The fleet's robots."""
        assert self.config.world.robots is not None
        return range(self.config.world.robots)

    @property
    def cpu_us(self) -> float:
        """Processor time of server and learners per trained agent-step, microseconds; NaN if not looked at."""
        if not self.busy_s:
            return math.nan
        return 1e6 * sum(self.busy.values()) / self.busy_s / self.overall

    def total(self, name: str) -> float:
        """A figure's sum over the rounds."""
        return float(sum(line.get(name, 0.0) for line in self.lines))

    def mean(self, name: str) -> float:
        """A figure's mean over the rounds."""
        return self.total(name) / len(self.lines)


def train(
    config: str,
    overrides: Sequence[str] = (),
    *,
    rounds: int,
    dropped: int = 3,
    on_status: Callable[[Status], None] = lambda _: None,
) -> Trained:
    """Train `config` for `dropped` rounds, then `rounds` measured ones, then a last one, in a folder that is removed.

    The last round is left out because the server then waits for all that is outstanding. `on_status` is called a few
    times a second. Raises FleetError if the run doesn't come to its end.
    """
    settings = load_config(config, [*overrides, f"run.rounds={dropped + rounds + 1}"])
    watch = Watch(first=dropped, last=dropped + rounds)

    def look(status: Status) -> None:
        watch.look(status)
        on_status(status)

    with tempfile.TemporaryDirectory(prefix="fleet-bench-") as folder:
        finished = run(settings, Path(folder) / "run", on_status=look)
        if finished.outcome.kind == "interrupted":
            raise KeyboardInterrupt
        if finished.outcome.kind != "done":
            raise FleetError(f"the run {finished.outcome.kind}: {finished.outcome.reason}")
        lines = read_jsonl(finished.path / "metrics.jsonl")[dropped : dropped + rounds]
    busy, busy_s = watch.busy()
    return Trained(prepare(settings), lines, watch.memory, watch.samples, busy, busy_s)


@dataclass
class Watch:
    """Looks at a run while it runs: memory now and then, and processor time between rounds `first` and `last`.

    Looking at the memory of forty processes costs tens of milliseconds, so it is done every `every_s` seconds.
    """

    first: int
    last: int
    every_s: float = 5.0
    clock: Callable[[], float] = time.monotonic
    memory: int = 0
    samples: int = 0
    _due: float = -math.inf
    _round: int = 0
    _beats: list[tuple[float, dict[str, float]]] = field(default_factory=list)

    def look(self, status: Status) -> None:
        """Called by the supervisor a few times a second."""
        now = self.clock()
        pids = [process.pid for process in status.processes if process.pid is not None]
        new_round, self._round = status.round != self._round, status.round
        if pids and (now >= self._due or (new_round and status.round in (self.first, self.last))):
            self._due = now + self.every_s
            self.memory = max(self.memory, total_memory([os.getpid(), *pids]))
            self.samples += 1
        if self.first <= status.round <= self.last:
            self._beats.append((now, {process.name: process.busy_s for process in status.processes}))

    def busy(self) -> tuple[dict[str, float], float]:
        """Each process's processor seconds between the first and the last look, and the seconds between the two."""
        if len(self._beats) < 2:
            return {}, 0.0
        (began, before), (ended, after) = self._beats[0], self._beats[-1]
        return {name: max(0.0, after[name] - before.get(name, 0.0)) for name in after}, ended - began
