"""More learners than start at once, and some of them killed: all come up, the ledger balances, nothing is left."""

import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from fleet.core.jsonl import read_jsonl
from fleet.core.ledger_file import audit
from fleet.study.bench.scale import floor_of
from tests.e2e.running import COMMAND, pids, rounds, until

pytestmark = pytest.mark.e2e
ROBOTS, VICTIMS = 60, (3, 40, 59)
SETTINGS = ["world.worlds=2", "network.hidden=[8]", "learner.rollout_steps=16", "learner.epochs=1"]


def test_sixty_learners_start_train_die_and_end(tmp_path: Path) -> None:
    run = tmp_path / "run"
    options = [f"--set={setting}" for setting in (*floor_of(ROBOTS), *SETTINGS)]
    command = [*COMMAND, "run", "warehouse1000", "--out", str(run), *options]
    process = subprocess.Popen([*command, "--rounds", "100000"], stdout=subprocess.DEVNULL)

    def told(name: str) -> list[str]:
        path = run / "events.jsonl"
        return [line["process"] for line in read_jsonl(path) if line["event"] == name] if path.exists() else []

    try:
        until(lambda: rounds(run) >= 2)
        until(lambda: len(told("ready")) == ROBOTS + 2)
        processes = pids(run)
        for victim in VICTIMS:
            os.kill(processes[f"learner-{victim}"], signal.SIGKILL)
        until(lambda: len(told("recover")) == len(VICTIMS))
        # the last ones to be ready may have been dealt nothing yet: rounds go on with nine tenths of all
        until(lambda: sum(figures.trained > 0 for figures in audit(run / "ledger.jsonl").robots.values()) == ROBOTS)
    finally:
        process.send_signal(signal.SIGINT)
        status = process.wait(60)
    assert status == 130
    assert sorted(told("recover")) == sorted(f"learner-{victim}" for victim in VICTIMS)
    assert sorted(told("declare")) == sorted(told("recover")), "somebody else was taken for dead"
    balance = audit(run / "ledger.jsonl")
    assert balance.balanced
    assert balance.total.unresolved == 0
    assert len(balance.robots) == ROBOTS
    assert not [name for name, pid in processes.items() if psutil.pid_exists(pid)]
