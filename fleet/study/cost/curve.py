"""Deliveries of a run with faults against those of the same run without: retention, area lost, time to recover. Pure.

Both come as the lines of metrics.jsonl, which is thinned in its older half once it is over its bound. Only rounds that
both files still have are compared; each stands for itself and for the missing ones right before it, so that thinned
rounds weigh as much in the sums as whole ones.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

RECOVERED, WINDOW = 0.95, 5


@dataclass(frozen=True)
class Against:
    """A run against `baseline`, the folder of the same run without faults, over `rounds` compared rounds.

    `retention`: deliveries over the baseline's, both summed over the rounds; None where the baseline has none.
    `per_capita`: the mean over rounds of (deliveries over the baseline's) / (robots on the floor / all), of rounds
    where neither is 0. `area_lost`: deliveries per robot that were not made, summed over the rounds; negative if more
    were made. `recovered_after`: rounds from the last recovery to the first from which five compared rounds together
    (all that are left, if they are fewer) have 95% of the baseline's deliveries; None if that never was, or if nothing
    recovered.
    """

    baseline: str
    rounds: int
    retention: float | None
    per_capita: float | None
    area_lost: float
    recovered_after: int | None


def rates(lines: Iterable[Mapping[str, Any]]) -> dict[int, float]:
    """Deliveries per robot per 1,000 steps by round (counted from 0), out of metrics.jsonl."""
    found = {}
    for line in lines:
        round_, rate = line.get("round"), line.get("deliveries_per_1000")
        if isinstance(round_, int) and isinstance(rate, int | float):
            found[round_ - 1] = float(rate)
    return found


def compare(
    baseline: str,
    ours: Mapping[int, float],
    theirs: Mapping[int, float],
    share_online: Callable[[int], float],
    steps: int,
    recovered: int | None,
) -> Against | None:
    """The run's rates against the baseline's; None if they have no round in common.

    `share_online(round)` is how much of the fleet is on the floor, `steps` a round's steps in all copies together,
    `recovered` the round of the last recovery.
    """
    rounds = sorted(ours.keys() & theirs.keys())
    if not rounds:
        return None
    weights = [later - earlier for earlier, later in zip([-1, *rounds], rounds, strict=False)]
    made = sum(weight * ours[number] for weight, number in zip(weights, rounds, strict=True))
    could = sum(weight * theirs[number] for weight, number in zip(weights, rounds, strict=True))
    each = [
        ours[number] / theirs[number] / share_online(number)
        for number in rounds
        if theirs[number] > 0 and share_online(number) > 0
    ]
    return Against(
        baseline=baseline,
        rounds=len(rounds),
        retention=made / could if could > 0 else None,
        per_capita=sum(each) / len(each) if each else None,
        area_lost=(could - made) * steps / 1000.0,
        recovered_after=None if recovered is None else recovered_after(rounds, ours, theirs, recovered),
    )


def recovered_after(
    rounds: Sequence[int], ours: Mapping[int, float], theirs: Mapping[int, float], since: int
) -> int | None:
    """Rounds from `since` to the first of `rounds` (ascending) from which the fleet delivers 95% of the baseline's."""
    left = [number for number in rounds if number >= since]
    width = min(WINDOW, len(left))
    for first in range(len(left) - width + 1) if width else ():
        window = left[first : first + width]
        if sum(ours[number] for number in window) >= RECOVERED * sum(theirs[number] for number in window):
            return window[0] - since
    return None
