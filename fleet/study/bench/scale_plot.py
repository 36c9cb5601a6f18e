"""The growth of time and memory with the fleet as a picture: from the rows of `fleet bench scale` to a PNG."""

import re
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, ScalarFormatter

from fleet.study.bench.bench import Row

_NAME = re.compile(r"(scale|scale_packed)_([0-9]+)_([a-z]+)")
_COLOURS = {"scale": "#4c78a8", "scale_packed": "#e45756"}
_WORDS = {"scale": "a process per robot", "scale_packed": "packed"}
_PANELS = (("cpu", "processor time, microseconds\nper trained agent-step"), ("memory", "memory in all,\nMB per robot"))
_GREY = "#555555"


def plot(rows: Sequence[Row], out: Path) -> None:
    """Write the rows' processor time and memory against the number of robots to `out`, a PNG. Raises OSError."""
    figure = Figure(figsize=(9, 4), dpi=120, layout="constrained")
    for axes, (what, label) in zip(figure.subplots(1, len(_PANELS)), _PANELS, strict=True):
        for block in _COLOURS:
            _draw(axes, block, rows, what)
        axes.set_ylabel(label)
        axes.set_xlabel("robots")
        axes.set_xscale("log")
        axes.set_xticks(sorted({count for block in _COLOURS for count in points(rows, block, what)}))
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=9)
    figure.suptitle("What a robot costs in fleets of different size", fontsize=12)
    figure.savefig(out, metadata={"Software": None})


def points(rows: Sequence[Row], block: str, what: str) -> dict[int, float]:
    """Robots and figure of each row of that block that is about `what`."""
    found = ((_NAME.fullmatch(row.name), row.value) for row in rows)
    return {int(match[2]): value for match, value in found if match and (match[1], match[3]) == (block, what)}


def _draw(axes: Axes, block: str, rows: Sequence[Row], what: str) -> None:
    found = points(rows, block, what)
    if not found:
        return
    axes.plot(list(found), list(found.values()), color=_COLOURS[block], marker="o", ms=4, label=_WORDS[block])
    axes.axhline(next(iter(found.values())), color=_GREY, ls=":", lw=1)
