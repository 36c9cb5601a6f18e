"""Each way in which a process of a run can be lost, with real processes really killed, stopped or stuck."""

import os
import signal
import time
from typing import Any

import pytest

from fleet.core.ledger_file import audit
from fleet.core.rundir import RunDirectory
from fleet.core.snapshots import LearnerStore, SnapshotStore
from tests.control.supervising import (
    Steps,
    all_up,
    back,
    config,
    events,
    heard,
    process,
    say,
    seen,
    signal_to,
    starts,
    supervise,
    touch,
)

pytestmark = pytest.mark.e2e


def snapshot(directory: RunDirectory, round_: int, damaged: bool = False) -> None:
    store = SnapshotStore(directory.snapshots)
    folder = store.begin(round_)
    LearnerStore(folder).save(0, {}, {}).rename(folder / "world.safetensors")
    if damaged:
        content = bytearray((folder / "world.safetensors").read_bytes())
        content[-1] ^= 1
        (folder / "world.safetensors").write_bytes(content)
    store.commit(round_, {"agent_steps": round_ * 10, "versions": {}})


# The server


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_lost_server_is_replaced_and_the_learners_go_on(directory: RunDirectory, number: signal.Signals) -> None:
    """Broken by giving up at once, as before; by starting the next life in the same life; by restarting learners."""
    pids: dict[str, int] = {}

    def strike(_: Any, status: Any) -> None:
        pids.update({item.name: item.pid for item in status.processes})
        os.kill(pids["env_server"], number)

    def finish(_: Any, status: Any) -> None:
        assert process(status, "learner-0").pid == pids["learner-0"]
        (directory.path / "finish").touch()

    recovered = seen(directory, "recover", "env_server")
    steps = Steps((all_up, strike), (lambda status: back("env_server")(status) and recovered(status), finish))
    assert supervise(directory, config(2), steps).exit_status == 0
    first, second = starts(directory)
    [recover] = events(directory, "recover", "env_server")
    assert (first["life"], second["life"]) == (0, 1)
    assert first["goes_on_at"] is None
    assert second["goes_on_at"] > 0
    assert second["agent_steps"] == second["goes_on_at"] * 10
    assert directory.read_json("manifest.json")["life"] == 1
    assert recover["cause"] == ("server_died" if number == signal.SIGKILL else "server_frozen")
    assert recover["suspect"] <= recover["declare"] < recover["recover"]
    summary = directory.read_json("summary.json")
    assert (summary["server_restarts"], summary["restarts"]) == (1, {})
    assert summary["ledger"]["balanced"]
    assert summary["ledger"]["lost_by_reason"] == {recover["cause"]: 10, "done": 10}


def test_a_new_life_knows_what_the_one_before_knew(directory: RunDirectory) -> None:
    """Broken by passing on the newest version itself for one that is online: it could not publish what it has."""
    (directory.path / "learner-2").write_text("crash")
    gone = seen(directory, "failed", "learner-2")
    steps = Steps(
        (lambda status: gone(status) and process(status, "learner-1").phase == "up", touch(directory, "train", "7")),
        (lambda _: audit(directory.ledger).total.trained == 10, signal_to("learner-1", signal.SIGKILL)),
        (back("learner-1"), touch(directory, "crash", "once")),
        (back("env_server"), touch(directory, "finish")),
    )
    assert supervise(directory, config(3, restarts=1), steps).exit_status == 0
    second = starts(directory)[1]
    assert second["fences"] == {"0": -1, "1": 0, "2": 1}
    assert second["accepted"]["0"] == 6
    assert second["gone"] == [2]


def test_a_server_goes_on_from_the_newest_snapshot_that_loads(directory: RunDirectory) -> None:
    snapshot(directory, 2)
    snapshot(directory, 4, damaged=True)
    steps = Steps((all_up, touch(directory, "crash", "once")), (back("env_server"), touch(directory, "finish")))
    assert supervise(directory, config(1), steps).exit_status == 0
    [restart] = events(directory, "restart", "env_server")
    assert starts(directory)[1]["snapshot"].endswith("round-00000002")
    assert "round-00000004" in restart["note"]


def test_a_server_over_its_budget_fails_the_run_and_its_rollouts_are_accounted_for(directory: RunDirectory) -> None:
    """Broken by allowing one restart more."""
    outcome = supervise(directory, config(2, restarts=2), Steps((all_up, touch(directory, "crash"))))
    ledger = directory.read_json("summary.json")["ledger"]
    assert outcome.exit_status == 1
    assert "status 7" in outcome.reason
    assert "2 of 2 restarts" in outcome.reason
    assert "the server's last words" in outcome.reason
    assert [start["life"] for start in starts(directory)] == [0, 1, 2]
    assert ledger["lost_by_reason"] == {"server_died": 30}
    assert ledger["balanced"]


def test_a_server_that_never_was_up_fails_the_run_at_once(directory: RunDirectory) -> None:
    (directory.path / "broken").touch()
    outcome = supervise(directory, config(1), Steps())
    assert outcome.exit_status == 1
    assert "no way to start" in outcome.reason
    assert len(starts(directory)) == 1


def test_a_learner_lost_together_with_the_server_comes_back_and_neither_blames_the_other(
    directory: RunDirectory,
) -> None:
    """A second fault during recovery. Broken by dropping what was to be told once the next life has been started."""

    def kill_both(_: Any, status: Any) -> None:
        for name in ("learner-0", "env_server", "zygote"):
            os.kill(process(status, name).pid, signal.SIGKILL)

    def told() -> bool:
        return starts(directory)[1]["fences"]["0"] == 0 or "lost 0 0 learner_died" in heard(directory)

    def both_back(status: Any) -> bool:
        return all(back(name)(status) for name in ("learner-0", "env_server", "zygote")) and told()

    steps = Steps((all_up, kill_both), (both_back, touch(directory, "finish")))
    assert supervise(directory, config(2), steps).exit_status == 0
    assert directory.read_json("summary.json")["restarts"] == {"learner-0": 1}


