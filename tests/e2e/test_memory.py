"""What a learner that takes nothing in costs the environment server: its credit in memory, and no more."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from fleet.core.ledger_file import audit
from tests.e2e.running import pids, rounds, until

pytestmark = pytest.mark.e2e
SETTINGS = {
    "run.pacing": "free",
    "world.worlds": 32,
    "learner.rollout_steps": 512,
    "learner.epochs": 1,
    "learner.minibatch": 16384,
    "control.dead_after_s": 600,
    "checkpoint.every": 1000,
}
ROUNDS = 40


def test_a_learner_that_reads_nothing_costs_the_server_its_credit_and_no_more(
    start: Callable[..., "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    """Broken on purpose: with `Session.can_send` true for whoever is READY, the server grew by 16 rollouts."""
    run = tmp_path / "run"
    settings = [f"--set={key}={value}" for key, value in SETTINGS.items()]
    process = start("run", "smoke", "--rounds", "100000", "--out", str(run), *settings)
    until(lambda: rounds(run) >= 10)
    server = psutil.Process(pids(run)["env_server"])
    before = server.memory_full_info().uss
    os.kill(pids(run)["learner-1"], signal.SIGSTOP)
    reached = rounds(run)
    until(lambda: rounds(run) >= reached + ROUNDS)
    grown = server.memory_full_info().uss - before
    process.send_signal(signal.SIGINT)
    process.wait(30)
    balance = audit(run / "ledger.jsonl")
    assert balance.balanced
    sent = json.loads((run / "summary.json").read_text())["figures"]["wire_sent_bytes"]
    rollout = sent / (balance.total.produced - balance.total.withheld) * 32 * 512
    assert rollout > 500_000
    assert grown <= rollout + 0.1 * before
    assert balance.withheld["no_credit"] >= (ROUNDS - 2) * 32 * 512
