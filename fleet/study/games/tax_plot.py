"""The tax study as a picture: what small steps slow down, and what they cost."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fleet.study.compare.interval import Spread
from fleet.study.games.tax_study import Point, Study

_LIVE, _FROZEN, _GREY = "#e45756", "#4c78a8", "#555555"
_LINES: tuple[tuple[str, str, Callable[[Point], Spread], str], ...] = (
    ("drift of an update, by how far it may go", "mean KL, nats", lambda point: point.divergence, _GREY),
    ("return per step in training", "against a live other", lambda point: point.training.live, _LIVE),
    ("return per step in training", "against a frozen other", lambda point: point.training.frozen, _FROZEN),
    ("behind the best response", "to a live other", lambda point: point.behind.live, _LIVE),
    ("behind the best response", "to a frozen other", lambda point: point.behind.frozen, _FROZEN),
)
"""By panel: its title, a line's label, its values and its colour."""


def plot_tax(study: Study, out: Path) -> None:
    """Write `study` to `out`, a PNG: drift, returns and what is missed by clip range, with 95% intervals over seeds."""
    figure = Figure(figsize=(12, 4.2), dpi=110, layout="constrained")
    titles = list(dict.fromkeys(title for title, *_ in _LINES))
    panels = dict(zip(titles, figure.subplots(1, len(titles)), strict=True))
    for title, label, value, colour in _LINES:
        _draw(panels[title], study, label, value, colour)
    for title, axes in panels.items():
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xscale("log", base=2)
        axes.set_xticks(study.terms.clips, [f"{clip:g}" for clip in study.terms.clips])
        axes.set_xlabel("PPO's clip range")
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
    panels[titles[0]].set_yscale("log")
    figure.suptitle(f"{study.game}: {study.terms.seeds} seeds, {study.agent_steps:,} agent-steps each", fontsize=11)
    figure.savefig(out, metadata={"Software": None})


def _draw(axes: Axes, study: Study, label: str, value: Callable[[Point], Spread], colour: str) -> None:
    clips, spreads = [point.clip for point in study.points], [value(point) for point in study.points]
    axes.plot(clips, [spread.mean for spread in spreads], color=colour, marker="o", ms=4, label=label)
    if study.terms.seeds > 1:
        low, high = ([getattr(spread, bound) for spread in spreads] for bound in ("low", "high"))
        axes.fill_between(clips, low, high, color=colour, alpha=0.2, lw=0)
