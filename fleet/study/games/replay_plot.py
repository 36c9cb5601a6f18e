"""The replay study as a picture: rates by time, what memories hold of policies that are gone, and the duels."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fleet.study.games.replay_study import DUEL, GAME, Duel, ReplayStudy, ReplayTerms

_COLOURS = ("#4c78a8", "#72b7b2", "#f58518", "#e45756", "#b279a2", "#54a24b")
_GREY = "#555555"


def plot_replay(study: ReplayStudy, asked: ReplayTerms, out: Path) -> None:
    """Write the study to `out`, a PNG. Raises OSError."""
    figure = Figure(figsize=(13, 4.4), dpi=100, layout="constrained")
    rates, distances, duels = figure.subplots(1, 3, width_ratios=(1.25, 1.25, 1))
    _draw_rates(rates, study, asked)
    _draw_distances(distances, study)
    _draw_duels(duels, study.duels)
    for axes in (rates, distances, duels):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
    figure.savefig(out, metadata={"Software": None})


def _draw_rates(axes: Axes, study: ReplayStudy, asked: ReplayTerms) -> None:
    styles = [(f"memory of {learned.capacity:,}", "-") for learned in study.replayed]
    everyone = (*study.replayed, study.on_policy)
    labels = (*styles, ("on-policy actor-critic", "--"))
    colours = (*_cycle(len(study.replayed)), _GREY)
    for place, (learned, (label, dashes), colour) in enumerate(zip(everyone, labels, colours, strict=True)):
        axes.plot(study.times, learned.curve, color=colour, ls=dashes, lw=1.6, label=label)
        beside = study.times[-1] * 1.15 ** (place + 1)  # the intervals, one beside the other
        axes.plot([beside] * 2, [learned.optimal.low, learned.optimal.high], color=colour, lw=1.4, marker="_", ms=5)
    axes.set(xscale="log", xlabel="steps", ylabel="share of seeds", ylim=(0, None))
    axes.set_title(f"{GAME}: optimal policy, {asked.terms.seeds} seeds, 95% Wilson", loc="left", fontsize=10)
    axes.legend(frameon=False, fontsize=8, loc="upper left")


def _draw_distances(axes: Axes, study: ReplayStudy) -> None:
    for learned, colour in zip(study.replayed, _cycle(len(study.replayed)), strict=True):
        assert learned.gap is not None
        assert learned.stale is not None
        axes.plot(study.times, learned.gap, color=colour, lw=1.0, ls=":")
        axes.plot(study.times, learned.stale, color=colour, lw=1.6)
    axes.plot([], [], color=_GREY, lw=1.0, ls=":", label="with chance: what it did then")
    axes.plot([], [], color=_GREY, lw=1.6, label="stale: its policies then")
    axes.set(xscale="log", xlabel="steps", ylabel="total variation distance", ylim=(0, None))
    axes.set_title("the other in memory against the other now", loc="left", fontsize=10)
    axes.legend(frameon=False, fontsize=8, loc="upper right")


def _draw_duels(axes: Axes, duels: Sequence[Duel]) -> None:
    """A row for each pair; its interval is drawn where there is one."""
    for row, found in enumerate(duels):
        won = found.won
        axes.barh(row, won.mean, color=_COLOURS[0], height=0.55)
        if won.low is not None and won.high is not None:
            axes.plot([won.low, won.high], [row, row], color="black", lw=1.4)
    axes.set_yticks(range(len(duels)), [f"{duel.shorter:,} against {duel.longer:,}" for duel in duels], fontsize=8)
    axes.invert_yaxis()
    axes.axvline(0, color=_GREY, lw=0.8)
    axes.set_xlabel("paid a step to the shorter memory")
    axes.set_title(f"{DUEL}: memories against each other", loc="left", fontsize=10)


def _cycle(count: int) -> list[str]:
    return [_COLOURS[number % len(_COLOURS)] for number in range(count)]
