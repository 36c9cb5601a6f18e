"""A scheme under a fault plan: the same short training without and with the faults, then both with robots off.

From a `Cell` and a plan to the dict that `Results` keeps. What each fault cost is `fleet.study.cost`'s to say.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from env_server import evaluate as arena
from env_server.protocol import Body
from fleet.control.status import Status
from fleet.core.config import Config
from fleet.core.config.faults import FaultPlan
from fleet.core.errors import BadInput, FleetError
from fleet.core.faults.resolve import resolve
from fleet.core.jsonl import read_jsonl
from fleet.core.rundir import RunDirectory
from fleet.core.seeds import generator
from fleet.study.compare.cell import Cell, OnProgress, Terms
from fleet.study.compare.schemes import find_scheme, task_config, tuned_settings
from fleet.study.compare.training import Training, train
from fleet.study.cost.cost import write_cost
from fleet.study.cost.fault import BEFORE
from fleet.study.policies import load_policies

AFTER = 10
"""Rounds trained after the last fault is over."""
OFF = 0.1
"""Of the robots are stalled when both are tried under dropout; at least one."""


@dataclass(frozen=True)
class Plan:
    """A fault plan, and how `--faults` named it."""

    name: str
    faults: FaultPlan


def faulted_config(cell: Cell, terms: Terms, plan: Plan) -> Config:
    """The training under the plan. Raises BadInput if the plan names no rounds or can't be carried out there."""
    scheme = find_scheme(cell.scheme)
    tuned = tuned_settings(terms.settings, scheme)
    extra = (f"run.seed={cell.seed + 1}", "eval.every=0", "run.rounds=1000000", "checkpoint.keep=1")
    config = task_config(cell.task, scheme, extra, tuned)
    planned = config.model_copy(update={"faults": plan.faults})
    ends = [strike.until or strike.round for strike in resolve(planned)]
    known = [end for end in ends if end is not None]
    if not known:
        raise BadInput(f"--faults {plan.name}: it names no round, so there is no telling how long to train under it")
    if plan.faults.rates is not None:
        raise BadInput(f"--faults {plan.name}: rates have no last fault; allowed are plans of single faults")
    rounds = max(known) + 1 + AFTER
    return planned.model_copy(update={"run": planned.run.model_copy(update={"rounds": rounds})})


def do_faulted(cell: Cell, terms: Terms, plan: Plan, folder: Path, on_progress: OnProgress) -> dict[str, Any]:
    """Train without the plan, then with it, and try both policies with robots off. Raises as `do_cell`."""
    config = faulted_config(cell, terms, plan)
    without, under = faulted_trainings(cell, config, folder)
    quiet, struck = without.place, under.place
    _train(without, lambda share: on_progress("baseline", share / 2))
    _train(under, lambda share: on_progress("under faults", 0.5 + share / 2))
    write_cost(RunDirectory.open(struck), quiet)
    cost = RunDirectory.open(struck).read_json("summary.json").get("cost") or {}
    if "error" in cost:
        raise FleetError(f"what the faults cost can't be told: {cost['error']}")
    before, after = _totals(quiet), _totals(struck)
    return {
        "rounds": config.run.rounds,
        "speed_kept": after["agent_steps_per_s"] / before["agent_steps_per_s"],
        "stood_still_s": max(0.0, after["waiting_s"] - before["waiting_s"]),
        "retention": (cost.get("against") or {}).get("retention"),
        "per_capita": (cost.get("against") or {}).get("per_capita"),
        "lost": sum((cost.get("lost") or {}).values()),
        "withheld": sum((cost.get("withheld") or {}).values()),
        "undone": cost.get("undone", 0),
        "faults": [_fault(fault, struck) for fault in cost.get("faults", ())],
        "trained_without": _with_robots_off(config, quiet, terms.episodes),
        "trained_under": _with_robots_off(config, struck, terms.episodes),
    }


def faulted_trainings(cell: Cell, config: Config, folder: Path) -> tuple[Training, Training]:
    """What is trained in `folder` without the faults of `config` (a `faulted_config`), and with them."""
    without = config.model_copy(update={"faults": FaultPlan()})
    return Training(without, folder / f"{cell.name}-quiet"), Training(config, folder / f"{cell.name}-faulted")


def _train(training: Training, on_share: Callable[[float], None]) -> None:
    def look(status: Status) -> bool:
        on_share(status.round / status.rounds)
        return True

    train(training.config, training.place, look)


def _totals(place: Path) -> dict[str, float]:
    """Over all rounds but the first, in which processes start."""
    lines = read_jsonl(RunDirectory.open(place).metrics)[1:]
    return {
        "agent_steps_per_s": _rate(lines),
        "waiting_s": sum(line["waiting_s"] + line.get("learning_s", 0.0) for line in lines),
    }


def _fault(fault: Mapping[str, Any], place: Path) -> dict[str, Any]:
    """What is told of one fault: how much longer rounds stood still while it was on, and how much was still trained.

    Where it hit every robot, there are no others to have waited, and it is told how long training stood still.
    """
    before, during = fault["before"] or {}, fault["during"] or {}
    known = [each.get("waiting_s") for each in (before, during)]
    since = fault["suspect"] if fault["inject"] is None else fault["inject"]
    stood = fault["idle_s"]
    if None not in known:
        stood = max(0.0, during["waiting_s"] - before["waiting_s"]) * during["rounds"]
    return {
        "kind": fault["kind"],
        "speed_kept": _speed_kept(fault, read_jsonl(RunDirectory.open(place).metrics)),
        "recovery_s": None if None in (since, fault["recover"]) else fault["recover"] - since,
        "stood_still_s": stood,
        "lost": fault["lost"],
        "updates_lost": fault["updates_lost"],
        "withheld": fault["withheld"],
    }


def _speed_kept(fault: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> float | None:
    """Trained agent-steps per second from the round in which it struck to the one it was over by, against before.

    Before: at most BEFORE rounds, the run's first left out. None if it has no such rounds.
    """
    struck, back = fault["round"], fault["back"]
    if struck is None or back is None:
        return None
    before = [line for line in lines[1:] if line["round"] - 1 < struck][-BEFORE:]
    during = [line for line in lines if struck <= line["round"] - 1 <= back]
    return _rate(during) / _rate(before) if before and during else None


def _rate(lines: Sequence[Mapping[str, Any]]) -> float:
    wall = sum(float(line["wall_s"]) for line in lines)
    return sum(float(line["trained_per_s"] * line["wall_s"]) for line in lines) / wall


def _with_robots_off(config: Config, place: Path, episodes: int) -> Mapping[str, float]:
    """What the policies trained in `place` do with a tenth of the robots stalled from the first step."""
    trained = load_policies(place)
    robots = trained.spec.robots
    off = generator(config.run.seed, "faults").permutation(robots)[: max(1, round(OFF * robots))]
    bodies: dict[int, Body] = {int(robot): "stalled" for robot in off}
    played = arena.evaluate(config.world, trained.policy, config.run.seed, episodes=episodes, offline=bodies)
    return played.figures()
