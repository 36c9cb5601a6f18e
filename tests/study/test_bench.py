"""Each benchmark at a tiny scale: its mechanics work, its figures fit together. How fast is nobody's concern here."""

import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from env_server.warehouse.setup import build_floor
from fleet.commands.main import main
from fleet.control.status import ProcessStatus, Status
from fleet.core.config.load import load_config
from fleet.core.errors import BadInput, FleetError
from fleet.study.bench import bench
from fleet.study.bench import planners as bench_planners
from fleet.study.bench import scale as bench_scale
from fleet.study.bench import start as bench_start
from fleet.study.bench import train as bench_train
from fleet.study.bench import trained as bench_trained
from fleet.study.bench import wire as bench_wire
from fleet.study.bench import world as bench_world
from fleet.study.bench.bench import Measured, Row
from fleet.study.bench.scale_plot import plot, points
from fleet.study.prepare import prepare

SMALL = ["world.robots=2", "network.hidden=[8]"]


def by_name(measured: Measured) -> Mapping[str, Row]:
    rows = {row.name: row for row in measured.rows}
    assert len(rows) == len(measured.rows)
    assert all(math.isfinite(row.value) and row.unit for row in measured.rows)
    assert all(row.ratio is None or (row.against and math.isfinite(row.ratio)) for row in measured.rows)
    assert measured.how
    return rows


@pytest.mark.slow
def test_world_compares_with_rware_and_by_number_of_robots() -> None:
    rows = by_name(bench_world.measure(copies=2, tiny_copies=2, robots=(2, 4), blocks=2, block_s=0.002))
    assert set(rows) == {
        "world_40_robots",
        "world_tiny_2ag",
        "world_dispatch_4_robots",
        "world_dispatch_40_robots",
        "world_cost_2_robots",
        "world_cost_4_robots",
    }
    assert rows["world_40_robots"].against.startswith("rware 2.0.0: ")
    assert rows["world_cost_2_robots"].ratio == 1.0
    two, four = rows["world_cost_2_robots"], rows["world_cost_4_robots"]
    assert four.ratio == pytest.approx(four.value / two.value)


@pytest.mark.slow
def test_planners_are_timed_from_their_first_step_on() -> None:
    rows = by_name(bench_planners.measure(robots=(3, 5), steps=4, parts=2))
    names = [f"{name}_{count}_robots" for name in ("greedy", "pibt") for count in (3, 5)]
    assert list(rows) == [row for name in names for row in (f"{name}_first", name)]
    assert all(row.value > 0 for row in rows.values())
    (forty, _) = bench_planners._planned("pibt", 40, steps=1, parts=1)
    assert forty.against == "1 ms wanted"
    assert forty.ratio == pytest.approx(forty.value)


@pytest.mark.slow
def test_both_worlds_are_the_same_floor_and_get_the_same_actions() -> None:
    made = []
    warehouse = bench_world._rware()

    def keep(config):
        made.append(warehouse(config))
        return made[-1]

    config = bench_world._config(4, 3, bench_world.TINY)
    actions = bench_world._actions(config)
    seen = []
    stepper = bench_world.theirs(keep, config, actions)
    [env] = made
    step = env.step
    env.step = lambda joint: seen.append(list(joint)) or step(joint)
    assert stepper(3) == 3 * 4
    assert seen == actions[2:5, :, 0].tolist()
    assert env.grid_size == (11, 10)
    assert bench_world.ours(config, actions)(3) == 3 * 4 * 3


def test_without_rware_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rware.warehouse", None)
    with pytest.raises(BadInput, match=r"pip install 'fleet\[test\]'"):
        bench_world.measure()


@pytest.mark.slow
def test_start_has_every_learner_ready_and_weighed() -> None:
    rows = by_name(bench_start.measure(config="smoke", overrides=SMALL))
    assert set(rows) == {
        "start_2",
        "start_2_memory_median",
        "start_2_memory_max",
        "start_zygote_warm",
        "start_zygote_memory",
    }
    assert 0 < rows["start_zygote_warm"].value < rows["start_2"].value
    assert 1 < rows["start_2_memory_median"].value <= rows["start_2_memory_max"].value
    assert rows["start_2"].against.startswith("2 spawned: ")


