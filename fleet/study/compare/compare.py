"""The comparison itself: which cells there are, in which order, and what they come to together.

Everything that is asked for is checked before anything is trained. Cells go seed by seed, so that whatever has been
done when it is broken off is a comparison with fewer seeds.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fleet.core.config.write import to_toml
from fleet.core.errors import BadInput
from fleet.study.compare.cell import Cell, OnProgress, Terms, cell_config, cell_trainings, do_cell
from fleet.study.compare.faulted import Plan, do_faulted, faulted_config, faulted_trainings
from fleet.study.compare.results import Found, Results
from fleet.study.compare.scaled import do_scaled, scaled_config
from fleet.study.compare.schemes import Scheme, find_scheme, fitting
from fleet.study.compare.training import Training, check_training

MOST_SEEDS = 100

OnCell = Callable[[int, int, str, str, float], None]
"""Told which cell out of how many is at work, its name, what it is at, and how much of that is done."""


@dataclass(frozen=True)
class Asked:
    """What is to be compared. `schemes`: empty for all that a task can take; `robots`: sizes of fleets to scale to."""

    tasks: tuple[str, ...]
    schemes: tuple[str, ...]
    seeds: int
    terms: Terms
    plan: Plan | None = None
    robots: tuple[int, ...] = ()


@dataclass(frozen=True)
class Job:
    """One piece of work: the file that its result goes to, its config as text, how to do it, what it trains for it."""

    name: str
    key: tuple[str, str, str, int]  # part, task, scheme, and seed or robots
    settings: str
    do: Callable[[OnProgress], Found]
    trainings: tuple[Training, ...] = ()


Done = Mapping[tuple[str, str, str, int], Found]


def compare(asked: Asked, out: Path, on_cell: OnCell = lambda *_: None) -> Done:
    """Do all that isn't done yet in the folder `out`. Gives results by part, task, scheme and number.

    Parts are "train" and "faults", where the number is a seed, and "scale", where it is the size of the fleet.

    Raises BadInput before anything is trained, if any of it can't be had; what fails later is a result like another.
    """
    _check(asked)
    planned = {task: _schemes(task, asked.schemes) for task in asked.tasks}
    jobs = list(_jobs(asked, planned, out / "runs"))  # all configs are known to be good before the folder is made
    results = Results(out, _identity(asked))
    kept = [results.get(job.name, job.settings) for job in jobs]
    for training in (
        training for job, had in zip(jobs, kept, strict=True) if had is None for training in job.trainings
    ):
        check_training(training)
    found: dict[tuple[str, str, str, int], Found] = {}
    for number, (job, had) in enumerate(zip(jobs, kept, strict=True)):
        tell = partial(on_cell, number + 1, len(jobs), job.name)
        found[job.key] = had or results.keep(job.name, job.settings, partial(job.do, tell))
    return found


def _check(asked: Asked) -> None:
    if not asked.tasks:
        raise BadInput("no task; name a config")
    for what, names in (("task", asked.tasks), ("scheme", asked.schemes)):
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise BadInput(f"{what} {twice[0]} is named twice")
    stems = [Path(task).stem for task in asked.tasks]
    if len(set(stems)) < len(stems):
        raise BadInput(f"tasks {', '.join(asked.tasks)} share a name; results are kept under it")
    if not 1 <= asked.seeds <= MOST_SEEDS:
        raise BadInput(f"--seeds {asked.seeds}; allowed are 1 to {MOST_SEEDS}")


def _schemes(task: str, names: Sequence[str]) -> list[Scheme]:
    return [find_scheme(name) for name in names] if names else fitting(task)


def _jobs(asked: Asked, planned: Mapping[str, Sequence[Scheme]], runs: Path) -> Iterator[Job]:
    terms = asked.terms
    for seed in range(asked.seeds):
        for task, schemes in planned.items():
            for scheme in schemes:
                cell = Cell(task, scheme.name, seed)
                config = cell_config(cell, terms)
                do = partial(do_cell, cell, terms, runs)
                trainings = cell_trainings(cell, config, runs)
                yield Job(cell.name, ("train", task, scheme.name, seed), to_toml(config), do, trainings)
    first = asked.tasks[0]
    trained = [scheme for scheme in planned[first] if scheme.trained]
    if (asked.plan is not None or asked.robots) and not trained:
        raise BadInput("--faults and --robots are for trainings; allowed are schemes that are trained")
    for seed in range(asked.seeds if asked.plan is not None else 0):
        for scheme in trained:
            assert asked.plan is not None
            cell = Cell(first, scheme.name, seed)
            config = faulted_config(cell, terms, asked.plan)
            do_plan = partial(do_faulted, cell, terms, asked.plan, runs)
            trainings = faulted_trainings(cell, config, runs)
            key = ("faults", first, scheme.name, seed)
            yield Job(f"{cell.name}-faults", key, to_toml(config), do_plan, trainings)
    for robots in asked.robots:
        for scheme in trained:
            if scheme.most_robots is not None and robots > scheme.most_robots:
                continue
            cell = Cell(first, scheme.name, 0)
            text = to_toml(scaled_config(cell, terms, robots))
            do_size = partial(do_scaled, cell, terms, robots)
            yield Job(f"{cell.name}-{robots}robots", ("scale", first, scheme.name, robots), text, do_size)


def _identity(asked: Asked) -> dict[str, Any]:
    """What all results in one folder share."""
    return {"budget": str(asked.terms.budget), "episodes": asked.terms.episodes}
