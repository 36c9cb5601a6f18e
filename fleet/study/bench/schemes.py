"""The same training otherwise put into processes, for `fleet bench train`: packed, all in one, and through autograd.

Everything in one process has one core's work to itself, so it is compared by processor time; the others by their rate.
"""

import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from fleet.core.errors import FleetError
from fleet.core.jsonl import read_jsonl
from fleet.core.platform import usable_cores
from fleet.study.bench.bench import Row
from fleet.study.bench.sgemm import ONE_THREAD
from fleet.study.bench.trained import Trained, train


def schemes(config: str, overrides: Sequence[str], trained: Trained, *, rounds: int, dropped: int) -> list[Row]:
    """Rows of the other schemes, each against `trained`, a process per robot. Raises FleetError if a run fails."""
    each = -(-len(trained.robots) // usable_cores())
    packed = train(config, [*overrides, f"learners.per_process={each}"], rounds=rounds, dropped=dropped)
    autograd = train(config, [*overrides, "learner.update=autograd"], rounds=rounds, dropped=dropped)
    alone = 1e6 / alone_rate(config, overrides, rounds=rounds, dropped=dropped)
    against, all_in_one = "one process per robot", f"all in one process: {alone:.2f} us/agent-step"
    spent = {"train_processor_time": trained.cpu_us, "train_processor_time_packed": packed.cpu_us}
    known = {name: cpu_us for name, cpu_us in spent.items() if math.isfinite(cpu_us)}  # a short run is not looked at
    return [
        Row("train_packed", packed.rate, "agent-steps/s", against, packed.rate / trained.rate),
        Row("train_autograd", autograd.rate, "agent-steps/s", against, autograd.rate / trained.rate),
        *(Row(name, cpu_us, "us/agent-step", all_in_one, cpu_us / alone) for name, cpu_us in known.items()),
    ]


def alone_rate(config: str, overrides: Sequence[str], *, rounds: int, dropped: int) -> float:
    """Trained agent-steps per second of the median round with everything in one process, of one thread."""
    with tempfile.TemporaryDirectory(prefix="fleet-bench-") as folder:
        out = Path(folder) / "run"
        sets = [part for override in overrides for part in ("--set", override)]
        command = ["run", config, "--single-process", "--out", str(out), "--rounds", str(dropped + rounds), *sets]
        path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
        done = subprocess.run(
            [sys.executable, "-P", "-m", "fleet.commands.main", *command],
            env={**os.environ, **ONE_THREAD, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise FleetError(f"the run in one process ended with status {done.returncode}: {done.stderr[-500:]}")
        lines = read_jsonl(out / "metrics.jsonl")[dropped:]
    return float(statistics.median(line["trained_per_s"] for line in lines))
