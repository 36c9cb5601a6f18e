"""How a scheme's speed, traffic and memory grow with the fleet: a few rounds with more and more robots."""

import tempfile
from pathlib import Path
from typing import Any

from fleet.control.status import Status
from fleet.core.config import Config
from fleet.core.errors import FleetError
from fleet.study.bench.trained import Watch
from fleet.study.compare.cell import Cell, OnProgress, Terms, figures
from fleet.study.compare.schemes import find_scheme, task_config, tuned_settings
from fleet.study.run import run

ROUNDS = 8


def scaled_config(cell: Cell, terms: Terms, robots: int) -> Config:
    """The task with so many robots. Raises BadInput if they don't fit it or the scheme."""
    scheme = find_scheme(cell.scheme)
    extra = (f"world.robots={robots}", f"run.rounds={ROUNDS}", "eval.every=0", f"run.seed={cell.seed + 1}")
    return task_config(cell.task, scheme, extra, tuned_settings(terms.settings, scheme))


def do_scaled(cell: Cell, terms: Terms, robots: int, on_progress: OnProgress) -> dict[str, Any]:
    """Speed, traffic and memory over a few rounds. Raises as `do_cell`."""
    config = scaled_config(cell, terms, robots)
    watch = Watch(first=1, last=ROUNDS)

    def look(status: Status) -> None:
        watch.look(status)
        on_progress(f"training {robots} robots", status.round / status.rounds)

    with tempfile.TemporaryDirectory(prefix="fleet-compare-") as folder:
        finished = run(config, Path(folder) / "run", on_status=look)
        if finished.outcome.kind == "interrupted":
            raise KeyboardInterrupt
        if finished.outcome.kind == "failed":
            raise FleetError(finished.outcome.reason)
        found = figures(config, finished.path)
    kept = {name: found[name] for name in ("agent_steps", "speed", "traffic")}
    return {**kept, "robots": robots, "memory_bytes": watch.memory}
