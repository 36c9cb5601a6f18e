"""What faults cost a run, as the tables at the end of `fleet run`: from "cost" of its summary.json."""

from collections.abc import Mapping, Sequence
from typing import Any

from fleet.commands.screen import MISSING, number, print_table

MOST_ROWS = 12
_HEADER = ("fault", "whom", "round", "suspect", "declare", "recover", "lost", "updates", "withheld")
_OTHERS = ("fault", "steps/s before", "during", "waiting before", "during")
_LEGEND = """\
times: seconds after it struck (unplanned: after its suspicion)
lost: agent-steps that died with it; withheld: agent-steps that went to nobody
updates: learned and lost, back to the checkpoint that it came back with
"""
_OTHERS_LEGEND = """\
those not hit; waiting: seconds a round in which the world waited for policies
"""


def print_cost(cost: Mapping[str, Any]) -> None:
    """Print it, with a row for each of at most MOST_ROWS faults; what isn't recorded or doesn't apply is `-`."""
    if "error" in cost:
        print(f"\nwhat faults cost can't be told: {cost['error']}")
        return
    faults = cost["faults"]
    if faults:
        more = f"and {len(faults) - MOST_ROWS:,} more, in summary.json\n" if len(faults) > MOST_ROWS else ""
        print()
        print_table([_row(fault) for fault in faults[:MOST_ROWS]], header=_HEADER)
        print(more + _LEGEND)
        print_table([_others(fault) for fault in faults[:MOST_ROWS]], header=_OTHERS)
        print(_OTHERS_LEGEND)
    else:
        print()
    print_table(_totals(cost))


def _row(fault: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        _name(fault),
        _whom(fault),
        _count(fault["round"]),
        *_times(fault),
        _count(fault["lost"]),
        _count(fault["updates_lost"]),
        _count(fault["withheld"]),
    )


def _others(fault: Mapping[str, Any]) -> tuple[str, ...]:
    before, during = fault["before"] or {}, fault["during"] or {}
    speeds = (_count(rounds.get("agent_steps_per_s")) for rounds in (before, during))
    return (_name(fault), *speeds, *(number(rounds.get("waiting_s")) for rounds in (before, during)))


def _name(fault: Mapping[str, Any]) -> str:
    return fault["kind"] if fault["number"] is None else f"{fault['kind']} {fault['number']}"


def _whom(fault: Mapping[str, Any]) -> str:
    robots = fault["robots"]
    if not robots:
        return str(fault["process"])
    if len(robots) > 3:
        return f"robots {robots[0]} to {robots[-1]}" if _in_a_row(robots) else f"{len(robots)} robots"
    return f"robot{'s' if len(robots) > 1 else ''} {', '.join(map(str, robots))}"


def _in_a_row(robots: Sequence[int]) -> bool:
    return list(robots) == list(range(robots[0], robots[0] + len(robots)))


def _times(fault: Mapping[str, Any]) -> tuple[str, str, str]:
    since = fault["suspect"] if fault["inject"] is None else fault["inject"]
    after = ["failed" if fault["failed"] and name == "recover" else _after(fault[name], since) for name in _MOMENTS]
    return after[0], after[1], after[2]


_MOMENTS = ("suspect", "declare", "recover")


def _after(moment: float | None, since: float | None) -> str:
    return MISSING if moment is None or since is None else f"{max(0.0, moment - since):.3f}"


def _count(value: float | None) -> str:
    return MISSING if value is None else number(round(value))


def _totals(cost: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [
        ("faults", _total_faults(cost)),
        ("agent-steps lost", _by_reason(cost["lost"])),
        ("agent-steps withheld", _by_reason(cost["withheld"])),
        ("agent-steps learned and undone", number(cost["undone"])),
    ]
    if cost["recorded"] < cost["rounds"]:
        rows.append(("rounds still recorded", f"{cost['recorded']:,} of {cost['rounds']:,}"))
    if cost["against"] is not None:
        rows += _against(cost["against"])
    return rows


def _total_faults(cost: Mapping[str, Any]) -> str:
    parts = [number(len(cost["faults"]))]
    if cost["missed"]:
        parts.append(f"{number(cost['missed'])} more whose target wasn't there")
    if cost["unrecorded"]:
        parts.append(f"{number(cost['unrecorded'])} more that left no record")
    return ", ".join(parts)


def _by_reason(steps: Mapping[str, int]) -> str:
    parts = ", ".join(f"{why} {number(count)}" for why, count in sorted(steps.items()) if count)
    total = number(sum(steps.values()))
    return f"{total}: {parts}" if parts else total


def _against(against: Mapping[str, Any]) -> list[tuple[str, str]]:
    never, recovered = "not yet at the end", against["recovered_after"]
    return [
        ("compared with", f"{against['baseline']}, {number(against['rounds'])} rounds"),
        ("deliveries kept (retention)", _share(against["retention"])),
        ("deliveries kept per robot on the floor", _share(against["per_capita"])),
        ("deliveries per robot not made (area lost)", number(float(against["area_lost"]), 1)),
        ("rounds from the last recovery to 95%", never if recovered is None else number(recovered)),
    ]


def _share(value: float | None) -> str:
    return MISSING if value is None else f"{value:.1%}"
