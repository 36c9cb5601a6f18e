"""`fleet compare`: what is asked for is checked first, cells are done once, and the figures are what they say."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fleet.control.ending import Outcome
from fleet.core.config import Config
from fleet.core.config.load import load_plan
from fleet.core.config.write import to_toml
from fleet.core.errors import BadInput, FleetError
from fleet.core.faults.kinds import KINDS
from fleet.core.rundir import RunDirectory
from fleet.core.snapshots import SnapshotStore
from fleet.study.compare import cell as cells
from fleet.study.compare import compare as comparing
from fleet.study.compare import training
from fleet.study.compare.budget import Budget, parse_budget, rounds_of
from fleet.study.compare.cell import Cell, Terms, cell_config
from fleet.study.compare.compare import Asked, compare
from fleet.study.compare.curve import curve, reached, seconds, speed
from fleet.study.compare.faulted import Plan
from fleet.study.compare.interval import spread
from fleet.study.compare.plot import plot_scale, plot_training
from fleet.study.compare.results import Results
from fleet.study.compare.schemes import SCHEMES, find_scheme, fitting, task_config, tuned_settings
from fleet.study.compare.summary import summarize
from fleet.study.compare.traffic import traffic
from fleet.study.compare.training import seconds_kept
from fleet.study.run import Finished

TERMS = Terms(parse_budget("4000"), episodes=4)


def line(round_: int, wall_s: float, deliveries: float) -> dict[str, Any]:
    return {
        "round": round_,
        "agent_steps": 100 * round_,
        "wall_s": wall_s,
        "deliveries_per_1000": deliveries,
        "reward_per_step": 0.5,
        "trained_per_s": 100 / wall_s,
        "world_s": wall_s / 4,
        "acting_s": wall_s / 4,
    }


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("2e6", Budget(agent_steps=2_000_000)),
        ("384", Budget(agent_steps=384)),
        ("10min", Budget(minutes=10)),
        ("0.5min", Budget(minutes=0.5)),
    ],
)
def test_a_budget_is_agent_steps_or_minutes(text: str, budget: Budget) -> None:
    assert parse_budget(text) == budget
    assert parse_budget(str(budget)) == budget


@pytest.mark.parametrize("text", ["", "0", "-5", "ten", "5h", "1e99", "nan", "inf", "0min"])
def test_no_budget_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="allowed are agent-steps such as 2e6"):
        parse_budget(text)


def test_a_budget_below_one_round_is_refused_and_a_round_begun_counts_whole() -> None:
    config = task_config("smoke", SCHEMES["independent"])
    assert rounds_of(config, Budget(agent_steps=384), "smoke") == 1
    assert rounds_of(config, Budget(agent_steps=385), "smoke") == 2
    with pytest.raises(BadInput, match=r"--budget 383 is less than one round of smoke; allowed are 384"):
        rounds_of(config, Budget(agent_steps=383), "smoke")


def test_a_scheme_changes_who_learns_and_how_and_nothing_else() -> None:
    independent = task_config("smoke", SCHEMES["independent"])
    shared = task_config("smoke", SCHEMES["shared"])
    central = task_config("smoke", SCHEMES["central"])
    assert (independent.mapping, shared.mapping, central.mapping) == ("per-robot", "shared", "central")
    assert central.learner.algorithm == "mappo"
    assert independent.world == shared.world == central.world
    assert independent.network == shared.network == central.network


def test_seeds_differ_in_the_seed_alone_and_a_linear_step_size_ends_with_the_budget() -> None:
    first, second = (cell_config(Cell("warehouse40", "independent", k), Terms(parse_budget("1e6"), 4)) for k in (0, 1))
    assert (first.run.seed, second.run.seed) == (1, 2)
    assert first.model_copy(update={"run": second.run}) == second
    assert first.learner.lr_horizon == first.run.rounds == 7


@pytest.mark.parametrize(
    ("scheme", "task", "said"),
    [
        ("planner", "smoke", "no scheme 'planner'; there are independent, iql, shared, central"),
        ("joint", "warehouse40", "algorithm = .joint. with 40 robots; allowed are 1 to 8"),
        ("greedy", "rware-tiny-4ag", 'scheme greedy on rware-tiny-4ag: planners follow orders, and dispatch = "off"'),
        ("independent", "nowhere", "no config 'nowhere'"),
    ],
)
def test_what_a_task_cant_take_is_refused(scheme: str, task: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        task_config(task, find_scheme(scheme))


def test_unasked_all_schemes_are_taken_that_fit() -> None:
    assert {scheme.name for scheme in fitting("rware-tiny-4ag")} >= {"independent", "shared", "random"}
    assert not {scheme.name for scheme in fitting("rware-tiny-4ag")} & {"greedy", "pibt"}
    assert "joint" not in {scheme.name for scheme in fitting("warehouse40")}


def test_tuned_settings_are_read_and_say_only_how_a_learner_learns(tmp_path: Path) -> None:
    (tmp_path / "shared.toml").write_text('[learner]\nlearning_rate = 0.002\nlr_schedule = "linear"\n')
    tuned = tuned_settings(tmp_path, SCHEMES["shared"])
    config = task_config("smoke", SCHEMES["shared"], tuned=tuned)
    assert (config.learner.learning_rate, config.learner.lr_schedule) == (0.002, "linear")
    assert tuned_settings(tmp_path, SCHEMES["independent"]) == ()
    for table, key in (("world", "robots"), ("network", "hidden"), ("run", "rounds"), ("learner", "rollout_steps")):
        (tmp_path / "shared.toml").write_text(f"[{table}]\n{key} = 2\n")
        with pytest.raises(BadInput, match=rf"{table}\.{key} is not the settings' to say"):
            tuned_settings(tmp_path, SCHEMES["shared"])
    with pytest.raises(BadInput, match="no such folder"):
        tuned_settings(tmp_path / "none", SCHEMES["shared"])


def test_bytes_are_counted_into_the_busiest_process_and_across_robots() -> None:
    figures = {
        "wire_agent_steps": 1000,
        "agent_steps": 9999,  # of a life before counted too, which the counters don't
        "wire_sent_bytes": 40_100,
        "wire_received_bytes": 8_000,
        "wire_sent_rollout_bytes": 40_000,
        "wire_sent_welcome_bytes": 100,
        "wire_received_policy_bytes": 8_000,
    }
    alone = traffic(figures, [(0,), (1,), (2,), (3,)])
    together = traffic(figures, [(0, 1, 2, 3)])
    pairs = traffic(figures, [(0, 1), (2,), (3,)])
    assert alone is not None
    assert together is not None
    assert pairs is not None
    assert alone.total == together.total == pytest.approx(48.1)
    assert alone.by_kind == {"policy": 8.0, "rollout": 40.0, "welcome": 0.1}
    assert (alone.busiest, alone.busiest_name, alone.across) == (pytest.approx(10.025), "learner", 0.0)
    assert (together.busiest, together.across) == (pytest.approx(40.1), pytest.approx(48.1))
    assert together.mbit_per_s == pytest.approx(48.1 * 10 * 8 / 1e6)
    assert pairs.across == pytest.approx(24.05)
    assert traffic({}, [(0,)]) is None


def test_many_small_learners_make_the_server_the_busiest() -> None:
    figures = {"wire_agent_steps": 10, "wire_sent_rollout_bytes": 100, "wire_received_policy_bytes": 20}
    found = traffic(figures, [(robot,) for robot in range(10)])
    assert found is not None
    assert (found.busiest, found.busiest_name) == (2.0, "env_server")


def test_a_curve_says_what_was_reached_where() -> None:
    lines = [line(k + 1, 2.0 if k < 5 else 1.0, float(k)) for k in range(10)]
    found = curve(lines)
    assert found["agent_steps"] == [100.0 * k for k in range(1, 11)]
    assert found["wall_s"] == [2, 4, 6, 8, 10, 11, 12, 13, 14, 15]
    assert reached(found, "agent_steps", 1000) == 9.0
    assert reached(found, "agent_steps", 600) == 5.0
    assert reached(found, "wall_s", 10) == 4.0
    assert reached(found, "wall_s", 16) is None
    assert reached({"agent_steps": [], "deliveries": []}, "agent_steps", 1) is None
    ended = [line(1, 1.0, 0.0), line(2, 1.0, 0.0) | {"episode_return": -4.0}, line(3, 1.0, 0.0)]
    assert curve(ended)["return"] == [0.0, -4.0, -4.0]
    assert reached(curve(ended), "agent_steps", 300, "return") == -4.0
    thin = curve(lines, points=2)
    assert thin["deliveries"] == [2.0, 7.0]
    assert thin["agent_steps"] == [500.0, 1000.0]


def test_rounds_that_were_thinned_out_count_with_the_line_after_them() -> None:
    lines = [line(1, 2.0, 1.0), line(4, 3.0, 1.0), line(5, 1.0, 1.0)]
    assert seconds(lines) == 2.0 + 3 * 3.0 + 1.0
    assert curve(lines)["wall_s"] == [2.0, 11.0, 12.0]


def test_speed_leaves_out_the_start_and_shares_add_up() -> None:
    lines = [line(1, 50.0, 0), line(2, 50.0, 0), line(3, 1.0, 0), line(4, 3.0, 0)]
    found = speed(lines)
    assert found["overall_per_s"] == pytest.approx(200 / 4)
    assert found["world_share"] == found["acting_share"] == pytest.approx(0.25)
    assert sum(value for name, value in found.items() if name.endswith("_share")) == pytest.approx(1.0)


@pytest.mark.slow
def test_the_interval_covers_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    found = [spread(rng.normal(3.0, 1.0, 40).tolist()) for _ in range(200)]
    covered = np.mean([each is not None and (each.low or 0) <= 3.0 <= (each.high or 0) for each in found])
    assert 0.9 <= covered <= 0.98
    alone = spread([2.0])
    assert alone is not None
    assert (alone.mean, alone.low, alone.high) == (2.0, None, None)
    outlier = spread([1.0, 2.0, 3.0, 1000.0])
    assert outlier is not None
    assert outlier.interquartile == 2.5
    few = spread([1.0, 2.0, 1000.0])
    assert few is not None
    assert few.interquartile is None
    assert spread([]) is None


def test_results_are_kept_and_others_are_refused(tmp_path: Path) -> None:
    results = Results(tmp_path / "out", {"budget": "10"})
    assert results.get("a", "text") is None
    assert results.keep("a", "text", lambda: {"x": 1})["x"] == 1
    again = Results(tmp_path / "out", {"budget": "10"})
    assert again.get("a", "text") == {"status": "done", "x": 1, "settings": "text"}
    with pytest.raises(BadInput, match="got with other settings"):
        again.get("a", "other text")
    with pytest.raises(BadInput, match="budget is 10 there, 11 here; name another folder"):
        Results(tmp_path / "out", {"budget": "11"})


def test_what_failed_is_kept_as_failed_and_tried_again(tmp_path: Path) -> None:
    def fail() -> dict[str, Any]:
        raise FleetError("it broke")

    results = Results(tmp_path, {})
    assert results.keep("a", "text", fail)["error"] == "it broke"
    assert json.loads((tmp_path / "cells" / "a.json").read_text())["status"] == "failed"
    assert results.get("a", "text") is None
    assert (
        results.keep("b", "text", lambda: {"x": 1 // 0})["error"]
        == "ZeroDivisionError: integer division or modulo by zero"
    )
    assert "1 // 0" in json.loads((tmp_path / "cells" / "b.json").read_text())["traceback"]


@pytest.mark.parametrize("part", ["smoke-independent-0", "smoke-independent-0-quiet", "smoke-independent-0-faulted"])
def test_a_training_of_another_config_is_refused_and_not_taken_for_this_one(tmp_path: Path, part: str) -> None:
    """Broken by looking at the results' files alone: a training may be done whose result was never written."""
    other = to_toml(task_config("smoke", SCHEMES["independent"], ("learner.learning_rate=0.123",)))
    (tmp_path / "runs").mkdir()
    RunDirectory.create(tmp_path / "runs" / part, other, ["fleet"]).close()
    plan = Plan("faults.toml", load_plan("configs/comparison/faults.toml"))
    with pytest.raises(BadInput, match=rf"{part}: a training of another config: .*learning_rate is 0.123 there"):
        compare(Asked(("smoke",), ("independent", "random"), 1, TERMS, plan), tmp_path)


