"""A fleet of which one robot never learns: the weights of the single-process run, also when its process is killed."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from fleet.core.ledger_file import audit
from tests.e2e.running import COMMAND, fleet, pids, rounds, until, weights

pytestmark = pytest.mark.e2e
FROZEN = ["--set", "learners.frozen=[1]", "--set", "run.patience_s=60"]


def test_processes_and_the_single_process_come_to_the_same(tmp_path: Path) -> None:
    first = fleet("run", "smoke", "--out", str(tmp_path / "first"))
    assert first.returncode == 0, first.stderr
    half = ["--set", "learners.policies=float16"]  # which nobody may see in one place and not in the other
    start = ["run", "smoke", "--init-from", str(tmp_path / "first"), *FROZEN, *half]
    for name, options in {"fleet": [], "alone": ["--single-process"]}.items():
        done = fleet(*start, "--out", str(tmp_path / name), *options)
        assert done.returncode == 0, done.stderr
        assert "of frozen robots" in done.stdout
        balance = audit(tmp_path / name / "ledger.jsonl")
        assert balance.balanced
        assert balance.withheld == {"frozen": balance.total.produced // 3}
    assert weights(tmp_path / "fleet", 6) == weights(tmp_path / "alone", 6)
    assert len(weights(tmp_path / "fleet", 6)) == 4


def test_a_frozen_robots_process_may_die_at_any_time(tmp_path: Path) -> None:
    """It comes back with the policy that it had, nobody waits for it, and the others come to the same weights."""
    run, length = tmp_path / "run", 200
    options = [*FROZEN, "--rounds", str(length), "--set", f"checkpoint.every={length}"]
    with (tmp_path / "output").open("w") as output:
        process = subprocess.Popen(
            [*COMMAND, "run", "smoke", "--out", str(run), *options], stdout=output, stderr=output
        )
    try:
        until(lambda: rounds(run) >= 5)
        os.kill(pids(run)["learner-1"], signal.SIGKILL)
        until(lambda: "learner-1" in pids(run))
        status = fleet("status", str(run))
        assert "robots frozen" in status.stdout
        assert process.wait(120) == 0, (tmp_path / "output").read_text()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(30)
    summary = json.loads((run / "summary.json").read_text())
    (fault,) = summary["cost"]["faults"]
    assert (fault["lost"], fault["updates_lost"], fault["withheld"], summary["cost"]["withheld"]) == (0, 0, 0, {})
    assert summary["restarts"] == {"learner-1": 1}
    again = fleet("replay", str(run), "--out", str(tmp_path / "again"))
    assert again.returncode == 0, again.stderr
    quiet = fleet("run", "smoke", "--out", str(tmp_path / "quiet"), *options, "--single-process")
    assert quiet.returncode == 0, quiet.stderr
    learned = [weights(tmp_path / name, length) for name in ("run", "again", "quiet")]
    assert learned[0] == learned[1] == learned[2]
    manifest = run / "checkpoints" / "snapshots" / f"round-{length:08d}" / "manifest.json"
    assert json.loads(manifest.read_text())["exact"]
