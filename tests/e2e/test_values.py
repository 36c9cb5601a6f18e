"""Value decomposition in real processes: one centralized learner with a memory, resumed, and killed."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fleet.core.ledger_file import audit
from tests.e2e.running import fleet, pids, rounds, until, weights

pytestmark = pytest.mark.e2e
SETTINGS = [
    *("run.patience_s=60", "mapping=central", "network.observation_scaling=running"),
    *("replay.capacity=1000", "replay.warmup=200", "replay.batch=32", "replay.steps_per_update=4"),
]
SMOKE = ["run", "smoke", *(word for setting in SETTINGS for word in ("--set", setting))]
ROUNDS = 10  # 132 rows of the memory each, and a few more: it comes round


def trained(run: Path, *arguments: str) -> Path:
    done = fleet(*SMOKE, *arguments)
    assert done.returncode == 0, done.stderr
    assert audit(run / "ledger.jsonl").balanced
    return run


def new(run: Path, algorithm: str, *arguments: str) -> Path:
    return trained(run, "--out", str(run), "--set", f"learner.algorithm={algorithm}", *arguments)


@pytest.mark.parametrize("algorithm", ["vdn", "qmix"])
def test_the_same_weights_and_memory_in_processes_in_one_and_resumed(tmp_path: Path, algorithm: str) -> None:
    last = ["--rounds", str(ROUNDS)]
    processes = new(tmp_path / "processes", algorithm, *last)
    alone = new(tmp_path / "alone", algorithm, *last, "--single-process")
    resumed = new(tmp_path / "resumed", algorithm, "--rounds", "6")
    trained(resumed, "--resume", str(resumed), "--set", f"learner.algorithm={algorithm}", *last)
    found = weights(processes, ROUNDS)
    assert len(found) == 2
    assert found == weights(alone, ROUNDS) == weights(resumed, ROUNDS)
    assert fleet("eval", str(processes), "--episodes", "1").returncode == 0


def test_the_centralized_learner_killed_comes_back_and_the_ledger_balances(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = start(*SMOKE, "--set", "learner.algorithm=vdn", "--out", str(run), "--rounds", "400")
    until(lambda: rounds(run) >= 3)
    victim = pids(run)["learner-0"]
    os.kill(victim, signal.SIGKILL)
    until(lambda: pids(run).get("learner-0", victim) != victim)
    assert process.wait(120) == 0
    balance = audit(run / "ledger.jsonl")
    assert balance.balanced
    assert balance.total.unresolved == 0
    assert rounds(run) == 400
