"""From evidence to a verdict, by thresholds that other tasks have set. Pure.

A verdict is drawn from short probes as the label is from full trainings (truth.py), only that a probe's numbers are
blurred: where the line lies between tasks that turned out one way and the other is read off a calibration, a list of
tasks with the evidence of their probes and the label of their full trainings.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fleet.study.diagnose.evidence import Evidence
from fleet.study.diagnose.truth import DECISIVE, Verdict

LEARNED = 0.1
"""Standard deviations. Where neither way of learning brought as much, there is nothing to hold against each other."""


@dataclass(frozen=True)
class Row:
    """One task of a calibration."""

    name: str
    truth: Verdict
    probe: Evidence


@dataclass(frozen=True)
class Thresholds:
    """Robots whose conflict is at most `conflict` are opposed.

    Joint control is ahead where what it found is above `ahead`. One seed is enough: what one joint policy has learned
    can be had, and the others only had no luck.
    """

    conflict: float
    ahead: float


def calibrate(rows: Sequence[Row]) -> Thresholds:
    """Each threshold where it puts the fewest of the tasks on the wrong side, in the middle of the widest such gap."""

    def values(of: Callable[[Evidence], float], *labels: Verdict) -> list[float]:
        return [of(row.probe) for row in rows if row.truth in labels]

    alone: Verdict = "independent suffices"
    together: Verdict = "centralize"
    return Thresholds(
        conflict=cut(values(lambda e: e.conflict, "adversarial"), values(lambda e: e.conflict, alone, together)),
        ahead=cut(values(lambda e: e.found, alone), values(lambda e: e.found, together)),
    )


def judge(evidence: Evidence, thresholds: Thresholds) -> Verdict | None:
    """The verdict; None where the probes don't bear one out ("not sure").

    Whether opponents are served by one policy is judged as truth.py says it.
    """
    ahead = evidence.found > thresholds.ahead
    if evidence.conflict <= thresholds.conflict:
        return "centralize" if ahead and evidence.worst > -DECISIVE else "adversarial"
    if evidence.learned < LEARNED:
        return None
    return "centralize" if ahead else "independent suffices"


def cut(below: Sequence[float], above: Sequence[float]) -> float:
    """The number that parts `below` from `above` with the fewest on the wrong side, in the middle of the widest gap.

    Raises ValueError if either is empty.
    """
    if not below or not above:
        raise ValueError("nothing to part: a calibration needs tasks of each kind")
    points = sorted({*below, *above})
    candidates = [(high + low) / 2 for low, high in zip(points, points[1:], strict=False)] or [points[0]]
    widths = [high - low for low, high in zip(points, points[1:], strict=False)] or [0.0]

    def merit(at: int) -> tuple[int, float]:
        where = candidates[at]
        wrong = sum(value > where for value in below) + sum(value <= where for value in above)
        return -wrong, widths[at]

    return candidates[max(range(len(candidates)), key=merit)]
