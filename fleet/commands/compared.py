"""A comparison as tables: what each scheme reached, how fast, what it sent, and what faults cost it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fleet.commands.screen import MISSING, number, print_table, size

if TYPE_CHECKING:
    from fleet.study.compare.compare import Done
    from fleet.study.compare.interval import Spread
    from fleet.study.compare.summary import FaultSummary, Summary, TaskSummary

_PARTS = ("world", "acting", "sending", "waiting", "learning", "other")


def print_comparison(tasks: "Sequence[TaskSummary]", under: "Sequence[FaultSummary]", done: "Done") -> None:
    """Print all that there is."""
    for task in tasks:
        _print_task(task)
    if under:
        _print_faults(under)
    sizes = [(key[2], key[3], found) for key, found in done.items() if key[0] == "scale"]
    if sizes:
        print("\nwith more and more robots\n")
        print_table([_size(*each) for each in sizes], header=("scheme", "robots", "agent-steps/s", *_SENT, "memory"))


def _print_task(task: "TaskSummary") -> None:
    from fleet.study.compare.measure import DELIVERIES, SERIES, WORDS

    print(f"{Path(task.task).stem}: {WORDS[task.measure]}\n")
    delivers = task.measure == DELIVERIES
    more = ("of the bound", "return") if delivers else ()
    header = ("scheme", "seeds", SERIES[task.measure], "95%", "middle half", *more, "at equal steps", "at equal time")
    print_table([_reached(scheme, delivers) for scheme in task.schemes], header=header)
    _print_caution(max((scheme.seeds for scheme in task.schemes), default=0))
    if task.steps is not None and task.seconds is not None:
        print(
            f"\nequal steps: after {task.steps:,.0f} agent-steps; equal time: after {task.seconds:,.0f} s of training"
        )
    trained = [scheme for scheme in task.schemes if scheme.speed is not None]
    if trained:
        print("\ntraining: agent-steps/s, shares of the wall time, memory\n")
        print_table(
            [_speed(scheme) for scheme in trained], header=("scheme", "agent-steps/s", "95%", *_PARTS, "memory")
        )
        print("\ntraining: bytes per agent-step\n")
        print_table([_sent(scheme) for scheme in trained], header=_SENT_HEADER)
    for scheme in task.schemes:
        for error in scheme.failed:
            print(f"\n{scheme.scheme} failed: {error}")
    print()


_SENT = ("in all", "into the busiest", "between robots")
_SENT_HEADER = ("scheme", *_SENT, "rollouts", "policies", "Mbit/s per robot")


def _reached(scheme: "Summary", delivers: bool) -> tuple[str, ...]:
    found = scheme.deliveries if delivers else scheme.returns
    share = None if not scheme.bound or scheme.deliveries is None else scheme.deliveries.mean / scheme.bound
    return (
        scheme.scheme,
        _seeds(scheme.seeds, len(scheme.failed)),
        _mean(found),
        _interval(found),
        number(None if found is None else found.interquartile),
        *((MISSING if share is None else f"{share:.0%}", _mean(scheme.returns)) if delivers else ()),
        with_interval(scheme.at_steps),
        with_interval(scheme.at_time),
    )


def _speed(scheme: "Summary") -> tuple[str, ...]:
    shares = [f"{scheme.shares[f'{part}_share']:.0%}" for part in _PARTS]
    memory = MISSING if scheme.memory_bytes is None else size(round(scheme.memory_bytes))
    return (scheme.scheme, _mean(scheme.speed, 0), _interval(scheme.speed, 0), *shares, memory)


def _sent(scheme: "Summary") -> tuple[str, ...]:
    sent = scheme.traffic
    if sent is None:
        return (scheme.scheme, *[MISSING] * 6)
    kinds = [number(float(sent["by_kind"].get(kind, 0.0)), 1) for kind in ("rollout", "policy")]
    figures = [number(float(sent[name]), 1) for name in ("total", "busiest", "across")]
    return (scheme.scheme, *figures, *kinds, number(float(sent["mbit_per_s"]), 4))


def _size(scheme: str, robots: int, found: dict[str, object]) -> tuple[str, ...]:
    if found["status"] == "failed":
        return (scheme, str(robots), "failed", *[MISSING] * 4)
    speed, sent, memory = found["speed"], found["traffic"], found["memory_bytes"]
    assert isinstance(speed, dict)
    assert isinstance(memory, int | float)
    figures = [MISSING] * 3
    if isinstance(sent, dict):
        figures = [number(float(sent[name]), 1) for name in ("total", "busiest", "across")]
    return (scheme, str(robots), number(speed["overall_per_s"], 0), *figures, size(round(memory)))


def _print_faults(under: "Sequence[FaultSummary]") -> None:
    print("under the fault plan, against the same training without it\n")
    header = ("scheme", "seeds", "speed kept", "95%", "stood still, s", "retention", "per robot on", "lost", "undone")
    print_table([_under(scheme) for scheme in under], header=header)
    _print_caution(max(scheme.seeds for scheme in under))
    print(
        "\nfault by fault: speed while it was on over that before; seconds to recovery and stood still; agent-steps "
        "and updates lost\n"
    )
    rows = [
        (scheme.scheme, kind, *(number(fault[name], digits) for name, digits in _FAULT.items()))
        for scheme in under
        for kind, fault in scheme.by_kind.items()
    ]
    print_table(rows, header=("scheme", "fault", "speed kept", "recovery", "stood still", "lost", "updates"))
    print(
        "\na tenth of the robots stalled from the first step: what policies trained without and under the plan deliver "
        "(their return, where nothing is delivered)\n"
    )
    pairs = [(each.scheme, with_interval(each.without), with_interval(each.under)) for each in under]
    print_table(pairs, header=("scheme", "trained without", "trained under"))
    for scheme in under:
        for error in scheme.failed:
            print(f"\n{scheme.scheme} failed: {error}")


_FAULT = {"speed_kept": 2, "recovery_s": 2, "stood_still_s": 2, "lost": 0, "updates_lost": 1}


def _under(scheme: "FaultSummary") -> tuple[str, ...]:
    return (
        scheme.scheme,
        _seeds(scheme.seeds, len(scheme.failed)),
        _mean(scheme.speed_kept, 3),
        _interval(scheme.speed_kept, 3),
        with_interval(scheme.stood_still_s),
        with_interval(scheme.retention),
        with_interval(scheme.per_capita),
        number(scheme.lost, 0),
        number(scheme.undone, 0),
    )


def _print_caution(seeds: int) -> None:
    from fleet.study.compare.interval import ENOUGH

    if 1 < seeds < ENOUGH:
        print(f"\n95%: bootstrap interval of the mean over seeds; of fewer than {ENOUGH} seeds it is too narrow")


def _seeds(whole: int, failed: int) -> str:
    return f"{whole}" if not failed else f"{whole}, {failed} failed"


def _mean(found: "Spread | None", digits: int = 2) -> str:
    return MISSING if found is None else number(found.mean, digits)


def _interval(found: "Spread | None", digits: int = 2) -> str:
    if found is None or found.low is None or found.high is None:
        return MISSING
    return f"{number(found.low, digits)} to {number(found.high, digits)}"


def with_interval(found: "Spread | None", digits: int = 2) -> str:
    """`4.10 (3.91 to 4.24)`: a mean and its 95% interval if it has one; `-` where nothing is known."""
    if found is None:
        return MISSING
    interval = _interval(found, digits)
    return number(found.mean, digits) if interval == MISSING else f"{number(found.mean, digits)} ({interval})"
