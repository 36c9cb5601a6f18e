"""The handoff task through the commands that know nothing of it."""

import json
from pathlib import Path

import pytest

from tests.e2e.running import fleet, weights

pytestmark = pytest.mark.e2e
SMALL = ["--set", "world.worlds=4", "--set", "learner.rollout_steps=32", "--set", "world.handoff.pairs=2"]


def trained(run: Path, *arguments: str) -> Path:
    done = fleet("run", *arguments, "--out", str(run))
    assert done.returncode == 0, done.stderr
    return run


def test_it_trains_the_same_in_processes_and_in_one_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    run = trained(tmp_path / "run", "handoff", "--rounds", "3", *SMALL)
    alone = trained(tmp_path / "alone", "handoff", "--rounds", "3", *SMALL, "--single-process")
    stopped = trained(tmp_path / "stopped", "handoff", "--rounds", "1", *SMALL)
    done = fleet("run", "--resume", str(stopped), "--rounds", "3")
    assert done.returncode == 0, done.stderr
    assert len(weights(run, 3)) == 5, "four robots and the world"
    assert weights(run, 3) == weights(alone, 3) == weights(stopped, 3)


def test_its_policies_are_evaluated_and_filmed(tmp_path: Path) -> None:
    run = trained(tmp_path / "run", "handoff", "--rounds", "1", *SMALL, "--single-process")
    done = fleet("eval", str(run), "--episodes", "2", "--offline", "1", "--json")
    assert json.loads(done.stdout)["deliveries_per_1000"] >= 0
    assert fleet("render", str(run), "--out", str(tmp_path / "film.gif"), "--steps", "3").returncode == 0
    assert (tmp_path / "film.gif").stat().st_size > 500
    planned = fleet("eval", str(run), "--actor", "greedy", "--episodes", "2")
    assert planned.returncode == 2
    assert "no orders that a planner could follow" in planned.stderr
