"""Minutes and agent-steps until runs deliver so much while training, with their 95% intervals; and their curves.

python scripts/time_to_quality.py RUN... --level 8 --level greedy=19
python scripts/time_to_quality.py --group before=RUN,RUN --group after=RUN,RUN --level 8 --plot curves.png

Deliveries are per robot per 1,000 steps, the mean over the last WINDOW rounds. Minutes are the rounds' wall time,
without the start. Rounds that metrics.jsonl no longer has, as it is thinned, are filled in between their neighbours.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt

from env_server.evaluate import half_width
from fleet.commands.screen import print_table
from fleet.core.errors import FleetError
from fleet.core.jsonl import read_jsonl
from fleet.core.rundir import RunDirectory

mpl.use("Agg")
from matplotlib import pyplot as plt

WINDOW = 5  # rounds
POINTS = 400  # of a plotted curve
COLOURS = ("#4c78a8", "#e45756", "#54a24b", "#b279a2", "#f58518")
F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """One run, from its round WINDOW on: minutes and agent-steps so far, and the mean of the last rounds, (R,) each."""

    name: str
    minutes: F64
    steps: F64
    deliveries: F64

    def passes(self, level: float) -> int | None:
        """The first place where deliveries are at least `level`."""
        reached = np.flatnonzero(self.deliveries >= level)
        return int(reached[0]) if reached.size else None


def read_curve(path: Path) -> Curve:
    """Raises BadInput if it is no run's folder, SystemExit if it has fewer rounds than WINDOW."""
    lines = {line["round"]: line for line in read_jsonl(RunDirectory.open(path).metrics)}  # a resumed run's last word
    known = np.array(sorted(lines), float)
    if not known.size or known[-1] < WINDOW:
        raise SystemExit(f"{path}: {known.size} rounds; at least {WINDOW} are needed")
    rounds = np.arange(1, known[-1] + 1)
    wall, steps, rate = (
        np.interp(rounds, known, [lines[number][key] for number in sorted(lines)])
        for key in ("wall_s", "agent_steps", "deliveries_per_1000")
    )
    smooth = np.convolve(rate, np.full(WINDOW, 1 / WINDOW), "valid")
    return Curve(path.name, np.cumsum(wall)[WINDOW - 1 :] / 60, steps[WINDOW - 1 :], smooth)


def interval(values: list[float]) -> str:
    """Mean and 95% interval by Student's t."""
    mean = f"{np.mean(values):.2f}"
    return f"{mean} +- {half_width(np.array(values)):.2f}" if len(values) > 1 else mean


def rows(group: str, curves: list[Curve], name: str, level: float) -> list[list[str]]:
    """A row per run, and one for all: without a mean if some never got there, since theirs would be the longest."""
    places = [curve.passes(level) for curve in curves]
    times = [
        None if at is None else (curve.minutes[at], curve.steps[at] / 1e6)
        for curve, at in zip(curves, places, strict=True)
    ]
    table = [
        [group, curve.name, name, *(("not reached", "-") if time is None else (f"{x:.2f}" for x in time))]
        for curve, time in zip(curves, times, strict=True)
    ]
    there = [time for time in times if time is not None]
    if len(there) == len(curves):
        table.append([group, "mean, 95%", name, *(interval(list(column)) for column in zip(*there, strict=True))])
    else:
        table.append([group, f"{len(there)} of {len(curves)} got there", name, "-", "-"])
    return table


def plot(groups: dict[str, list[Curve]], levels: dict[str, float], out: Path) -> None:
    """Each group's mean curve against agent-steps, as far as all its runs go, with its 95% interval."""
    figure, axes = plt.subplots(figsize=(8, 4.2), dpi=120, layout="constrained")
    for number, (name, curves) in enumerate(groups.items()):
        first, last = max(curve.steps[0] for curve in curves), min(curve.steps[-1] for curve in curves)
        steps = np.linspace(first, last, POINTS)
        runs = np.array([np.interp(steps, curve.steps, curve.deliveries) for curve in curves])
        colour, mean = COLOURS[number % len(COLOURS)], runs.mean(axis=0)
        if len(curves) > 1:
            half = np.array([half_width(column) for column in runs.T])
            axes.fill_between(steps / 1e6, mean - half, mean + half, color=colour, alpha=0.2, lw=0)
        axes.plot(steps / 1e6, mean, color=colour, label=f"{name}, {len(curves)} runs")
    for name, level in levels.items():
        axes.axhline(level, color="0.5", ls="--", lw=1)
        axes.annotate(name, (0, level), xytext=(4, 2), textcoords="offset points", color="0.4")
    axes.set_xlabel("million agent-steps")
    axes.set_ylabel("deliveries per robot per 1,000 steps")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", frameon=False, title="mean and 95% interval")
    figure.savefig(out, metadata={"Software": None})


def level(text: str) -> tuple[str, float]:
    """`8` or `greedy=19`."""
    name, _, value = text.rpartition("=")
    return name or value, float(value)


def group(text: str) -> tuple[str, list[Path]]:
    """`before=RUN,RUN`."""
    name, found, paths = text.partition("=")
    if not (name and found and paths):
        raise ValueError(text)
    return name, [Path(path) for path in paths.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="*", metavar="RUN")
    parser.add_argument("--group", type=group, action="append", default=[], metavar="NAME=RUN,RUN")
    parser.add_argument("--level", type=level, action="append", default=[], metavar="[NAME=]VALUE")
    parser.add_argument("--plot", type=Path, metavar="FILE")
    given = parser.parse_args()
    chosen = ([("runs", given.runs)] if given.runs else []) + given.group
    if not chosen:
        parser.error("name at least one run, or a --group of them")
    try:
        groups = {name: [read_curve(path) for path in paths] for name, paths in chosen}
    except FleetError as error:
        parser.error(str(error))
    levels = dict(given.level)
    header = ["group", "run", "level", "minutes", "million agent-steps"]
    print_table(
        [row for at in levels.items() for name, curves in groups.items() for row in rows(name, curves, *at)], header
    )
    if given.plot:
        plot(groups, levels, given.plot)


if __name__ == "__main__":
    main()
