"""The real fleet, from its command: same weights every way, killed learners, a killed supervisor, resume, stop."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from fleet.core.jsonl import read_jsonl
from fleet.core.ledger_file import audit
from tests.e2e.running import fleet, pids, rounds, until, weights

pytestmark = pytest.mark.e2e
SMOKE = ["run", "smoke", "--set", "run.patience_s=60"]
LONG = ["--rounds", "100000"]
ROUNDS = 6  # of the config smoke


def alive(processes: dict[str, int]) -> list[str]:
    return [
        name
        for name, pid in processes.items()
        if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    ]


def trained(tmp_path: Path, name: str, *arguments: str) -> Path:
    run = tmp_path / name
    done = fleet(*SMOKE, "--out", str(run), *arguments)
    assert done.returncode == 0, done.stderr
    return run


def rounds_of(run: Path) -> list[dict[str, Any]]:
    return read_jsonl(run / "metrics.jsonl")


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("smoke"), "run")


def test_lockstep_gives_the_same_weights_again_and_in_one_process(smoke: Path, tmp_path: Path) -> None:
    again = trained(tmp_path, "again")
    gated = trained(tmp_path, "gated", "--set", "learners.at_once=1")
    alone = trained(tmp_path, "alone", "--single-process")
    other = trained(tmp_path, "other", "--seed", "2", "--single-process")
    assert len(weights(smoke, ROUNDS)) == 4
    assert json.loads((smoke / "summary.json").read_text())["figures"]["round"] == 6
    assert weights(smoke, ROUNDS) == weights(again, ROUNDS) == weights(gated, ROUNDS) == weights(alone, ROUNDS)
    assert not set(weights(smoke, ROUNDS)) & set(weights(other, ROUNDS))
    moved, moved_alone = ([line.get("drift_others_kl") for line in rounds_of(run)] for run in (smoke, alone))
    assert moved == moved_alone != [None] * ROUNDS


def test_a_resumed_run_comes_to_the_weights_of_one_never_stopped(smoke: Path, tmp_path: Path) -> None:
    run = trained(tmp_path, "run", "--rounds", "2")
    done = fleet("run", "smoke", "--resume", str(run), "--set", "run.patience_s=60")
    assert done.returncode == 0, done.stderr
    assert weights(run, ROUNDS) == weights(smoke, ROUNDS)
    assert audit(run / "ledger.jsonl").balanced


@pytest.mark.parametrize("pacing", ["lockstep", "free"])
def test_a_killed_learner_comes_back_and_the_ledger_balances(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path, pacing: str
) -> None:
    run = tmp_path / "run"
    options = ["--set", f"run.pacing={pacing}", "--set", "learners.at_once=1"]  # the victim may be in the gate's way
    process = start(*SMOKE, "--out", str(run), "--rounds", "400", *options)
    until(lambda: rounds(run) >= 3)
    victim = pids(run)["learner-1"]
    os.kill(victim, signal.SIGKILL)
    until(lambda: pids(run).get("learner-1", victim) != victim)
    assert process.wait(120) == 0
    balance = audit(run / "ledger.jsonl")
    assert balance.balanced
    assert balance.total.unresolved == 0
    assert balance.robots[1].trained > 0
    assert fleet("audit", str(run)).returncode == 0
    assert not alive(pids(run))
    restarts = [event for event in read_jsonl(run / "events.jsonl") if event["event"] == "restart"]
    assert [event["process"] for event in restarts] == ["learner-1"]


def test_a_learner_whose_robot_is_stalled_dies_in_a_save_all_the_same(tmp_path: Path) -> None:
    """Broken on purpose: with a save only after a rollout, the stalled robot's learner, which gets none, never died."""
    plan = tmp_path / "plan.toml"
    plan.write_text('[[fault]]\nkind = "kill_in_save"\nrobots = [1]\nat_s = 0.5\nbody = "stalled"\n')
    run = tmp_path / "run"
    done = fleet(*SMOKE, "--out", str(run), "--rounds", "300", "--faults", str(plan), "--set", "run.pacing=free")
    assert done.returncode == 0, done.stderr
    assert [e["process"] for e in read_jsonl(run / "events.jsonl") if e["event"] == "recover"] == ["learner-1"]
    assert audit(run / "ledger.jsonl").balanced


def test_nothing_outlives_a_killed_supervisor(start: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start(*SMOKE, "--out", str(run), *LONG)
    until(lambda: rounds(run) >= 2)
    processes = pids(run)
    assert set(processes) >= {"zygote", "env_server", "learner-0", "learner-1", "learner-2"}
    os.kill(processes["learner-2"], signal.SIGSTOP)
    process.kill()
    process.wait()
    until(lambda: not alive(processes), within_s=2.0)
    balance = audit(run / "ledger.jsonl")
    assert balance.residual == 0
    assert not balance.violations


def test_stop_and_ctrl_c_end_a_run_cleanly(start: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    stopped, interrupted = tmp_path / "stopped", tmp_path / "interrupted"
    first = start(*SMOKE, "--out", str(stopped), *LONG)
    until(lambda: rounds(stopped) >= 1)
    status = fleet("status", str(stopped))
    assert status.returncode == 0
    assert "learner-0" in status.stdout
    assert fleet("stop", str(stopped)).returncode == 0
    assert first.wait(30) == 130
    second = start(*SMOKE, "--out", str(interrupted), *LONG)
    until(lambda: rounds(interrupted) >= 1)
    second.send_signal(signal.SIGINT)
    assert second.wait(30) == 130
    for run in (stopped, interrupted):
        balance = audit(run / "ledger.jsonl")
        assert balance.balanced
        assert balance.total.unresolved == 0
        assert not alive(pids(run))


def test_a_learner_killed_over_its_budget_is_given_up_and_the_others_go_on(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = start(*SMOKE, "--out", str(run), "--rounds", "60", "--set", "control.restarts=0")
    until(lambda: rounds(run) >= 2)
    os.kill(pids(run)["learner-0"], signal.SIGKILL)
    assert process.wait(120) == 0
    balance = audit(run / "ledger.jsonl")
    assert balance.balanced
    assert balance.withheld["learner_gone"] > 0
    assert rounds(run) == 60
