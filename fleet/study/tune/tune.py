"""The search itself: trials of one scheme on one task, each a training and what it came to by the task's measure.

Optuna's tree-structured Parzen estimator proposes (Bergstra et al. 2011). The first trial is the task as it stands, so
that tuning never ends below where it began. All is in a folder: a journal of the trials, their trainings, and the best
settings in SCHEME.toml, for `fleet compare --settings`.
"""

import shutil
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleet.core.config.load import load_config
from fleet.core.config.world import Measure
from fleet.core.config.write import to_toml
from fleet.core.errors import BadInput, FleetError
from fleet.core.files import write_atomic
from fleet.study.compare.cell import Cell, OnProgress, Terms, cell_config, do_cell
from fleet.study.compare.measure import WORDS
from fleet.study.compare.results import Results
from fleet.study.compare.schemes import Scheme
from fleet.study.tune.space import Range, Space, space_of

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import Trial

FIRST_SEED = 1_000
"""Trials train under seeds from here on, comparisons under those from 1: nobody is measured on what it was tuned on."""
_UNTUNED, _CAME_TO_NOTHING = "untuned", "came to nothing"  # what the journal says of a trial
_MOST_TRIALS, _MOST_SEEDS = 10_000, 100

OnTrial = Callable[[int, int, str, float, float | None], None]
"""Told which trial out of how many is at work, what it is at, how much of that is done, and the best so far."""


@dataclass(frozen=True)
class Asked:
    """What is to be tuned. `terms.settings` is not used."""

    task: str
    scheme: Scheme
    trials: int
    seeds: int
    terms: Terms


@dataclass(frozen=True)
class Tuned:
    """What came of it: the best trial's value by `measure`, its settings, and the value of the task as it stands."""

    path: Path
    value: float
    settings: Mapping[str, float]
    untuned: float | None
    trials: int
    failed: int
    measure: Measure


def tune(asked: Asked, out: Path, on_trial: OnTrial = lambda *_: None) -> Tuned:
    """Do as many trials as are still missing in `out`.

    Raises BadInput before any of them, and FleetError if none came to its end.
    """
    _check(asked)
    identity = {"task": asked.task, "budget": str(asked.terms.budget), "seeds": asked.seeds}
    results = Results(out, identity | {"episodes": asked.terms.episodes})
    study = _open(asked, out)
    _check_config(asked, study, out)
    space = space_of(asked.scheme)
    while (number := len(_finished(study))) < asked.trials:
        trial = study.ask()
        tell = partial(_tell, on_trial, number + 1, asked.trials, study)
        value = _try(asked, results, trial, space, tell)
        if value is None:
            trial.set_user_attr(_CAME_TO_NOTHING, True)
        study.tell(trial, value, state=None if value is not None else _failed())
    return _conclude(asked, study, out)


def _check(asked: Asked) -> None:
    if not asked.scheme.trained:
        raise BadInput(f"scheme {asked.scheme.name} has nothing to tune; allowed are those that are trained")
    if not 1 <= asked.trials <= _MOST_TRIALS:
        raise BadInput(f"--trials {asked.trials}; allowed are 1 to {_MOST_TRIALS}")
    if not 1 <= asked.seeds <= _MOST_SEEDS:
        raise BadInput(f"--seeds {asked.seeds}; allowed are 1 to {_MOST_SEEDS}")
    cell_config(Cell(asked.task, asked.scheme.name, FIRST_SEED), asked.terms)


def _check_config(asked: Asked, study: "Study", out: Path) -> None:
    """Raise BadInput if the trials done before were of another config, whatever it is called."""
    config = to_toml(cell_config(Cell(asked.task, asked.scheme.name, FIRST_SEED), asked.terms))
    known = study.user_attrs.setdefault("config", config)
    study.set_user_attr("config", known)
    different = sorted(set(known.splitlines()) ^ set(config.splitlines()))
    if different:
        said = "; ".join(different)
        raise BadInput(
            f"--out {out}: its trials of {asked.scheme.name} are of another config: {said}; name another folder"
        )


