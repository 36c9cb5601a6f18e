"""A centralized learner in a process of its own: the weights of one process alone, and a run that outlives it."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pytest

from fleet.core.config.load import load_config
from fleet.core.config.write import to_toml
from fleet.core.jsonl import read_jsonl
from fleet.core.ledger_file import audit
from fleet.core.rundir import RunDirectory
from fleet.study.prepare import prepare
from fleet.study.reference import SingleProcess
from tests.e2e.running import fleet, pids, rounds, until, weights

pytestmark = pytest.mark.e2e
PLAN = """
[[fault]]
kind = "offline"
body = "towed"
robots = [1]
round = 1
rounds = 2

[[fault]]
kind = "kill"
robots = [0, 1, 2]
round = 3
rounds = 1
"""


def settings(algorithm: str) -> list[str]:
    return ["mapping=central", f"learner.algorithm={algorithm}", "run.patience_s=60"]


def options(algorithm: str, *more: str) -> list[str]:
    return [part for setting in (*settings(algorithm), *more) for part in ("--set", setting)]


@pytest.mark.parametrize(("algorithm", "more"), [("mappo", ()), ("joint", ("learners.policies=float16",))])
def test_comes_to_the_weights_of_one_process_alone(tmp_path: Path, algorithm: str, more: tuple[str, ...]) -> None:
    done = fleet("run", "smoke", "--out", str(tmp_path / "fleet"), *options(algorithm, *more))
    assert done.returncode == 0, done.stderr
    config = prepare(load_config("smoke", [*settings(algorithm), *more]))
    with RunDirectory.create(tmp_path / "alone", to_toml(config), []) as directory:
        SingleProcess(directory, config).run()
    assert weights(tmp_path / "fleet", 6) == weights(tmp_path / "alone", 6)
    assert audit(tmp_path / "fleet" / "ledger.jsonl").balanced
    lines = read_jsonl(tmp_path / "fleet" / "metrics.jsonl")
    assert all(line["learners"]["0"]["waited_s"] >= 0 for line in lines)


@pytest.mark.parametrize("algorithm", ["mappo", "joint"])
def test_a_towed_robot_and_a_killed_learner_do_not_change_from_run_to_run(tmp_path: Path, algorithm: str) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN)
    for name in ("a", "b"):
        done = fleet("run", "smoke", "--out", str(tmp_path / name), "--faults", str(plan), *options(algorithm))
        assert done.returncode == 0, done.stderr
        assert audit(tmp_path / name / "ledger.jsonl").balanced
    assert weights(tmp_path / "a", 6) == weights(tmp_path / "b", 6)
    assert audit(tmp_path / "a" / "ledger.jsonl").robots[1].withheld > 0


def test_a_run_goes_on_after_its_learner_was_killed(tmp_path: Path, start: "Callable[..., Popen[str]]") -> None:
    run = tmp_path / "run"
    process = start("run", "smoke", "--out", str(run), *options("mappo", "run.rounds=60"))
    until(lambda: rounds(run) >= 3)
    os.kill(pids(run)["learner-0"], signal.SIGKILL)
    assert process.wait(90) == 0
    assert rounds(run) == 60
    assert audit(run / "ledger.jsonl").balanced
    restarts = [event["process"] for event in read_jsonl(run / "events.jsonl") if event["event"] == "restart"]
    assert restarts == ["learner-0"]
