"""`fleet status`: how a run in another terminal is doing."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

MOST_ROWS = 50
"""Processes of a run that are all shown; of more, only those that have been restarted or aren't up."""

if TYPE_CHECKING:
    from fleet.core.rundir import RunDirectory


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status")(status)


def status(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A run's folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show how a run is doing, or what it came to."""
    from fleet.commands.link import ask
    from fleet.commands.screen import print_json
    from fleet.core.rundir import RunDirectory

    run = RunDirectory.open(directory)
    running = run.is_running() and (run.path / "control.json").exists()
    data = ask(run, "status").data if running else _from_files(run)
    if as_json:
        print_json({"running": running, **data})
    elif running:
        _print_running(data)
    else:
        _print_ended(data)


def _from_files(run: "RunDirectory") -> dict[str, Any]:
    """summary.json, or where there is none (the supervisor was killed, or has only begun) the last round's figures."""
    from fleet.core.jsonl import read_jsonl

    if (run.path / "summary.json").exists():
        return run.read_json("summary.json")
    lines = read_jsonl(run.metrics) if run.metrics.exists() else []
    phase = "running" if run.is_running() else "killed"
    return {"outcome": phase, "reason": "there is no summary.json", "figures": lines[-1] if lines else {}}


def _print_running(data: dict[str, Any]) -> None:
    from fleet.commands.screen import delivered, duration, number, print_table, size

    print(f"{data['phase']}: round {data['round']} of {data['rounds']}, {duration(data['eta_s'])} left\n")
    print_table(
        [
            ("agent-steps", number(data["agent_steps"])),
            ("agent-steps/s", number(data["agent_steps_per_s"], 0)),
            *delivered(data["agent_steps"], data["deliveries_per_1000"]),
            ("episode return", number(data["episode_return"])),
            ("robots online", f"{data['online']} of {data['robots']}"),
            *([("robots held away", _list(data["away"]))] if data["away"] else []),
            *([("robots frozen", _list(data["frozen"]))] if data["frozen"] else []),
            ("policy lag", number(data["policy_lag"])),
            ("memory", size(data["memory_bytes"])),
        ]
    )
    print()
    shown, rest = told_apart(data["processes"])
    header = ("process", "pid", "phase", "restarts", "memory")
    rows = (
        (item["name"], str(item["pid"] or "-"), item["phase"], str(item["restarts"]), size(item["memory_bytes"]))
        for item in shown
    )
    print_table(rows, header=header)
    if rest:
        memory = sum(item["memory_bytes"] for item in rest)
        phases = Counter(item["phase"] for item in rest)
        print(f"and {len(rest):,} more: {', '.join(f'{n:,} {phase}' for phase, n in phases.items())}, {size(memory)}")
    if data["faults"]:
        print()
        print_table((_fault_row(item) for item in data["faults"]), header=("fault", "kind", "whom", "since", "until"))


def told_apart(processes: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The processes to show a row each, and the rest. Of a big fleet only those of which there is something to say."""
    if len(processes) <= MOST_ROWS:
        return processes, []
    told = [item for item in processes if item["restarts"] or not (_is_learner(item) and item["phase"] == "up")]
    told = sorted(told, key=_is_learner)[:MOST_ROWS]
    names = {item["name"] for item in told}
    return told, [item for item in processes if item["name"] not in names]


def _is_learner(item: dict[str, Any]) -> bool:
    return bool(item["name"].startswith("learner-"))


def _fault_row(item: dict[str, Any]) -> tuple[str, ...]:
    from fleet.commands.screen import duration

    until = "-" if item["until"] is None else f"round {item['until']}"
    if item["left_s"] is not None:
        until = f"in {duration(item['left_s'])}"
    elif item["held"]:
        until = "`fleet revive`"
    whom = f"robot {_list(item['robots'])}" if item["robots"] else item["target"]
    since = duration(item["for_s"]) + ("" if item["round"] is None else f", round {item['round']}")
    return str(item["number"]), item["kind"], whom, since, until


def _list(values: list[int]) -> str:
    more = f" and {len(values) - MOST_ROWS:,} more" if len(values) > MOST_ROWS else ""
    return ", ".join(map(str, values[:MOST_ROWS])) + more


def _print_ended(data: dict[str, Any]) -> None:
    from fleet.commands.cost import print_cost
    from fleet.commands.run import summary_rows
    from fleet.commands.screen import print_table

    print("not running\n")
    print_table(summary_rows(data))
    if "cost" in data:
        print_cost(data["cost"])
