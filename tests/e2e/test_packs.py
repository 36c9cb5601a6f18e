"""Packed learners in real processes: the weights that single ones come to, also when faults strike; dead together."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fleet.core.checkpoint import load_arrays
from fleet.core.config.load import load_config
from fleet.core.config.write import to_toml
from fleet.core.jsonl import read_jsonl
from fleet.core.ledger_file import audit
from fleet.core.rundir import RunDirectory
from fleet.core.snapshots import SnapshotStore, learner_file
from fleet.study.prepare import prepare
from fleet.study.reference import SingleProcess

pytestmark = pytest.mark.e2e
PACKED = "learners.per_process=2"
PLAN = """
[[fault]]
kind = "offline"
body = "stalled"
robots = [1]
round = 1
rounds = 2

[[fault]]
kind = "kill"
robots = {killed}
round = 3
rounds = 1
"""


def trained(path: Path, *arguments: str) -> Path:
    command = [sys.executable, "-m", "fleet.commands.main", "run", "smoke", "--out", str(path), *arguments]
    done = subprocess.run(
        [*command, "--set", "run.patience_s=60"], capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr
    assert audit(path / "ledger.jsonl").balanced
    return path


def robots(path: Path, packed: bool) -> list[dict[str, np.ndarray]]:
    """Everything that was saved of each of the three robots."""
    folder = SnapshotStore(RunDirectory.open(path).snapshots).get(6).folder
    files = [load_arrays(folder / learner_file(k))[0] for k in range(2 if packed else 3)]
    places = [(0, 0), (0, 1), (1, 0)]
    return [{name: array[place] for name, array in files[k].items()} for k, place in places] if packed else files


def same(a: list[dict[str, np.ndarray]], b: list[dict[str, np.ndarray]]) -> bool:
    return all(
        x.keys() == y.keys() and all(np.array_equal(x[name], y[name]) for name in x) for x, y in zip(a, b, strict=True)
    )


def test_packs_come_to_the_weights_of_single_learners_in_one_process(tmp_path: Path) -> None:
    run = trained(tmp_path / "packed", "--set", PACKED)
    config = prepare(load_config("smoke"))
    with RunDirectory.create(tmp_path / "alone", to_toml(config), []) as directory:
        SingleProcess(directory, config).run()
    assert same(robots(run, packed=True), robots(tmp_path / "alone", packed=False))


def test_a_stalled_robot_and_a_killed_process_of_a_pack(tmp_path: Path) -> None:
    """The same as if its robots' single learners had been killed, all of them.

    Broken on purpose: when only the pack's own version went on after a restart, the members drew other orders.
    """
    packed, single = tmp_path / "packed.toml", tmp_path / "single.toml"
    packed.write_text(PLAN.format(killed="[0]"))
    single.write_text(PLAN.format(killed="[0, 1]"))
    together = trained(tmp_path / "packed", "--faults", str(packed), "--set", PACKED)
    apart = trained(tmp_path / "single", "--faults", str(single))
    assert same(robots(together, packed=True), robots(apart, packed=False))

    faults = json.loads((together / "summary.json").read_text())["cost"]["faults"]
    assert [(fault["kind"], fault["robots"]) for fault in faults] == [("offline", [1]), ("kill", [0, 1])]
    assert faults[1]["lost"] == 2 * 32 * 4
    restarts = [event["process"] for event in read_jsonl(together / "events.jsonl") if event["event"] == "restart"]
    assert restarts == ["learner-0"]
    offline = audit(together / "ledger.jsonl").robots[1].withheld
    assert offline == audit(apart / "ledger.jsonl").robots[1].withheld > 0
