"""What studies are made of that put one task under many values of a setting: its files, figures of updates, words."""

import math
import os
from pathlib import Path

import pytest

from fleet.commands.compared import with_interval
from fleet.core.config.load import load_config
from fleet.core.errors import BadInput
from fleet.study.compare.curve import of_updates, over_rounds
from fleet.study.compare.interval import Spread
from fleet.study.compare.tasks import write_task


def test_a_task_is_its_config_with_the_changes(tmp_path: Path) -> None:
    path = write_task("smoke", ["world.robots=2", "replay.capacity=5000"], tmp_path / "two.toml")
    assert path == tmp_path / "two.toml"
    assert load_config(str(path)) == load_config("smoke", ["world.robots=2", "replay.capacity=5000"])


def test_a_task_is_written_anew_only_if_it_says_something_else(tmp_path: Path) -> None:
    path = write_task("smoke", ["world.robots=2"], tmp_path / "task.toml")
    path.write_text("# looked at\n" + path.read_text())
    os.utime(path, (1, 1))
    write_task("smoke", ["world.robots=2"], path)
    assert path.stat().st_mtime == 1
    write_task("smoke", ["world.robots=1"], path)
    assert load_config(str(path)).world.robots == 1


def test_no_task_is_written_of_what_is_no_config(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"replay\.capacity"):
        write_task("smoke", ["replay.capacity=0"], tmp_path / "task.toml")
    assert not (tmp_path / "task.toml").exists()


def test_a_figure_of_updates_is_the_mean_over_learners_that_had_it() -> None:
    lines = [
        {"round": 1, "learners": {"0": {"age": 1.0}, "1": {"age": 4.0}}},
        {"round": 2, "learners": {"0": {"loss": 9.0}, "1": {"age": 3.0}}},
        {"round": 3, "learners": {"0": {"loss": 9.0}}},
        {"round": 4, "learners": {}},
    ]
    found = of_updates(lines, "age")
    assert found[:2] == [2.5, 3.0]
    assert all(map(math.isnan, found[2:]))


def test_a_mean_over_rounds_counts_what_a_line_stands_for_and_leaves_unknown_ones_out() -> None:
    lines = [{"round": 1}, {"round": 4}, {"round": 5}]  # rounds 2 and 3 were thinned out
    assert over_rounds(lines, [9.0, 2.0, 1.0]) == pytest.approx((9 + 2 + 2 + 2 + 1) / 5)
    assert over_rounds(lines, [math.nan, 2.0, 1.0]) == pytest.approx((2 + 2 + 2 + 1) / 4)
    assert over_rounds(lines, [math.nan] * 3) is None


def test_a_mean_is_said_with_its_interval_if_it_has_one() -> None:
    assert with_interval(Spread(4.104, 3.9, 4.24, None, (4.0, 4.2))) == "4.10 (3.90 to 4.24)"
    assert with_interval(Spread(-0.00412, -0.005, -0.003, None, (0.0, 0.1)), 4) == "-0.0041 (-0.0050 to -0.0030)"
    assert with_interval(Spread(4.104, None, None, None, (4.104,))) == "4.10"
    assert with_interval(None) == "-"