def _open(asked: Asked, out: Path) -> "Study":
    """The journal of this scheme's trials. The sampler draws on from how many there are, so that none comes twice."""
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ImportError:
        raise BadInput("fleet tune needs optuna, which isn't installed; install fleet with the extra `tune`") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = JournalStorage(JournalFileBackend(str(out / "trials.journal")))
    study = optuna.create_study(
        storage=storage, study_name=asked.scheme.name, direction="maximize", load_if_exists=True
    )
    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):  # broken off: done again
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        given = trial.system_attrs.get("fixed_params", {})
        study.enqueue_trial({**given, **trial.params}, user_attrs=trial.user_attrs)
    study.sampler = optuna.samplers.TPESampler(seed=len(study.trials), n_startup_trials=min(10, asked.trials // 2 + 1))
    if not study.trials:
        study.enqueue_trial(_as_it_stands(asked), user_attrs={_UNTUNED: True})
    return study


def _as_it_stands(asked: Asked) -> dict[str, float]:
    """The task's own settings, each the nearest that the search knows."""
    config = load_config(asked.task).model_dump()
    found = {}
    for key, values in space_of(asked.scheme).items():
        table, name = key.split(".")
        own = float(config[table][name])
        if isinstance(values, Range):
            found[key] = min(max(own, values.low), values.high)
        else:
            found[key] = min(values, key=lambda value: abs(value - own))
    return found


def _try(asked: Asked, results: Results, trial: "Trial", space: Space, tell: OnProgress) -> float | None:
    """The mean over a trial's seeds, by the task's measure; None if one of them failed."""
    drawn = {key: _draw(trial, key, values) for key, values in space.items()}
    changes = tuple(f"{key}={value:.6g}" for key, value in drawn.items())
    found = []
    for seed in range(FIRST_SEED, FIRST_SEED + asked.seeds):
        cell = Cell(asked.task, asked.scheme.name, seed)
        name = f"{cell.name}-trial{trial.number}"
        runs = results.runs / name
        shutil.rmtree(runs, ignore_errors=True)
        runs.mkdir()
        result = results.keep(name, "\n".join(changes), partial(do_cell, cell, asked.terms, runs, tell, changes))
        shutil.rmtree(runs, ignore_errors=True)  # of a trial only its figures are of use
        if result["status"] == "failed":
            return None
        found.append(float(result["evaluation"][_measure(asked)]))
    return statistics.fmean(found)


def _draw(trial: "Trial", key: str, values: Range | tuple[float, ...]) -> float:
    if isinstance(values, Range):
        return trial.suggest_float(key, values.low, values.high, log=True)
    return float(trial.suggest_categorical(key, values))


def _conclude(asked: Asked, study: "Study", out: Path) -> Tuned:
    finished = _finished(study)
    whole = [trial for trial in finished if trial.value is not None]
    if not whole:
        raise FleetError(f"none of {len(finished)} trials of {asked.scheme.name} came to its end; see {out / 'cells'}")
    best = max(whole, key=lambda trial: trial.value)
    path = out / f"{asked.scheme.name}.toml"
    untuned = next((trial.value for trial in whole if _UNTUNED in trial.user_attrs), None)
    measure = _measure(asked)
    about = (
        f"# {asked.scheme.name} on {asked.task}: {best.value:.4g} {WORDS[measure]}, the best of "
        f"{len(finished)} trials of {asked.terms.budget.words}."
    )
    try:
        write_atomic(path, [f"{about}\n\n{_toml(best.params)}".encode()])
    except OSError as error:
        raise FleetError(f"{path}: can't be written: {error.strerror}") from error
    return Tuned(path, best.value, dict(best.params), untuned, len(finished), len(finished) - len(whole), measure)


def _measure(asked: Asked) -> Measure:
    return load_config(asked.task).world.scored_by


def _toml(settings: Mapping[str, float]) -> str:
    tables: dict[str, list[str]] = {}
    for key, value in settings.items():
        table, name = key.split(".")
        tables.setdefault(table, []).append(f"{name} = {value:.6g}")
    return "\n".join(f"[{table}]\n" + "\n".join(lines) + "\n" for table, lines in tables.items())


def _finished(study: "Study") -> list[Any]:
    """All trials that ended, whole or failed; those that were broken off don't count, as they are done again."""
    ended = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
    return [trial for trial in ended if trial.value is not None or _CAME_TO_NOTHING in trial.user_attrs]


def _tell(on_trial: OnTrial, number: int, total: int, study: "Study", what: str, share: float) -> None:
    values = [trial.value for trial in _finished(study) if trial.value is not None]
    on_trial(number, total, what, share, max(values, default=None))


def _failed() -> Any:
    from optuna.trial import TrialState

    return TrialState.FAIL