@pytest.mark.slow
def test_start_gives_up_on_learners_that_are_late() -> None:
    with pytest.raises(FleetError, match="0 of 2 learners ready after 0.01 s"):
        bench_start.measure(config="smoke", overrides=SMALL, timeout_s=0.01)


@pytest.mark.slow
def test_wire_counts_the_bytes_of_a_rounds_messages() -> None:
    measured = bench_wire.measure(config="smoke", overrides=SMALL, blocks=2, block_rollouts=5, window=2, round_s=0.5)
    rows = by_name(measured)
    assert set(rows) == {"wire", "wire_share", "wire_processor", "wire_rollout", "wire_policy"}
    config = prepare(load_config("smoke", SMALL))
    arrays = bench_wire.rollout_like(config, bench_wire.make_world(config.world).spec, (0,))
    size = sum(value.nbytes for value in vars(arrays).values() if isinstance(value, np.ndarray))
    assert 0 < rows["wire_rollout"].value - size < 1000
    moved = 2 * (rows["wire_rollout"].value + rows["wire_policy"].value)
    assert rows["wire_share"].value == pytest.approx(moved / rows["wire"].value)
    assert rows["wire_share"].ratio == pytest.approx(rows["wire_share"].value / 0.5)


def test_drawn_rollouts_have_the_ends_of_episodes_that_real_ones_have() -> None:
    config = prepare(load_config("smoke", ["world.worlds=10", "learner.rollout_steps=20", "world.max_steps=50"]))
    batch = bench_wire.rollout_like(config, bench_wire.make_world(config.world).spec, (0, 2))
    assert batch.truncated.sum() == 2 * 10 * 20 / 50
    assert len(batch.final_obs) == batch.truncated.sum()
    assert batch.obs.shape[:3] == (2, 21, 10)


@pytest.mark.slow
def test_train_measures_a_run_and_its_shares_add_up() -> None:
    rows = by_name(bench_train.measure(config="smoke", overrides=SMALL, rounds=3, dropped=1, sgemm_s=0.01))
    parts = [rows[f"train_{name}"] for name in (*bench_train.PARTS, "other")]
    assert {"train_smoke", "train_memory_peak", "train_policy_lag", "train_work", "train_sgemm"} <= set(rows)
    assert sum(part.ratio for part in parts) == pytest.approx(1.0)
    assert all(part.ratio >= 0 for part in parts)
    possible = rows["train_sgemm"].value * 1e6 / rows["train_work"].value
    assert rows["train_smoke"].ratio == pytest.approx(rows["train_smoke"].value / possible)
    assert 0.05 < rows["train_memory_peak"].value < 3.0


def test_work_counts_a_trunk_once_and_no_gradient_for_the_observation() -> None:
    settings = ["network.hidden=[8]", "learner.epochs=2", "learner.rollout_steps=10", "world.max_steps=20"]
    config = prepare(load_config("smoke", settings))
    features = bench_train.make_world(config.world).spec.observation_size
    first, policy, value = features * 8, 8 * 5, 8 * 1
    values = 1 + 1 / 10 + 1 / 20
    epochs = 2 * (3 * (2 * first + policy + value) - 2 * first)
    separate = 2 * (first + policy + values * (first + value) + epochs)
    assert bench_train.work_per_agent_step(config) == pytest.approx(separate)
    shared = prepare(load_config("smoke", [*settings, "network.share_trunk=true"]))
    epochs = 2 * (3 * (first + policy + value) - first)
    assert bench_train.work_per_agent_step(shared) == pytest.approx(
        2 * (first + policy + values * (first + value) + epochs)
    )