def test_time_counts_up_to_what_a_killed_training_goes_on_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken by counting rounds that are trained again."""
    assert seconds_kept(tmp_path / "none") == 0.0
    text = to_toml(task_config("smoke", SCHEMES["independent"]))
    with RunDirectory.create(tmp_path / "run", text, ["fleet"]) as run:
        run.metrics.write_text("".join(json.dumps(line(k + 1, 2.0, 0.0)) + "\n" for k in range(7)))
        assert seconds_kept(run.path) == 0.0
        monkeypatch.setattr(SnapshotStore, "newest", lambda _: SimpleNamespace(round=4))
        assert seconds_kept(run.path) == 8.0
        run.write_json("summary.json", {"outcome": "interrupted"})
        assert seconds_kept(run.path) == 14.0


def test_a_training_killed_when_its_time_was_up_is_ended_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken by looking at the time alone: a killed training has no summary, and its figures could never be had."""
    ended = []
    monkeypatch.setattr(cells, "train", lambda _, place, look: ended.append(place))
    monkeypatch.setattr(cells, "figures", lambda *_: {})
    monkeypatch.setattr(cells, "_evaluate", lambda *_: {})
    monkeypatch.setattr(cells, "seconds_kept", lambda _: 61.0)
    cell, place = Cell("smoke", "independent", 0), tmp_path / "smoke-independent-0"
    place.mkdir()
    cells.do_cell(cell, Terms(Budget(minutes=1), 4), tmp_path, lambda *_: None)
    assert ended == [place]
    (place / "summary.json").write_text("{}")
    cells.do_cell(cell, Terms(Budget(minutes=1), 4), tmp_path, lambda *_: None)
    assert ended == [place]


