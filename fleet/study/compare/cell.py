"""One cell of the comparison: a task under a scheme with one seed, trained (or not) and then evaluated.

A cell's result is a file, so that what is done is never done again; a training that was broken off goes on from its
newest snapshot. From a `Cell` to the dict that `Results` keeps.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from env_server import evaluate as arena
from fleet.control.status import Status
from fleet.core.config import Config
from fleet.core.jsonl import read_jsonl
from fleet.core.rundir import RunDirectory
from fleet.study.bench.trained import Watch
from fleet.study.compare.budget import Budget, round_steps, rounds_of
from fleet.study.compare.curve import curve, seconds, speed
from fleet.study.compare.schemes import Scheme, find_scheme, task_config, tuned_settings
from fleet.study.compare.traffic import traffic
from fleet.study.compare.training import Training, seconds_kept, train
from fleet.study.policies import load_policies, untrained

OnProgress = Callable[[str, float], None]
"""Told what is being done, and how much of it is."""
SNAPSHOTS = 10  # of a run, at most so many rounds apart: what a broken-off training loses


@dataclass(frozen=True)
class Cell:
    """What is to be done. `task` is a config's name or path, `seed` counts from 0."""

    task: str
    scheme: str
    seed: int

    @property
    def name(self) -> str:
        """Names its files."""
        return f"{Path(self.task).stem}-{self.scheme}-{self.seed}"


@dataclass(frozen=True)
class Terms:
    """What all cells of a comparison share."""

    budget: Budget
    episodes: int
    settings: Path | None = None


def cell_config(cell: Cell, terms: Terms, changes: tuple[str, ...] = ()) -> Config:
    """The config that the cell trains. Raises BadInput, as `task_config` and `rounds_of` do."""
    scheme = find_scheme(cell.scheme)
    tuned = tuned_settings(terms.settings, scheme)
    plain = task_config(cell.task, scheme, (f"run.seed={cell.seed + 1}", "eval.every=0", *changes), tuned)
    if not scheme.trained:
        return plain
    rounds = rounds_of(plain, terms.budget, cell.task)
    every = max(1, min(rounds // SNAPSHOTS, 50))
    extra = [f"run.rounds={rounds}", f"checkpoint.every={every}", "checkpoint.keep=1"]
    if terms.budget.agent_steps is not None and plain.learner.lr_schedule == "linear":
        extra.append(f"learner.lr_horizon={rounds}")
    return task_config(cell.task, scheme, (f"run.seed={cell.seed + 1}", "eval.every=0", *changes, *extra), tuned)


def cell_trainings(cell: Cell, config: Config, folder: Path) -> tuple[Training, ...]:
    """What the cell trains in `folder`, under its `cell_config`: nothing if its scheme is not a trained one."""
    return (Training(config, folder / cell.name),) if find_scheme(cell.scheme).trained else ()


def do_cell(
    cell: Cell, terms: Terms, folder: Path, on_progress: OnProgress, changes: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Train the cell in `folder`/NAME, if its scheme is a trained one, and evaluate it. `changes` are overrides.

    Raises BadInput if that can't be, FleetError if it comes to no end, KeyboardInterrupt if a person breaks it off.
    """
    scheme, config = find_scheme(cell.scheme), cell_config(cell, terms, changes)
    found: dict[str, Any] = {"agent_steps": 0, "wall_s": 0.0}
    place = folder / cell.name
    if scheme.trained:
        found |= _train(config, terms.budget, place, on_progress)
    on_progress("evaluating", 1.0)
    played = _evaluate(scheme, config, place, terms.episodes)
    return found | {"evaluation": played, "measure": config.world.scored_by}


def _train(config: Config, budget: Budget, place: Path, on_progress: OnProgress) -> dict[str, Any]:
    watch = Watch(first=2, last=config.run.rounds)
    spent = seconds_kept(place)
    earlier = 0.0 if config.world.is_foreign else spent  # a run of a foreign world doesn't go on, but begins anew

    def look(status: Status) -> bool:
        watch.look(status)
        share = status.round / status.rounds
        if budget.minutes is not None:
            share = (earlier + status.elapsed_s) / (60.0 * budget.minutes)
        on_progress("training", min(1.0, share))
        return budget.minutes is None or share < 1.0 or status.round == 0

    ended = (place / "summary.json").exists()
    if budget.minutes is None or not ended or spent < 60.0 * budget.minutes:
        train(config, place, look)
    return figures(config, place) | {"memory_bytes": watch.memory or None}


def figures(config: Config, place: Path) -> dict[str, Any]:
    """What a training in `place` came to."""
    directory = RunDirectory.open(place)
    lines = read_jsonl(directory.metrics)
    summary = directory.read_json("summary.json")
    assert config.world.robots is not None
    sent = traffic(summary["figures"], config.groups(config.world.robots))
    return {
        "rounds": int(lines[-1]["round"]),
        "agent_steps": int(lines[-1]["agent_steps"]),
        "wall_s": seconds(lines),
        "round_steps": round_steps(config),
        "speed": speed(lines),
        "curve": curve(lines),
        "traffic": None if sent is None else asdict(sent),
        "balanced": bool(summary["ledger"].get("balanced")),
    }


def _evaluate(scheme: Scheme, config: Config, place: Path, episodes: int) -> Mapping[str, Any]:
    """Fresh episodes, the same for every scheme of a task and seed."""
    seed = config.run.seed
    if scheme.plans:
        played = arena.evaluate_planner(config.world, scheme.name, seed, episodes=episodes, bounded=True)
    else:
        policy = load_policies(place).policy if scheme.trained else untrained(config)
        played = arena.evaluate(config.world, policy, seed, episodes=episodes, bounded=True)
    return played.figures()
