"""The comparison as pictures: deliveries over agent-steps and over wall time, and what grows with the fleet."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fleet.core.config.world import Measure
from fleet.study.compare.compare import Done
from fleet.study.compare.interval import spread
from fleet.study.compare.measure import DELIVERIES, SERIES, WORDS
from fleet.study.compare.schemes import SCHEMES

_HUES = ("#4c78a8", "#72b7b2", "#54a24b", "#e45756", "#b279a2", "#9d755d", "#f58518")
COLOURS = dict(zip((scheme.name for scheme in SCHEMES.values() if scheme.trained), _HUES, strict=True))
_FLAT = {"greedy": "--", "pibt": "-.", "random": ":"}
_GREY = "#555555"
_AXES = {"agent_steps": ("million agent-steps", 1e6), "wall_s": ("minutes of training", 60.0)}
Found = Mapping[str, Any]
F64 = npt.NDArray[np.float64]

_SCALE: Mapping[str, Callable[[Found], float | None]] = {
    "agent-steps/s": lambda found: found["speed"]["overall_per_s"],
    "bytes per agent-step\ninto the busiest process": lambda found: (found["traffic"] or {}).get("busiest"),
    "memory, GB": lambda found: found["memory_bytes"] / 1e9,
}


def plot_training(done: Done, task: str, out: Path) -> None:
    """Write what each scheme delivered on `task` while it was trained to `out`, a PNG. Raises OSError.

    Of a task without deliveries it is the return of an episode.
    """
    results = _by_scheme(done, task)
    measure: Measure = next(
        (found["measure"] for each in results.values() for found in each if "measure" in found), DELIVERIES
    )
    figure = Figure(figsize=(11, 4.6), dpi=120, layout="constrained")
    for axes, (axis, (label, unit)) in zip(figure.subplots(1, 2, sharey=True), _AXES.items(), strict=True):
        for scheme, each in results.items():
            trained = [found["curve"] for found in each if "curve" in found]
            if trained:
                _draw_curve(axes, scheme, trained, axis, unit, measure)
            else:
                _draw_flat(axes, scheme, each, measure)
        axes.set_xlabel(label)
        _tidy(axes)
    first = figure.axes[0]
    first.set_ylabel(WORDS[measure])
    _name(first)
    figure.suptitle(f"{Path(task).stem}: mean over seeds, and the 95% bootstrap interval of the mean", fontsize=11)
    figure.savefig(out, metadata={"Software": None})


def plot_scale(done: Done, out: Path) -> None:
    """Write how speed, traffic and memory grow with the fleet to `out`, a PNG. Raises OSError."""
    figure = Figure(figsize=(11, 3.8), dpi=120, layout="constrained")
    points: dict[str, list[Found]] = {}
    for (part, _, scheme, _), found in done.items():
        if part == "scale" and found["status"] == "done":
            points.setdefault(scheme, []).append(found)
    sizes = sorted({found["robots"] for results in points.values() for found in results})
    for axes, (label, value) in zip(figure.subplots(1, 3), _SCALE.items(), strict=True):
        for scheme, results in points.items():
            known = sorted((found["robots"], value(found)) for found in results if value(found) is not None)
            if known:
                axes.plot(*zip(*known, strict=True), color=COLOURS[scheme], marker="o", ms=4, label=scheme)
        axes.set_xscale("log")
        axes.set_xticks(sizes, labels=[str(robots) for robots in sizes])
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
        axes.set_xlabel("robots")
        axes.set_ylabel(label)
        _tidy(axes)
    _name(figure.axes[0])
    figure.savefig(out, metadata={"Software": None})


def _by_scheme(done: Done, task: str) -> dict[str, list[Found]]:
    results: dict[str, list[Found]] = {}
    for (part, of, scheme, _), found in done.items():
        if part == "train" and of == task and found["status"] == "done":
            results.setdefault(scheme, []).append(found)
    return results


def draw_seeds(axes: Axes, at: F64, seeds: F64, colour: str, label: str) -> None:
    """The mean of `seeds` (S, P) over the points `at` (P,), and the 95% bootstrap interval if there are two or more."""
    known = [each for each in map(spread, seeds.T) if each is not None]
    axes.plot(at, [each.mean for each in known], color=colour, lw=1.5, label=label)
    if len(seeds) > 1:
        low, high = [each.low or 0.0 for each in known], [each.high or 0.0 for each in known]
        axes.fill_between(at, low, high, color=colour, alpha=0.2, lw=0)


def _draw_curve(axes: Axes, scheme: str, curves: Sequence[Found], axis: str, unit: float, measure: Measure) -> None:
    """All seeds on the points that the shortest of them has."""
    last = min(curve[axis][-1] for curve in curves)
    at = np.linspace(last / 100, last, 100)
    seeds = np.array([np.interp(at, curve[axis], curve[SERIES[measure]]) for curve in curves])
    draw_seeds(axes, at / unit, seeds, COLOURS[scheme], scheme)


def _draw_flat(axes: Axes, scheme: str, results: Sequence[Found], measure: Measure) -> None:
    found = spread([result["evaluation"][measure] for result in results])
    if found is not None:
        if found.low is not None and found.high is not None:
            axes.axhspan(found.low, found.high, color=_GREY, alpha=0.12, lw=0)
        axes.axhline(found.mean, color=_GREY, ls=_FLAT.get(scheme, "-"), lw=1.2, label=scheme)


def _name(axes: Axes) -> None:
    """A legend, if anything was drawn: all of it may have failed."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8)


def _tidy(axes: Axes) -> None:
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
