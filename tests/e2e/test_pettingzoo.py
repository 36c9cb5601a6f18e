"""A fleet in somebody else's task: trained, broken, and refused what it can't have."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from fleet.core.jsonl import read_jsonl
from tests.e2e.running import fleet, pids, rounds, until, weights

SMALL = [
    *("spread", "--set", "world.worlds=4", "--set", "learner.minibatch=50", "--set", "network.hidden=[16]"),
    *("--set", "checkpoint.every=2"),
]


def worker_pids(run: Path) -> list[int]:
    """The living workers of the present server; none while it comes and goes."""
    found = []
    with suppress(KeyError, psutil.NoSuchProcess):
        for child in psutil.Process(pids(run)["env_server"]).children():
            with suppress(psutil.NoSuchProcess):  # a zombie is one as well
                found += [child.pid] if "env_server.pettingzoo.worker" in child.cmdline() else []
    return found


def test_it_trains_the_same_with_and_without_processes(tmp_path: Path) -> None:
    """Also what it leaves is there to be played and started from, and not to be resumed."""
    trained = [*SMALL, "--rounds", "3", "--set", "eval.every=2"]
    for name, extra in (("fleet", "--set world.pettingzoo.workers=2"), ("alone", "--single-process")):
        ran = fleet("run", *trained, *extra.split(), "--out", str(tmp_path / name))
        assert ran.returncode == 0, ran.stdout + ran.stderr
    assert weights(tmp_path / "fleet", 3) == weights(tmp_path / "alone", 3)
    assert len(weights(tmp_path / "fleet", 3)) == 3
    line = read_jsonl(tmp_path / "fleet" / "metrics.jsonl")[1]
    manifest = tmp_path / "fleet" / "checkpoints" / "snapshots" / "round-00000002" / "manifest.json"
    score = json.loads(manifest.read_text())["evaluation"]["score"]
    assert score == pytest.approx(line["eval_return"], abs=1e-3)
    assert score < 0
    resumed = fleet("run", "--resume", str(tmp_path / "fleet"), "--rounds", "4")
    assert resumed.returncode == 2
    assert "can't be resumed: a foreign world" in resumed.stderr
    assert "--init-from" in resumed.stderr
    played = fleet("eval", str(tmp_path / "fleet"), "--episodes", "4", "--json")
    assert json.loads(played.stdout)["return"] < 0
    more_of_it = fleet(
        "run", *SMALL, "--rounds", "1", "--init-from", str(tmp_path / "fleet"), "--out", str(tmp_path / "next")
    )
    assert more_of_it.returncode == 0, more_of_it.stderr


def test_a_worker_that_is_killed_costs_a_server_life_and_nothing_is_left(
    start: Callable[..., "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    """Broken by leaving the workers of a killed server to themselves."""
    run = tmp_path / "run"
    process = start("run", *SMALL, "--rounds", "1000", "--out", str(run))
    until(lambda: rounds(run) >= 2 and worker_pids(run))
    server, workers = pids(run)["env_server"], worker_pids(run)
    os.kill(workers[0], signal.SIGKILL)
    until(lambda: pids(run).get("env_server", server) != server and len(worker_pids(run)) == len(workers))
    assert "was killed by signal 9" in (run / "logs" / "env_server.log").read_text()
    again = worker_pids(run)
    os.kill(pids(run)["env_server"], signal.SIGKILL)
    until(lambda: not any(psutil.pid_exists(pid) for pid in again), 20.0)  # nor a zombie
    before = rounds(run)
    until(lambda: rounds(run) > before + 1)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    summary = json.loads((run / "summary.json").read_text())
    assert summary["server_restarts"] == 2
    assert summary["ledger"]["balanced"]
    notes = [
        line.get("note")
        for line in read_jsonl(run / "events.jsonl")
        if (line["event"], line["process"]) == ("restart", "env_server")
    ]
    assert notes == ["its world can't give its state, and begins with fresh episodes"] * 2
