"""`fleet tune`: the same search for each scheme, on seeds of its own, that goes on where it stopped."""

import json
from pathlib import Path
from typing import Any

import pytest

from fleet.core.errors import BadInput, FleetError
from fleet.study.compare.budget import parse_budget
from fleet.study.compare.cell import Cell, Terms
from fleet.study.compare.schemes import SCHEMES, task_config, tuned_settings
from fleet.study.tune import tune as tuning
from fleet.study.tune.space import Range, space_of
from fleet.study.tune.tune import FIRST_SEED, Asked, tune

TERMS = Terms(parse_budget("4000"), episodes=4)
TRAINED = [scheme for scheme in SCHEMES.values() if scheme.trained]


def asked(trials: int, scheme: str = "independent") -> Asked:
    return Asked("smoke", SCHEMES[scheme], trials, 1, TERMS)


class Training:
    """In place of a training: the nearer the step size to 0.001 and the more epochs, the better."""

    def __init__(self) -> None:
        self.tried: list[dict[str, float]] = []
        self.cells: list[Cell] = []
        self.fails = False

    def __call__(self, cell: Cell, terms: Terms, folder: Path, on_progress: Any, changes: tuple[str, ...]) -> Any:
        settings = {key: float(value) for key, value in (change.split("=") for change in changes)}
        self.tried.append(settings)
        self.cells.append(cell)
        if self.fails:
            raise FleetError("it diverged")
        rate = settings["learner.learning_rate"]
        score = settings["learner.epochs"] - abs(rate - 1e-3) * 1e3
        return {"evaluation": {"deliveries_per_1000": score}}


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> Training:
    fake = Training()
    monkeypatch.setattr(tuning, "do_cell", fake)
    return fake


def test_every_scheme_is_searched_as_widely() -> None:
    spaces = [space_of(scheme) for scheme in TRAINED]
    kinds = [sorted("range" if isinstance(v, Range) else str(len(v)) for v in space.values()) for space in spaces]
    assert all(each == ["3", "3", "3", "range", "range"] for each in kinds)


@pytest.mark.parametrize("scheme", ["independent", "shared", "central", "vdn", "qmix"])
def test_what_is_searched_are_settings_of_the_scheme(scheme: str) -> None:
    space = space_of(SCHEMES[scheme])
    for values in space.values():
        if isinstance(values, Range):
            assert 0 < values.low < values.high
    for pick in (0, -1):
        changes = [f"{key}={[v.low, v.high][pick] if isinstance(v, Range) else v[pick]}" for key, v in space.items()]
        task_config("smoke", SCHEMES[scheme], tuned=changes)


def test_the_first_trial_is_the_task_as_it_stands_and_the_best_is_kept(training: Training, tmp_path: Path) -> None:
    tuned = tune(asked(8), tmp_path)
    own = task_config("smoke", SCHEMES["independent"]).learner
    assert training.tried[0]["learner.learning_rate"] == own.learning_rate
    assert training.tried[0]["learner.epochs"] == own.epochs
    best = max(training.tried, key=lambda s: s["learner.epochs"] - abs(s["learner.learning_rate"] - 1e-3) * 1e3)
    assert {key: float(f"{value:.6g}") for key, value in tuned.settings.items()} == best
    assert tuned.untuned is not None
    assert tuned.value >= tuned.untuned
    assert (tuned.trials, tuned.failed) == (8, 0)
    settings = tuned_settings(tmp_path, SCHEMES["independent"])
    config = task_config("smoke", SCHEMES["independent"], tuned=settings)
    assert config.learner.epochs == best["learner.epochs"]
    assert config.learner.learning_rate == pytest.approx(best["learner.learning_rate"])


def test_nobody_is_tuned_on_the_seeds_it_is_compared_on(training: Training, tmp_path: Path) -> None:
    tune(asked(2), tmp_path)
    assert {cell.seed for cell in training.cells} == {FIRST_SEED}
    assert FIRST_SEED > 100


def test_it_goes_on_where_it_stopped_and_draws_nothing_twice(training: Training, tmp_path: Path) -> None:
    tune(asked(3), tmp_path)
    tuned = tune(asked(5), tmp_path)
    assert tuned.trials == len(training.tried) == 5
    tune(asked(5), tmp_path)
    assert len(training.tried) == 5
    assert len({json.dumps(each) for each in training.tried}) == 5


@pytest.mark.parametrize("killed_in", [0, 1])
def test_a_trial_that_was_broken_off_is_done_again_and_not_counted(
    training: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_in: int
) -> None:
    """Broken by counting it among those that failed: the task as it stands was then never tried."""

    def killed(*arguments: Any) -> Any:
        found = training(*arguments)
        if len(training.tried) > killed_in:
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(tuning, "do_cell", killed)
    with pytest.raises(KeyboardInterrupt):
        tune(asked(3), tmp_path)
    monkeypatch.setattr(tuning, "do_cell", training)
    tuned = tune(asked(3), tmp_path)
    assert training.tried[killed_in] == training.tried[killed_in + 1]
    assert (tuned.trials, tuned.failed, len(training.tried)) == (3, 0, 4)
    assert tuned.untuned is not None


def test_a_search_goes_on_with_the_same_config_only(training: Training, tmp_path: Path) -> None:
    """Broken by knowing a task by its path alone."""
    task = tmp_path / "task.toml"
    shipped = Path("configs/smoke.toml").read_text()
    task.write_text(shipped)
    tune(Asked(str(task), SCHEMES["independent"], 1, 1, TERMS), tmp_path / "out")
    task.write_text(shipped.replace("worlds = 4", "worlds = 2"))
    with pytest.raises(BadInput, match="trials of independent are of another config: .*worlds = 2"):
        tune(Asked(str(task), SCHEMES["independent"], 2, 1, TERMS), tmp_path / "out")


def test_schemes_share_a_folder(training: Training, tmp_path: Path) -> None:
    tune(asked(2), tmp_path)
    tune(asked(2, "shared"), tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.toml")) == ["independent.toml", "shared.toml"]


def test_trials_that_fail_count_and_none_that_ends_is_an_error(training: Training, tmp_path: Path) -> None:
    training.fails = True
    with pytest.raises(FleetError, match="none of 2 trials of independent came to its end"):
        tune(asked(2), tmp_path)
    training.fails = False
    tuned = tune(asked(4), tmp_path)
    assert (tuned.trials, tuned.failed, tuned.untuned) == (4, 2, None)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (asked(0), "--trials 0; allowed are 1"),
        (asked(2, "greedy"), "scheme greedy has nothing to tune"),
        (Asked("smoke", SCHEMES["independent"], 2, 0, TERMS), "--seeds 0; allowed are 1"),
        (Asked("nowhere", SCHEMES["independent"], 2, 1, TERMS), "no config 'nowhere'"),
        (Asked("smoke", SCHEMES["independent"], 2, 1, Terms(parse_budget("10"), 4)), "less than one round"),
    ],
)
def test_nothing_is_begun_if_it_cant_be(wrong: Asked, said: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=said):
        tune(wrong, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_search_on_other_terms_is_refused(training: Training, tmp_path: Path) -> None:
    tune(asked(1), tmp_path)
    with pytest.raises(BadInput, match="budget is 4000 there, 8000 here"):
        tune(Asked("smoke", SCHEMES["independent"], 2, 1, Terms(parse_budget("8000"), 4)), tmp_path)
