"""Games as pictures: learning paths over the basins of the mean dynamics, and the payoff study."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from env_server.games.payoffs import Game
from fleet.study.games.dynamics import push
from fleet.study.games.payoff_study import SLOWER, Point
from fleet.study.games.sweep import Terms, first_tables, foresee, reached
from learners.tabular.compiled import run

_COLOURS = ("#4c78a8", "#f58518", "#b279a2", "#54a24b")  # joint actions (0, 0), (0, 1), (1, 0), (1, 1)
_GREY = "#555555"
_GRID = 41
_SHOWN, _EPISODES = 2, 200  # paths of each end, and how much of them
_LEVEL = 0.5
F64 = npt.NDArray[np.float64]


def has_paths(game: Game) -> bool:
    """Whether the plane shows all of it: with two actions an agent's preference is one number."""
    return game.actions == 2


def plot_paths(game: Game, terms: Terms, out: Path) -> None:
    """Write basins, first tables and learning paths of a game with two actions to `out`, a PNG. Raises OSError.

    The axes are both agents' preferences Q_i(1) - Q_i(0).
    """
    figure = Figure(figsize=(11, 5.2), dpi=110, layout="constrained")
    near, far = figure.subplots(1, 2)
    ends = [2 * first + second for first, second in reached(game, terms)]
    _draw_basins(near, game, terms)
    first = _preference(first_tables(game, terms.seeds))
    near.scatter(*first.T, c=[_COLOURS[end] for end in ends], s=16, edgecolors="white", linewidths=0.5, zorder=3)
    near.set_title(f"where it begins: basins of the mean dynamics, {terms.seeds} seeds by their end", fontsize=9)
    far.set_title(f"where it goes: the first {_EPISODES} episodes; dashed: the mean dynamics", fontsize=9)
    for axes in (near, far):
        _draw_paths(axes, game, terms, ends)
        axes.axhline(0, color=_GREY, lw=0.6)
        axes.axvline(0, color=_GREY, lw=0.6)
        axes.set_xlabel("agent 0 prefers action 1 by")
        axes.set_ylabel("agent 1 prefers action 1 by")
        axes.spines[["top", "right"]].set_visible(False)
    near.set(xlim=(-1, 1), ylim=(-1, 1))
    for end in sorted(set(ends)):
        far.plot([], [], color=_COLOURS[end], label=f"ends at ({end // 2}, {end % 2})")
    far.legend(frameon=False, fontsize=8)
    figure.suptitle(f"{game.name}: alpha {terms.alpha:g}, epsilon {terms.epsilon:g}", fontsize=11)
    figure.savefig(out, metadata={"Software": None})


def plot_study(points: Sequence[Point], terms: Terms, out: Path) -> None:
    """Write the payoff study to `out`, a PNG: measured rates with their intervals, the prediction over them."""
    figure = Figure(figsize=(8, 4.6), dpi=120, layout="constrained")
    axes = figure.subplots()
    misses = [point.miss for point in points]
    for name, colour, alpha in (
        ("measured", "#e45756", terms.alpha),
        ("slower", "#4c78a8", terms.alpha / SLOWER),
    ):
        rates = [getattr(point, name) for point in points]
        axes.fill_between(misses, [r.low for r in rates], [r.high for r in rates], color=colour, alpha=0.2, lw=0)
        axes.plot(misses, [r.share for r in rates], color=colour, marker="o", ms=4, label=f"learned, alpha {alpha:g}")
    axes.plot(misses, [p.foretold.share for p in points], color=_GREY, ls="--", lw=1.4, label="mean dynamics")
    axes.set_title(f"rate of the optimal policy: {terms.seeds} seeds, 95% Wilson intervals", loc="left", fontsize=10)
    axes.set_xlabel("what miscoordination pays")
    axes.set_ylabel("share of seeds")
    axes.set_ylim(0, 1.02)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left")
    figure.savefig(out, metadata={"Software": None})


def _draw_basins(axes: Axes, game: Game, terms: Terms) -> None:
    """Where each start ends, of those starts in which the values of either agent have the mean of uniform ones."""
    across = (np.arange(_GRID) + 0.5) / _GRID * 2 - 1
    preferences = np.stack(np.meshgrid(across, across), axis=-1).reshape(-1, 2)
    tables = _LEVEL + preferences[..., None] * np.array([-0.5, 0.5])
    ends = np.array([2 * first + second for first, second in foresee(game, terms, tables)]).reshape(_GRID, _GRID)
    axes.imshow(
        ends, ListedColormap(_COLOURS), vmin=0, vmax=3, alpha=0.3, origin="lower", extent=(-1, 1, -1, 1), aspect="auto"
    )


def _draw_paths(axes: Axes, game: Game, terms: Terms, ends: Sequence[int]) -> None:
    episodes = min(_EPISODES, terms.episodes)
    seeds = [seed for end in set(ends) for seed in [s for s, of in enumerate(ends) if of == end][:_SHOWN]]
    for seed in seeds:
        path = run(game.payoffs, seed, episodes, terms.alpha, terms.epsilon)
        axes.plot(*_preference(path).T, color=_COLOURS[ends[seed]], lw=0.8, alpha=0.8)
        axes.plot(*_preference(path[:1]).T, "o", color=_COLOURS[ends[seed]], ms=5, zorder=3)
        mean = [path[:1]]
        for _ in range(episodes):
            mean.append(push(game.payoffs, mean[-1], terms.alpha, terms.epsilon, step=terms.alpha / 10))
        axes.plot(*_preference(np.concatenate(mean)).T, color=_COLOURS[ends[seed]], lw=1.2, ls="--")


def _preference(tables: F64) -> F64:
    """Q(1) - Q(0) of each agent, (..., 2) from (..., 2, 2)."""
    preference: F64 = tables[..., 1] - tables[..., 0]
    return preference