def test_a_run_is_watched_between_its_measured_rounds() -> None:
    clock = iter([0.0, 10.0, 14.0, 20.0])
    watch = bench_trained.Watch(first=2, last=4, clock=lambda: next(clock))
    for round_, busy in ((1, 1.0), (2, 5.0), (4, 8.0), (5, 30.0)):
        watch.look(status(round_, busy))
    assert watch.busy() == ({"learner-0": 3.0}, 4.0)


def status(round_: int, busy: float) -> Status:
    process = ProcessStatus("learner-0", None, "up", 0, 0, 0, 0, busy)
    return Status("running", round_, 9, 0.0, None, 0, None, None, None, 1, 1, None, 0, 0, (process,), {})


def test_json_is_the_machine_and_the_rows(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [Row("a", 2.0, "s"), Row("b", 3.0, "s", "other: 6 s", 0.5)]
    monkeypatch.setattr(bench_world, "measure", lambda: Measured("how", rows))
    assert main(["bench", "world", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert set(printed) == {"machine", "how", "rows"}
    assert printed["rows"][0] == {"name": "a", "value": 2.0, "unit": "s", "against": None, "ratio": None}
    assert printed["rows"][1]["ratio"] == 0.5
    assert main(["bench", "world"]) == 0
    out = capsys.readouterr().out
    assert "0.500 x" in out
    assert "how" in out


def test_an_unknown_benchmark_is_bad_input() -> None:
    with pytest.raises(BadInput, match="world, planners, start, wire, faults, train, scale, peers"):
        bench.measure("nonsense")


def test_each_fleet_has_as_much_floor_for_each_robot() -> None:
    for robots in bench_scale.COUNTS:
        world = load_config("warehouse1000", bench_scale.floor_of(robots)).world
        floor = build_floor(world)
        assert floor.cells / robots == pytest.approx(bench_scale.CELLS, rel=0.15)
        assert len(floor.goals) == robots // 2
    assert load_config("warehouse1000", bench_scale.floor_of(1000)) == load_config("warehouse1000")


def test_scale_sets_each_fleet_against_the_smallest_and_draws_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleets = {
        10: bench_scale.Scaled(10, wall_us=20.0, cpu_us=30.0, learner=9e6, memory=500e6, ready_s=5.0),
        40: bench_scale.Scaled(40, wall_us=22.0, cpu_us=36.0, learner=9e6, memory=800e6, ready_s=8.0),
    }
    monkeypatch.setattr(bench_scale, "scale", lambda robots, *_: fleets[robots])
    measured = bench_scale.measure(counts=(10, 40))
    rows = {row.name: row for row in measured.rows}
    assert rows["scale_10_cpu"].ratio == 1.0
    assert (rows["scale_40_cpu"].value, rows["scale_40_cpu"].ratio) == (36.0, pytest.approx(1.2))
    assert (rows["scale_40_memory"].value, rows["scale_40_memory"].ratio) == (20.0, pytest.approx(0.4))
    assert points(measured.rows, "scale", "cpu") == {10: 30.0, 40: 36.0}
    plot(measured.rows, tmp_path / "scale.png")
    assert (tmp_path / "scale.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.e2e
def test_scale_measures_a_real_fleet() -> None:
    small = ["world.worlds=2", "learner.rollout_steps=512", "learner.epochs=1", "network.hidden=[8]"]
    fleet = bench_scale.scale(3, small, enough=30)
    assert fleet.wall_us > 0
    assert fleet.cpu_us > 0
    assert 2e6 < fleet.learner < fleet.memory < 2e9
    assert fleet.ready_s > 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--robots", "10"], "--robots is for `fleet bench scale` alone"),
        (["scale", "--robots", "10,x"], "--robots 10,x: allowed are numbers from 1 to 1000"),
        (["scale", "--robots", "2000"], "allowed are numbers from 1 to 1000"),
        (["scale", "--plot", "a.gif"], "--plot a.gif: allowed are names that end in .png"),
    ],
)
def test_what_bench_scale_is_asked_for_is_checked(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *arguments]) == 2
    assert words in capsys.readouterr().err
