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


def train(out: Path, *extra: str) -> Path:
    settings = ("--rounds", "3", "--set", "eval.every=2", "--set", "eval.episodes=2")
    ran = fleet("run", *SMALL, *settings, *extra, "--out", str(out))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return out


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("trained") / "run", "--set", "world.pettingzoo.workers=2")


def test_it_trains_the_same_with_and_without_processes(trained: Path, tmp_path: Path) -> None:
    """Broken by seeds drawn from the worker's number."""
    alone = train(tmp_path / "alone", "--single-process", "--set", "world.pettingzoo.workers=1")
    assert weights(trained, 3) == weights(alone, 3)
    assert len(weights(trained, 3)) == 3


def test_its_policies_are_scored_played_and_started_from_but_not_resumed(trained: Path, tmp_path: Path) -> None:
    """Broken by scoring deliveries, of which there are none, and by a snapshot that tries to hold the world."""
    line = read_jsonl(trained / "metrics.jsonl")[1]
    manifest = trained / "checkpoints" / "snapshots" / "round-00000002" / "manifest.json"
    score = json.loads(manifest.read_text())["evaluation"]["score"]
    assert score == pytest.approx(line["eval_return"], abs=1e-3)
    assert score < 0
    resumed = fleet("run", "--resume", str(trained), "--rounds", "4")
    assert resumed.returncode == 2
    assert "can't be resumed: a foreign world" in resumed.stderr
    assert "--init-from" in resumed.stderr
    played = fleet("eval", str(trained), "--episodes", "2", "--json")
    assert json.loads(played.stdout)["return"] < 0
    assert "deliveries" not in played.stdout + (trained / "summary.json").read_text()
    measured = fleet("degrade", str(trained), "--offline", "1", "--seeds", "2", "--episodes", "1")
    assert (measured.returncode, measured.stdout) == (2, "")
    assert "nothing is delivered in its world" in measured.stderr
    train(tmp_path / "next", "--single-process", "--init-from", str(trained))
    for baseline in ("auto", str(trained)):
        refused = fleet("run", *SMALL, "--baseline", baseline, "--out", str(tmp_path / "faulty"))
        assert (refused.returncode, refused.stdout.count("round")) == (2, 0)
        assert "nothing is delivered in this world" in refused.stderr


def test_a_worker_that_is_killed_costs_a_server_life_and_nothing_is_left(
    start: Callable[..., "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    """Broken by leaving the workers of a killed server to themselves, and by dismissing learners after an error."""
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
    restarts = [line for line in read_jsonl(run / "events.jsonl") if line["event"] == "restart"]
    assert [line["process"] for line in restarts] == ["env_server"] * 2  # and no learner was told that all was done
    assert [line.get("note") for line in restarts] == [
        "its world can't give its state, and begins with fresh episodes"
    ] * 2
