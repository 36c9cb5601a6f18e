"""What a benchmark gives: rows of figures, each against what it is compared with, measured in the same run."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from fleet.core.errors import BadInput

BENCHMARKS = {
    "world": "the warehouse kernel against PyPI rware",
    "planners": "how long the planners think about a step",
    "start": "forty learners from nothing to ready",
    "wire": "rollouts through sockets against a plain copy",
    "faults": "how fast faults are noticed and mended, and what they cost",
    "train": "training warehouse40, and where the time goes",
    "scale": "what a robot costs, from ten to a thousand",
    "peers": "RLlib and BenchMARL training with the same network and batches, beside ours",
}


@dataclass(frozen=True)
class Row:
    """One figure. `against` names what it is compared with and `ratio` is this over that; None where there is none."""

    name: str
    value: float
    unit: str
    against: str | None = None
    ratio: float | None = None


@dataclass(frozen=True)
class Measured:
    """A benchmark's figures and, in a sentence or two, how they were measured."""

    how: str
    rows: Sequence[Row]


def measure(name: str, **options: Any) -> Measured:
    """Run one benchmark (`fleet.study.bench.NAME.measure`). Raises BadInput if there is none of that name."""
    if name not in BENCHMARKS:
        raise BadInput(f"no benchmark {name!r}; there are {', '.join(BENCHMARKS)}")
    measured: Measured = import_module(f"fleet.study.bench.{name}").measure(**options)
    return measured