def test_a_folder_that_was_never_finished_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken by opening it: it isn't a run's folder yet, and the cell would fail for ever."""
    (tmp_path / "run" / "logs").mkdir(parents=True)
    begun = []

    def fake(config: Config, place: Path, on_status: Any) -> Finished:
        begun.append(place.exists())
        return Finished(place, Outcome("done", ""))

    monkeypatch.setattr(training, "run", fake)
    training.train(task_config("smoke", SCHEMES["independent"]), tmp_path / "run", lambda status: True)
    assert begun == [False]


@pytest.mark.parametrize(
    ("task", "done", "goes_on"), [("smoke", 5, True), ("smoke", 6, False), ("spread", 5, False), ("spread", 6, False)]
)
def test_a_training_that_cant_go_on_is_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, done: int, goes_on: bool
) -> None:
    """Broken by resuming it: it has no round left, or a foreign world, so that was refused, and the cell failed."""
    config, resumed = task_config(task, SCHEMES["independent"], ("run.rounds=6",)), []
    RunDirectory.create(tmp_path / "run", to_toml(config), ["fleet"]).close()
    monkeypatch.setattr(SnapshotStore, "newest", lambda _: SimpleNamespace(round=done))
    monkeypatch.setattr(training, "run", lambda *_, **__: Finished(tmp_path, Outcome("done", "")))
    monkeypatch.setattr(
        training, "resume", lambda *_, **__: resumed.append(1) or Finished(tmp_path, Outcome("done", ""))
    )
    training.train(config, tmp_path / "run", lambda status: True)
    assert (bool(resumed), (tmp_path / "run").exists()) == (goes_on, goes_on)


def test_where_all_failed_there_is_still_a_picture(tmp_path: Path) -> None:
    done = {(part, "smoke", "shared", 0): {"status": "failed", "error": "it broke"} for part in ("train", "scale")}
    plot_training(done, "smoke", tmp_path / "a.png")
    plot_scale(done, tmp_path / "b.png")
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "b.png"}


def test_one_schemes_crash_leaves_the_others_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = []

    def fake(cell: Cell, terms: Terms, folder: Path, on_progress: Callable[..., None]) -> dict[str, Any]:
        if cell.scheme == "shared":
            raise FleetError("a learner died")
        done.append(cell.name)
        return {"agent_steps": 0, "wall_s": 0.0, "evaluation": {"deliveries_per_1000": 1.0, "return": 2.0}}

    monkeypatch.setattr(comparing, "do_cell", fake)
    asked = Asked(("smoke",), ("shared", "independent", "random"), 2, TERMS)
    (task,) = summarize(compare(asked, tmp_path))
    by_name = {scheme.scheme: scheme for scheme in task.schemes}
    assert by_name["shared"].failed == ("a learner died", "a learner died")
    assert by_name["shared"].deliveries is None
    assert by_name["independent"].seeds == by_name["random"].seeds == 2
    assert done == ["smoke-independent-0", "smoke-random-0", "smoke-independent-1", "smoke-random-1"]
    compare(Asked(("smoke",), ("independent", "random"), 3, TERMS), tmp_path)
    assert done[4:] == ["smoke-independent-2", "smoke-random-2"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Asked(("smoke", "smoke"), (), 1, TERMS), "task smoke is named twice"),
        (Asked(("smoke",), ("random", "random"), 1, TERMS), "scheme random is named twice"),
        (Asked(("smoke",), (), 0, TERMS), "--seeds 0; allowed are 1 to 100"),
        (Asked(("smoke",), ("qmax",), 1, TERMS), "no scheme 'qmax'"),
        (Asked(("smoke",), ("independent",), 1, Terms(Budget(agent_steps=10), 4)), "less than one round of smoke"),
        (Asked((), (), 1, TERMS), "no task"),
        (Asked(("smoke",), ("random",), 1, TERMS, robots=(2,)), "allowed are schemes that are trained"),
    ],
)
def test_nothing_is_begun_if_any_of_it_cant_be(asked: Asked, said: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=said):
        compare(asked, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_shipped_plan_has_the_three_faults_that_the_table_is_of() -> None:
    kinds = [fault.kind for fault in load_plan(Path("configs/comparison/faults.toml")).fault]
    assert kinds == ["offline", "kill", "cut"]
    assert all(kind in KINDS for kind in kinds)


@pytest.mark.slow
def test_a_real_comparison_goes_on_where_it_stopped(tmp_path: Path) -> None:
    seen: list[str] = []

    def on_cell(at: int, total: int, name: str, what: str, share: float) -> None:
        if name not in seen:
            seen.append(name)

    asked = Asked(("smoke",), ("independent", "greedy", "random"), 1, TERMS)
    done = compare(asked, tmp_path, on_cell)
    (task,) = summarize(done)
    independent, greedy, random = task.schemes
    assert independent.deliveries is not None
    assert greedy.deliveries is not None
    assert random.deliveries is not None
    assert greedy.deliveries.mean > random.deliveries.mean
    assert task.steps == 11 * 384
    assert independent.traffic is not None
    assert independent.traffic["across"] == 0.0
    assert independent.traffic["by_kind"]["rollout"] > independent.traffic["by_kind"]["welcome"] > 0
    (tmp_path / "cells" / "smoke-greedy-0.json").unlink()
    (tmp_path / "cells" / "smoke-independent-0.json").unlink()  # as if broken off while it was evaluated
    seen.clear()
    (again,) = summarize(compare(asked, tmp_path, on_cell))
    assert seen == ["smoke-independent-0", "smoke-greedy-0"]
    assert [replace(scheme, memory_bytes=None) for scheme in again.schemes] == [
        replace(scheme, memory_bytes=None) for scheme in task.schemes
    ]
