"""From the results of all cells to what is said of each scheme on each task. Pure.

Two comparisons are made of the same trainings: at equal agent-steps, the fewest that any cell of the task was trained
for, and at equal wall time, the shortest that any was. What had been delivered there is read off the training's curve.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fleet.core.config.world import Measure
from fleet.study.compare.compare import Done
from fleet.study.compare.curve import Axis, reached
from fleet.study.compare.interval import Spread, spread
from fleet.study.compare.measure import DELIVERIES

Found = Mapping[str, Any]


@dataclass(frozen=True)
class Summary:
    """One scheme on one task, over the seeds that are done. What doesn't apply, or isn't known, is None.

    `deliveries` and `returns` are of the final policies on fresh episodes, `bound` what those episodes' orders would
    have allowed, `at_steps` and `at_time` of the training at `steps` agent-steps and after `seconds`.
    """

    task: str
    scheme: str
    seeds: int
    failed: tuple[str, ...]
    deliveries: Spread | None
    returns: Spread | None
    bound: float | None
    at_steps: Spread | None
    at_time: Spread | None
    speed: Spread | None
    shares: Mapping[str, float]
    memory_bytes: float | None
    traffic: Mapping[str, Any] | None


@dataclass(frozen=True)
class TaskSummary:
    """All schemes on one task: the common agent-steps and seconds, None if nothing was trained.

    `measure` is what the schemes are compared by, at equal steps and time as well.
    """

    task: str
    steps: float | None
    seconds: float | None
    schemes: tuple[Summary, ...]
    measure: Measure = DELIVERIES


@dataclass(frozen=True)
class FaultSummary:
    """One scheme under the fault plan, over seeds. Seconds, agent-steps and shares as in `faulted`.

    `by_kind`: for each kind of fault the means over seeds of its recovery and stand-still, and of what was lost.
    """

    scheme: str
    seeds: int
    failed: tuple[str, ...]
    speed_kept: Spread | None
    stood_still_s: Spread | None
    retention: Spread | None
    per_capita: Spread | None
    lost: float | None
    undone: float | None
    by_kind: Mapping[str, Mapping[str, float | None]]
    without: Spread | None
    under: Spread | None


def summarize(done: Done) -> list[TaskSummary]:
    """Of every task, in the order in which they were asked for."""
    tasks = list(dict.fromkeys(task for part, task, _, _ in done if part == "train"))
    return [_task(task, done) for task in tasks]


def summarize_faults(done: Done) -> list[FaultSummary]:
    """Of every scheme that was put under the plan."""
    schemes = list(dict.fromkeys(scheme for part, _, scheme, _ in done if part == "faults"))
    return [_faults(scheme, _of(done, "faults", scheme)) for scheme in schemes]


def _of(done: Done, part: str, scheme: str, task: str | None = None) -> list[Found]:
    return [
        found for (each, of, name, _), found in done.items() if each == part and name == scheme and task in (None, of)
    ]


def _task(task: str, done: Done) -> TaskSummary:
    schemes = list(dict.fromkeys(scheme for part, of, scheme, _ in done if part == "train" and of == task))
    trained = [found for scheme in schemes for found in _of(done, "train", scheme, task) if "curve" in found]
    steps = min((float(found["agent_steps"]) for found in trained), default=None)
    seconds = min((float(found["wall_s"]) for found in trained), default=None)
    known = (found["measure"] for scheme in schemes for found in _of(done, "train", scheme, task) if "measure" in found)
    measure = next(known, DELIVERIES)
    of_each = {scheme: _of(done, "train", scheme, task) for scheme in schemes}
    summaries = [_scheme(task, scheme, results, steps, seconds, measure) for scheme, results in of_each.items()]
    return TaskSummary(task, steps, seconds, tuple(summaries), measure)


def _scheme(
    task: str, scheme: str, results: Sequence[Found], steps: float | None, seconds: float | None, measure: Measure
) -> Summary:
    whole = [found for found in results if found["status"] == "done"]
    trained = [found for found in whole if "curve" in found]
    shares = [found["speed"] for found in trained]
    return Summary(
        task=task,
        scheme=scheme,
        seeds=len(whole),
        failed=_errors(results),
        deliveries=_delivered([found["evaluation"] for found in whole]),
        returns=spread([found["evaluation"]["return"] for found in whole]),
        bound=_mean([found["evaluation"].get("bound_per_1000") for found in whole]),
        at_steps=_reached(trained, "agent_steps", steps, measure),
        at_time=_reached(trained, "wall_s", seconds, measure),
        speed=spread([share["overall_per_s"] for share in shares]),
        shares={name: statistics.fmean(share[name] for share in shares) for name in shares[0] if "share" in name}
        if shares
        else {},
        memory_bytes=_mean([found["memory_bytes"] for found in trained]),
        traffic=next((found["traffic"] for found in trained if found["traffic"]), None),
    )


def _faults(scheme: str, results: Sequence[Found]) -> FaultSummary:
    whole = [found for found in results if found["status"] == "done"]
    kinds = list(dict.fromkeys(fault["kind"] for found in whole for fault in found["faults"]))
    each = {kind: [fault for found in whole for fault in found["faults"] if fault["kind"] == kind] for kind in kinds}
    names = ("speed_kept", "recovery_s", "stood_still_s", "lost", "updates_lost", "withheld")
    return FaultSummary(
        scheme=scheme,
        seeds=len(whole),
        failed=_errors(results),
        speed_kept=_spread_of(whole, "speed_kept"),
        stood_still_s=_spread_of(whole, "stood_still_s"),
        retention=_spread_of(whole, "retention"),
        per_capita=_spread_of(whole, "per_capita"),
        lost=_mean([found["lost"] for found in whole]),
        undone=_mean([found["undone"] for found in whole]),
        by_kind={kind: {name: _mean([fault[name] for fault in each[kind]]) for name in names} for kind in kinds},
        without=_scored([found["trained_without"] for found in whole]),
        under=_scored([found["trained_under"] for found in whole]),
    )


def _errors(results: Sequence[Found]) -> tuple[str, ...]:
    return tuple(str(found["error"]) for found in results if found["status"] == "failed")


def _reached(trained: Sequence[Found], axis: Axis, at: float | None, measure: Measure) -> Spread | None:
    if at is None:
        return None
    known = [reached(found["curve"], axis, at, measure) for found in trained]
    return spread([value for value in known if value is not None])


def _spread_of(whole: Sequence[Found], name: str) -> Spread | None:
    return spread([found[name] for found in whole if found[name] is not None])


def _scored(evaluations: Sequence[Found]) -> Spread | None:
    """Deliveries; where nothing is delivered, returns."""
    return _delivered(evaluations) or spread([each["return"] for each in evaluations])


def _delivered(evaluations: Sequence[Found]) -> Spread | None:
    return spread([each["deliveries_per_1000"] for each in evaluations if "deliveries_per_1000" in each])


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None
