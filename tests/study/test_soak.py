"""What a soak draws, how it counts, and that its checks see what is broken. The soak itself: tests/e2e/test_soak.py."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from fleet.core.config.load import load_config
from fleet.core.config.write import to_toml
from fleet.core.errors import BadInput
from fleet.core.faults.kinds import KINDS
from fleet.core.faults.resolve import resolve
from fleet.core.ledger import RolloutName
from fleet.core.ledger_file import Ledger
from fleet.core.rundir import RunDirectory
from fleet.core.snapshots import LearnerStore
from fleet.study.prepare import prepare
from fleet.study.soak import checks
from fleet.study.soak.draw import APART_S, ordeal
from fleet.study.soak.soak import soak
from fleet.study.soak.tally import slope, tally

ROBOTS = 8


def drawn(seed: int, part: int = 0, seconds: float = 600.0):
    return ordeal(seed, part, robots=ROBOTS, seconds=seconds, mean_s=15.0)


def test_the_same_seed_draws_the_same_and_another_one_draws_otherwise():
    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert drawn(1) != drawn(1, part=1)


@pytest.mark.parametrize("seed", range(20))
def test_what_is_drawn_is_a_plan_that_a_run_takes(seed):
    config = prepare(load_config("soak", ["run.rounds=10000000"]))
    plan = drawn(seed).plan
    strikes = resolve(config.model_copy(update={"faults": plan}))
    assert len(strikes) == len(plan.fault) > 10


def test_a_soak_of_an_hour_has_faults_of_every_kind_that_one_can_draw_at_random():
    kinds = Counter(fault.kind for fault in drawn(3, seconds=3600.0).plan.fault)
    # who joins late or leaves for good makes the fleet smaller without breaking anything
    assert set(kinds) == set(KINDS) - {"join", "leave"}
    targets = {(fault.kind, fault.target) for fault in drawn(3, seconds=3600.0).plan.fault}
    assert {("kill", "env_server"), ("freeze", "zygote")} <= targets
    assert {live.verb for live in drawn(3, seconds=3600.0).live} == {"kill", "revive", "hang", "slow"}


def test_faults_come_about_as_often_as_asked():
    count = sum(len(drawn(seed).plan.fault) for seed in range(20))
    assert 20 * 600 / 15 * 0.6 < count < 20 * 600 / 15 * 1.2


def test_a_robot_is_left_alone_after_a_fault_of_its_own():
    last: dict[int, float] = {}
    for fault in drawn(5).plan.fault:
        if fault.target == "robots":
            (robot,) = fault.robots
            assert fault.at_s - last.get(robot, -100.0) >= APART_S - 0.01
            last[robot] = fault.at_s


def test_times_are_counted_by_kind_and_the_worst_is_kept():
    struck = {"event": "inject", "process": "learner-1", "number": 0, "kind": "kill", "target": "robots"}
    found = {"event": "declare", "process": "learner-1", "incarnation": 0, "number": 0, "inject": 1.0}
    back = {"event": "recover", "process": "learner-1", "incarnation": 2, "number": 0, "inject": 1.0}
    held = {"learner": 1, "incarnation": 0, "lost": 64}
    events = [
        {"event": "start", "process": "supervisor"},
        struck,
        {**found, "suspect": 1.1, "declare": 1.2},
        {"event": "fenced", "process": "env_server", "details": held},
        {**found, "incarnation": 1, "suspect": 1.5, "declare": 1.6},
        {**back, "suspect": 1.5, "declare": 1.6, "recover": 2.0},
        {"event": "start", "process": "supervisor"},
        {**struck, "process": "learner-2"},
        {**back, "process": "learner-2", "inject": 5.0, "suspect": 5.0, "declare": 5.0, "recover": 8.5},
        {"event": "inject", "process": "env_server", "number": 2, "kind": "kill", "target": "env_server"},
        {"event": "missed", "process": "learner-2", "number": 3, "kind": "hang", "target": "robots"},
    ]
    kinds = tally(events, {})
    kill = kinds["kill"]
    assert (kill.struck, kill.mended, kill.lost) == (2, 2, 64)
    assert (kill.suspect_s, kill.recover_s) == (pytest.approx(0.1), 3.5)
    assert (kinds["kill env_server"].struck, kinds["kill env_server"].mended) == (1, 0)
    assert (kinds["hang"].struck, kinds["hang"].missed) == (0, 1)


def test_the_slope_is_that_of_a_line_whatever_single_samples_do():
    line = [(float(at), 1_000_000 + 50 * at) for at in range(0, 200, 5)]
    spoiled = [(at, size if at % 50 else size // 3) for at, size in line]
    assert slope(line) == pytest.approx(50.0)
    assert slope(spoiled) == pytest.approx(50.0, rel=0.3)
    assert slope([(at - 100.0, size) for at, size in line]) == pytest.approx(50.0)
    assert slope(line[:5]) is None


@pytest.fixture
def directory(tmp_path):
    config = prepare(load_config("smoke"))
    with RunDirectory.create(tmp_path / "run", to_toml(config), ["fleet"]) as made:
        yield made


def test_a_rollout_trained_twice_is_seen(directory):
    """Broken on purpose: the ledger says of one rollout twice that it was trained."""
    name = RolloutName(0, 0, 0, 0)
    ledger = Ledger(directory.ledger)
    ledger.produced(0, 10, [(name, (0,))])
    assert checks.ledger_now(directory) == []
    assert checks.ledger_at_end(directory) == ["ledger: 10 agent-steps still in flight after the end"]
    ledger.trained([name], 1)
    assert checks.ledger_at_end(directory) == []
    ledger.trained([name], 2)
    ledger.close()
    assert len(checks.ledger_now(directory)) == 1


def test_a_checkpoint_that_nobody_can_load_is_seen(directory):
    """Broken on purpose: the newest checkpoint is cut short, then the one before it as well."""
    store = LearnerStore(directory.learner(0))
    for version in (1, 2):
        store.save(version, {}, {"version": version})
    os.truncate(store.path(2), 20)
    assert checks.checkpoints(directory, 1) == []
    store.save(2, {}, {"version": 2})
    for version in (1, 2):
        os.truncate(store.path(version), 20)
    assert len(checks.checkpoints(directory, 1)) == 1


def test_a_process_that_lives_on_is_seen_and_a_zombie_is_none():
    """Broken on purpose: a process that nobody has ended."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    assert checks.survivors([process.pid]) == [process.pid]
    os.kill(process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert checks.survivors([process.pid]) == []
    process.wait()
    assert checks.survivors([process.pid]) == []


def test_half_written_files_and_sockets_left_behind_are_seen(directory, tmp_path):
    """Broken on purpose: a temporary file and the folder of sockets are still there."""
    assert checks.leftovers(directory, tmp_path / "sockets") == []
    (directory.path / ".a.1-01234567.tmp").touch()
    (tmp_path / "sockets").mkdir()
    assert len(checks.leftovers(directory, tmp_path / "sockets")) == 2


def test_one_restart_too_many_is_seen():
    """Broken on purpose: six restarts within the window of five."""
    config = load_config("smoke")
    restarts = [{"event": "restart", "process": "learner-0", "at": 10.0 * at} for at in range(6)]
    assert checks.budget(restarts[:5], config) == []
    assert len(checks.budget(restarts, config)) == 1
    assert checks.budget([{**event, "brought_back": True} for event in restarts], config) == []
    assert checks.budget([{**event, "at": event["at"] * 10} for event in restarts], config) == []


def test_a_recovery_before_its_fault_is_seen():
    """Broken on purpose: suspected before it was struck."""
    good = {"event": "recover", "process": "learner-0", "inject": 1.0, "suspect": 1.0, "declare": 2.0, "recover": 3.0}
    assert checks.order([good, json.loads(json.dumps({**good, "suspect": None}))]) == []
    assert len(checks.order([{**good, "suspect": 0.5}])) == 1


@pytest.mark.parametrize("settings", [{"minutes": 0.0}, {"minutes": float("nan")}, {"every_s": 0.0}])
def test_a_soak_of_no_length_is_refused(settings):
    with pytest.raises(BadInput, match="allowed are"):
        soak(**{"minutes": 1.0, "seed": 1, **settings})


def test_a_soak_keeps_out_of_a_folder_that_is_there(tmp_path: Path):
    with pytest.raises(BadInput, match="exists already"):
        soak(minutes=1.0, seed=1, out=tmp_path)