# The zygote


def test_a_frozen_zygote_is_noticed_without_being_asked_for_anything(directory: RunDirectory) -> None:
    """Broken by not pinging it: it would be missed only with the next restart of a learner."""
    steps = Steps((all_up, signal_to("zygote", signal.SIGSTOP)), (back("zygote"), touch(directory, "finish")))
    assert supervise(directory, config(1), steps).exit_status == 0
    [recover] = events(directory, "recover", "zygote")
    assert recover["cause"] == "zygote_frozen"
    assert directory.read_json("summary.json")["zygote_restarts"] == 1


# Learners


def test_a_stuck_learner_is_suspected_killed_and_replaced(directory: RunDirectory) -> None:
    """Its heartbeats go on. Broken by judging silence alone."""
    steps = Steps(
        (all_up, touch(directory, "learner-0", "stuck")),
        (seen(directory, "stuck", "learner-0"), touch(directory, "learner-0", "run")),
        (seen(directory, "recover", "learner-0"), touch(directory, "finish")),
    )
    assert supervise(directory, config(1), steps).exit_status == 0
    [stuck] = events(directory, "stuck")
    assert 1.0 < stuck["silent_s"] < 3.0
    assert heard(directory) == ["lost 0 0 learner_stuck"]
    [recover] = events(directory, "recover", "learner-0")
    assert recover["suspect"] < recover["declare"] < recover["recover"]


def test_a_learner_that_waits_is_never_stuck(directory: RunDirectory) -> None:
    """Broken by counting time without work."""
    later = [0.0]

    def waited(status: Any) -> bool:
        later[0] = later[0] or time.monotonic() + 2.5
        return time.monotonic() > later[0]

    steps = Steps((all_up, touch(directory, "learner-0", "idle")), (waited, touch(directory, "finish")))
    assert supervise(directory, config(1), steps).exit_status == 0
    assert not events(directory, "suspect", "learner-0")
    assert not events(directory, "restart")


@pytest.mark.parametrize("behaviour", ["idle", "run"])
def test_an_unanswered_learner_is_unreachable_only_if_it_is_not_at_work(
    directory: RunDirectory, behaviour: str
) -> None:
    """Broken by believing the server alone."""
    (directory.path / "learner-0").write_text(behaviour)
    later = [0.0]

    def ask(*_: Any) -> None:
        later[0] = time.monotonic() + 0.6
        say(directory, "unanswered", learner=0, incarnation=0, waited_s=20.0, wait=3)(None, None)

    def waited(_: Any) -> bool:
        return time.monotonic() > later[0]

    recovered = seen(directory, "recover", "learner-0")
    steps = Steps(
        (all_up, ask),
        (waited, ask),
        (lambda status: recovered(status) or waited(status), touch(directory, "finish")),
    )
    assert supervise(directory, config(1), steps).exit_status == 0
    assert heard(directory) == (["lost 0 0 learner_unreachable"] if behaviour == "idle" else [])


def test_a_learner_that_the_server_refuses_is_replaced_and_an_earlier_one_is_not_meant(
    directory: RunDirectory,
) -> None:
    recovered = seen(directory, "recover", "learner-0")
    steps = Steps(
        (all_up, say(directory, "refused", learner=0, incarnation=0, reason="nan")),
        (recovered, say(directory, "refused", learner=0, incarnation=0, reason="nan")),
        (seen(directory, "refused", count=2), touch(directory, "finish")),
    )
    assert supervise(directory, config(1), steps).exit_status == 0
    assert heard(directory) == ["lost 0 0 policy_refused"]
    assert directory.read_json("summary.json")["restarts"] == {"learner-0": 1}


def test_what_was_counted_lost_is_in_no_checkpoint_that_is_restored(directory: RunDirectory) -> None:
    """Broken by taking the newest checkpoint, whatever the server had accepted."""
    store = LearnerStore(directory.learner(0))
    kept = store.save(5, {}, {})
    store.save(6, {}, {})
    (directory.path / "accepted-0").write_text("5")
    steps = Steps((all_up, signal_to("learner-0", signal.SIGKILL)), (back("learner-0"), touch(directory, "finish")))
    assert supervise(directory, config(1), steps).exit_status == 0
    assert events(directory, "restart", "learner-0")[0]["checkpoint"] == str(kept)
    assert store.versions() == [5]


def test_a_restart_waits_for_the_server_only_so_long(directory: RunDirectory) -> None:
    """Broken by waiting for ever: the learner would never come back."""
    (directory.path / "silent").touch()
    steps = Steps((all_up, signal_to("learner-0", signal.SIGKILL)), (back("learner-0"), touch(directory, "finish")))
    assert supervise(directory, config(1), steps).exit_status == 0
    [declare], [restart] = events(directory, "declare", "learner-0"), events(directory, "restart", "learner-0")
    assert 1.0 <= restart["at"] - declare["declare"] < 2.0


def test_the_harness_says_what_it_costs(directory: RunDirectory) -> None:
    supervise(directory, config(1), Steps((all_up, touch(directory, "finish"))))
    summary = directory.read_json("summary.json")
    cost = summary["harness"]
    assert summary["faults_injected"] == 0
    assert 0 < cost["supervisor_cpu_s"] < cost["run_cpu_s"]
    assert 0 <= cost["drill_cpu_s"] < 0.1 * cost["run_cpu_s"]
