"""`fleet bench faults`: how fast faults are noticed and mended, what they cost, and what is never mistaken for one.

Real runs of the config `soak`, driven from outside as `fleet soak` drives them, under plans that strike one kind many
times. The times come from the runs' own records: from the strike itself to each step of its mending.
"""

import json
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fleet.core.config.faults import FaultConfig, FaultPlan
from fleet.core.config.write import plan_to_toml
from fleet.core.errors import FleetError
from fleet.core.files import write_atomic
from fleet.core.rundir import RunDirectory
from fleet.study.bench.bench import Measured, Row
from fleet.study.soak import checks
from fleet.study.soak.part import Part

ROBOTS = 8
KILLS, FREEZES, HANGS, SERVER_KILLS, ENDS = 56, 16, 8, 6, 10
CROWD = 32
"""Learners of the crowded run: on two cores sixteen times as many as there are cores, and all of them busy."""

_ENDLESS = ("--rounds", "10000000", "--set", "control.restarts=1000", "--set", "control.backoff_s=0")
Event = Mapping[str, Any]


@dataclass(frozen=True)
class _Ran:
    """One run that is over."""

    events: Sequence[Event]
    summary: Mapping[str, Any]
    stop_s: float


def measure() -> Measured:
    """Rows beside the targets of the reliability table. Raises FleetError if a run breaks an invariant."""
    with tempfile.TemporaryDirectory(prefix="fleet-bench-") as name:
        folder = Path(name)
        killed = _run(folder / "kills", _every(0.75, "kill", KILLS), KILLS * 0.75 + 8)
        frozen = _run(folder / "freezes", _every(0.6, "freeze", FREEZES, lap_s=9.0), 27)
        hung = _run(folder / "hangs", _every(0.4, "hang", HANGS), 30)
        server = _run(folder / "server", _server_kills(), SERVER_KILLS * 6.0 + 6)
        crowd = _run(folder / "crowd", _slow(), 45, "--set", f"world.robots={CROWD}", "--set", "network.hidden=[64,64]")
        stops = [run.stop_s for run in (killed, frozen, hung, server, crowd)]
        stops += [_stop(folder / f"stop-{k}") for k in range(ENDS - len(stops))]
        orphans = [_orphans(folder / f"orphans-{k}") for k in range(ENDS)]
    rows = [
        *_kill_rows(killed),
        *_frozen_rows(frozen),
        _worst("no_progress_declared", _between(hung.events, "inject", "declare", "hang"), "10 s and a round", 12.0),
        *_server_rows(server),
        *_crowd_rows(crowd),
        _worst("clean_stop_max", stops, "5 s", 5.0),
        _worst("supervisor_killed_all_gone_max", orphans, "2 s", 2.0),
        *_share_rows(crowd),
    ]
    how = (
        f"Real runs of the config soak ({ROBOTS} robots): {KILLS} SIGKILLs, {FREEZES} SIGSTOPs, {HANGS} hung updates, "
        f"{SERVER_KILLS} kills of the environment server, {len(stops)} clean stops, {ENDS} kills of the supervisor; "
        f"and {CROWD} busy learners, two of them ten times slower, under which nobody may be taken for dead. Against: "
        "the targets; the ratio is to them. Each run's ledger, checkpoints, processes and restart budgets were checked."
    )
    return Measured(how, rows)


def _run(folder: Path, plan: FaultPlan, seconds: float, *settings: str) -> _Ran:
    """One run under `plan` for `seconds` from its first round on, ended by Ctrl-C."""
    file = folder.with_suffix(".toml")
    write_atomic(file, [plan_to_toml(plan).encode()])
    arguments = ["soak", "--out", str(folder), "--faults", str(file), *_ENDLESS, *settings]
    with Part(folder, arguments, ()) as part:
        part.watch(seconds)
        part.interrupt()
    if part.seen.broken:
        raise FleetError(f"{folder.name}: " + "; ".join(part.seen.broken))
    assert part.seen.stop_s is not None
    summary = json.loads((folder / "summary.json").read_text())
    return _Ran(checks.events_of(RunDirectory.open(folder)), summary, part.seen.stop_s)


def _stop(folder: Path) -> float:
    return _run(folder, FaultPlan(), 1.0).stop_s


def _orphans(folder: Path) -> float:
    """Seconds from the supervisor's SIGKILL until nothing of its run is left."""
    with Part(folder, ["soak", "--out", str(folder), *_ENDLESS], ()) as part:
        part.watch(1.0)
        pids = list(checks.pids_of(RunDirectory.open(folder)).values())
        began = time.monotonic()
        part.kill_supervisor()
        while checks.survivors(pids) and time.monotonic() - began < 10.0:
            time.sleep(0.001)
        return time.monotonic() - began


