"""The degradation curve as a picture: from `degrade.Degradation` to a PNG."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fleet.study.degrade.degrade import Degradation, Point

_COLOURS = {"stalled": "#e45756", "towed": "#4c78a8"}
_WORDS = {"stalled": "stalled: an obstacle where it stood", "towed": "towed: off the floor"}
_LINE = "#555555"


def plot(curve: Degradation, out: Path) -> None:
    """Write `curve` to `out`, a PNG: each body with its 95% band, and the straight line (n - k) / n. Raises OSError."""
    figure = Figure(figsize=(8, 4.6), dpi=120, layout="constrained")
    axes = figure.subplots()
    bodies = list(dict.fromkeys(point.body for point in curve.points))
    first = [point for point in curve.points if point.body == bodies[0]]
    axes.plot(*_straight(curve, first), color=_LINE, ls="--", lw=1.2, label="straight line: (n - k) / n")
    for body in bodies:
        _draw(axes, body, [point for point in curve.points if point.body == body])
    title = f"What {curve.robots} trained robots deliver with some of them offline"
    how = f"mean and 95% bootstrap band over {curve.seeds} seeds, each {curve.episodes} episodes of {curve.steps} steps"
    axes.set_title(how, loc="left", fontsize=9, color=_LINE)
    axes.annotate(title, (0, 1), xytext=(0, 22), xycoords="axes fraction", textcoords="offset points", fontsize=12)
    axes.set_xlabel("robots offline from the first step")
    axes.set_ylabel("deliveries per robot of the fleet\nper 1,000 steps")
    axes.set_xlim(0, max(1, max(point.offline for point in curve.points)))
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower left", frameon=False)
    figure.savefig(out, metadata={"Software": None})


def _straight(curve: Degradation, points: list[Point]) -> tuple[list[int], list[float]]:
    most = max(point.offline for point in points)
    none_off = points[0].straight
    return [0, most], [none_off, none_off * (curve.robots - most) / curve.robots]


def _draw(axes: Axes, body: str, points: list[Point]) -> None:
    counts = [point.offline for point in points]
    low, high = [point.throughput.low for point in points], [point.throughput.high for point in points]
    colour = _COLOURS[body]
    axes.fill_between(counts, low, high, color=colour, alpha=0.2, lw=0)
    means = [point.throughput.mean for point in points]
    axes.plot(counts, means, color=colour, marker="o", ms=4, clip_on=False, label=_WORDS[body])
