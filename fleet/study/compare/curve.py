"""A training's course and speed, from the lines of its metrics.jsonl, and what it had reached at some point. Pure."""

import math
import statistics
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any, Literal

from fleet.core.config.world import Measure
from fleet.study.compare.measure import DELIVERIES, SERIES

Lines = Sequence[Mapping[str, Any]]
Axis = Literal["agent_steps", "wall_s"]
Curve = Mapping[str, Sequence[float]]

POINTS = 200
WINDOW = 0.1  # of the way to a point: what was delivered over it is what had been reached there
_PARTS = ("world", "acting", "sending", "waiting", "learning")


def stands_for(lines: Lines) -> list[int]:
    """How many rounds each line stands for: itself, and those right before it that metrics.jsonl has thinned out."""
    rounds = [int(line["round"]) for line in lines]
    return [later - earlier for earlier, later in pairwise([0, *rounds])]


def seconds(lines: Lines) -> float:
    """Wall time of all rounds."""
    return sum(float(line["wall_s"]) * count for line, count in zip(lines, stands_for(lines), strict=True))


def of_updates(lines: Lines, figure: str) -> list[float]:
    """A figure of the updates, by line: the mean over the learners that had it, NaN where none did."""
    each = [[float(known[figure]) for known in line["learners"].values() if figure in known] for line in lines]
    return [statistics.fmean(values) if values else math.nan for values in each]


def over_rounds(lines: Lines, values: Sequence[float]) -> float | None:
    """The mean over rounds of values by line, leaving out rounds of NaN; None if all are."""
    known = [pair for pair in zip(values, stands_for(lines), strict=True) if not math.isnan(pair[0])]
    return statistics.fmean(*zip(*known, strict=True)) if known else None


def curve(lines: Lines, points: int = POINTS) -> dict[str, list[float]]:
    """`agent_steps` and `wall_s` so far, and the means of `deliveries`, `reward` and `return` since the point before.

    `deliveries` is per robot per 1,000 steps (left out where nothing is delivered), `reward` per robot and step,
    `return` that of an episode (of rounds in which none ended, that of the round before; 0 until the first has); at
    most `points`.
    """
    wall = list(accumulate(float(line["wall_s"]) * n for line, n in zip(lines, stands_for(lines), strict=True)))
    returns = list(accumulate(lines, lambda last, line: float(line.get("episode_return", last)), initial=0.0))[1:]
    chunks = [range(len(lines) * k // points, len(lines) * (k + 1) // points) for k in range(points)]
    chunks = [chunk for chunk in chunks if chunk]
    found = {
        "agent_steps": [float(lines[chunk[-1]]["agent_steps"]) for chunk in chunks],
        "wall_s": [wall[chunk[-1]] for chunk in chunks],
        "reward": [statistics.fmean(lines[k]["reward_per_step"] for k in chunk) for chunk in chunks],
        "return": [statistics.fmean(returns[k] for k in chunk) for chunk in chunks],
    }
    if all(DELIVERIES in line for line in lines):
        found["deliveries"] = [statistics.fmean(lines[k][DELIVERIES] for k in chunk) for chunk in chunks]
    return found


def reached(found: Curve, axis: Axis, at: float, measure: Measure = DELIVERIES) -> float | None:
    """`measure` over the last tenth of the way to `at` agent-steps or seconds; None if it didn't come that far."""
    where = found[axis]
    if not where or where[-1] < at * (1.0 - 1e-9):
        return None
    last = max(0, bisect_right(where, at * (1.0 + 1e-9)) - 1)
    first = bisect_right(where, at * (1.0 - WINDOW))
    return statistics.fmean(found[SERIES[measure]][min(first, last) : last + 1])


def speed(lines: Lines) -> dict[str, float]:
    """Trained agent-steps per second of the median round and over all, and each part's share of the wall time.

    The first rounds are left out, in which processes still start. `other_share` is what no part accounts for.
    """
    kept = lines[min(2, len(lines) - 1) :]
    wall = sum(float(line["wall_s"]) for line in kept)
    shares = {f"{part}_share": sum(float(line.get(f"{part}_s", 0.0)) for line in kept) / wall for part in _PARTS}
    return {
        "agent_steps_per_s": float(statistics.median(line["trained_per_s"] for line in kept)),
        "overall_per_s": sum(line["trained_per_s"] * line["wall_s"] for line in kept) / wall,
        **shares,
        "other_share": max(0.0, 1.0 - sum(shares.values())),
    }