def _every(seconds: float, kind: str, count: int, lap_s: float = 0.0) -> FaultPlan:
    """`kind` again and again, a robot after the other, `lap_s` longer after each lap of the fleet."""
    faults = [
        FaultConfig.model_validate(
            {
                "kind": kind,
                "robots": (number % ROBOTS,),
                "at_s": round(1.0 + number * seconds + number // ROBOTS * lap_s, 3),
            }
        )
        for number in range(count)
    ]
    return FaultPlan(fault=tuple(faults))


def _server_kills() -> FaultPlan:
    times = [2.0 + 6.0 * number for number in range(SERVER_KILLS)]
    kills = [FaultConfig.model_validate({"kind": "kill", "target": "env_server", "at_s": at}) for at in times]
    return FaultPlan(fault=tuple(kills))


def _slow() -> FaultPlan:
    slow = {"kind": "slow", "robots": (0, 1), "at_s": 1.0, "for_s": 600.0, "factor": 10.0}
    return FaultPlan(fault=(FaultConfig.model_validate(slow),))


def _between(events: Iterable[Event], first: str, last: str, kind: str) -> list[float]:
    """Seconds from `first` to `last` of every fault of `kind` that has come that far."""
    numbers = {event["number"] for event in events if event["event"] == "inject" and event["kind"] == kind}
    found: dict[int, float] = {}
    for event in events:
        if event.get("number") in numbers and event.get(first) is not None and event.get(last) is not None:
            found[event["number"]] = event[last] - event[first]
    return list(found.values())


def _kill_rows(ran: _Ran) -> list[Row]:
    noticed = _between(ran.events, "inject", "suspect", "kill")
    back = _between(ran.events, "inject", "recover", "kill")
    if len(back) < KILLS:
        raise FleetError(f"{len(back)} of {KILLS} killed learners came back")
    fenced = [event.get("details", event) for event in ran.events if event["event"] == "fenced"]
    lost = [float(item["lost"]) for item in fenced]
    undone = _updates_lost(ran.events)
    return [
        Row("exit_noticed_median", float(np.median(noticed)) * 1e3, "ms"),
        _target("exit_noticed_p99", float(np.percentile(noticed, 99)) * 1e3, "ms", "50 ms", 50.0),
        Row("kill_to_first_policy_median", float(np.median(back)), "s"),
        _target("kill_to_first_policy_p95", float(np.percentile(back, 95)), "s", "5 s", 5.0),
        _target("steps_lost_per_kill_max", max(lost, default=0.0), "agent-steps", "credit window 1,024", 1024.0),
        _target("updates_lost_per_kill_max", max(undone, default=0.0), "updates", "checkpoint interval 5", 5.0),
    ]


def _updates_lost(events: Iterable[Event]) -> list[float]:
    """For each restart: the last version accepted less that of the checkpoint it came back with."""
    accepted: dict[int, int] = {}
    lost = []
    for event in events:
        details = event.get("details", event)
        if event["event"] == "fenced":
            accepted[details["learner"]] = details["accepted"]
        elif event["event"] == "restart" and event.get("checkpoint"):
            learner = int(event["process"].removeprefix("learner-"))
            if learner in accepted:
                version = int(Path(event["checkpoint"]).stem.removeprefix("v"))
                lost.append(float(max(0, accepted[learner] - version)))
    return lost


def _frozen_rows(ran: _Ran) -> list[Row]:
    suspect = _between(ran.events, "inject", "suspect", "freeze")
    declare = _between(ran.events, "inject", "declare", "freeze")
    if len(declare) < FREEZES:
        raise FleetError(f"{len(declare)} of {FREEZES} frozen learners were found out")
    return [
        _worst("frozen_suspected_max", suspect, "1 s and a heartbeat", 1.5),
        _worst("frozen_declared_max", declare, "3.5 s and a heartbeat", 4.0),
    ]


def _server_rows(ran: _Ran) -> list[Row]:
    back = _between(ran.events, "inject", "recover", "kill")
    if len(back) < SERVER_KILLS:
        raise FleetError(f"{len(back)} of {SERVER_KILLS} environment servers came back")
    return [_worst("server_killed_next_round_max", back, "5 s", 5.0)]


def _crowd_rows(ran: _Ran) -> list[Row]:
    """Who was taken for dead though nobody was; `failed` and `declare` are of the same deaths."""
    killed = sum(event["event"] in ("declare", "frozen", "stuck") for event in ran.events)
    suspected = sum(event["event"] == "suspect" for event in ran.events)
    return [Row("false_kills", float(killed), "", "0"), Row("false_suspicions", float(suspected), "")]


def _share_rows(ran: _Ran) -> list[Row]:
    harness = ran.summary["harness"]
    share = 100.0 * harness["drill_cpu_s"] / harness["run_cpu_s"]
    supervisor = 100.0 * harness["supervisor_cpu_s"] / harness["run_cpu_s"]
    return [
        _target("harness_share", share, "% of the run's processor time", "1%", 1.0),
        Row("supervisor_share", supervisor, "% of the run's processor time"),
    ]


def _worst(name: str, seconds: Sequence[float], against: str, wanted: float) -> Row:
    if not seconds:
        raise FleetError(f"{name}: nothing was seen")
    return _target(name, max(seconds), "s", against, wanted)


def _target(name: str, value: float, unit: str, against: str, wanted: float) -> Row:
    return Row(name, value, unit, against, value / wanted)
