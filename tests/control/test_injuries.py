"""What a fault plan or a person does to the processes of a run, and how they come back, with real processes.

The environment server is a fake one that says what a plan's strikes are due when a test has it say so.
"""

import os
import signal
import time
from typing import Any

import pytest

from fleet.core.control_channel import ControlClient
from fleet.core.messages import Command, Reply
from fleet.core.rundir import RunDirectory
from fleet.core.snapshots import LearnerStore
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
    supervise,
    touch,
)

pytestmark = pytest.mark.e2e


def due(directory: RunDirectory, begin: list[int], end: list[int] | None = None, **accepted: int) -> Any:
    about = {"moment": "during", "begin": begin, "end": end or []}
    return say(directory, "due", round=3, accepted={name[1:]: version for name, version in accepted.items()}, **about)


def asked(directory: RunDirectory, verb: str, **arguments: Any) -> Any:
    def ask(*_: Any) -> None:
        client = ControlClient(directory.control_endpoint(), directory.run, "cli", 0)
        client.send(Command(directory.run, verb, arguments))
        replies = [message for message in client.receive(0.0) if isinstance(message, Reply)]
        clients.append(client)
        assert replies == []

    clients: list[ControlClient] = []
    ask.clients = clients  # type: ignore[attr-defined]
    return ask


def phase(name: str, wanted: str) -> Any:
    return lambda status: process(status, name).phase == wanted


def number_of(directory: RunDirectory, number: int, process_name: str) -> dict[str, dict[str, Any]]:
    """That fault's lines by event, of one process."""
    lines = {name: events(directory, name, process_name) for name in ("inject", "suspect", "declare", "recover")}
    return {name: line for name, found in lines.items() for line in found if line.get("number") == number}


def test_a_planned_loss_lasts_until_its_round_whatever_else_breaks_and_costs_no_budget(
    directory: RunDirectory,
) -> None:
    """Broken by deciding about a held robot as about any other, and by starting all learners with a new server."""
    plan = [{"kind": "kill", "robots": [0], "round": 3, "rounds": 5}]

    def break_more(_: Any, status: Any) -> None:
        for name in ("env_server", "zygote"):
            os.kill(process(status, name).pid, signal.SIGKILL)

    def mended(status: Any) -> bool:
        return all(back(name)(status) for name in ("env_server", "zygote"))

    def end(_: Any, status: Any) -> None:
        assert process(status, "learner-0").phase == "away"
        assert process(status, "learner-0").restarts == 0
        due(directory, [], [0])(None, None)

    steps = Steps(
        (all_up, due(directory, [0])),
        (phase("learner-0", "away"), break_more),
        (mended, end),
        (seen(directory, "recover", "learner-0"), touch(directory, "crash", "once")),
        (back("env_server", 2), touch(directory, "finish")),
    )
    assert supervise(directory, config(2, plan, restarts=2), steps).exit_status == 0
    found = number_of(directory, 0, "learner-0")
    assert found["inject"]["at"] <= found["declare"]["declare"] < found["recover"]["recover"]
    assert found["recover"]["inject"] <= found["recover"]["suspect"] <= found["recover"]["declare"]


def test_a_killed_robot_never_comes_back_unasked(directory: RunDirectory) -> None:
    """Through another kill, a lost server and a lost zygote. Broken by letting `decide` have it."""
    kill, again = asked(directory, "kill", robots=[0]), asked(directory, "kill", robots=[0])
    revive = asked(directory, "revive", robots=[0])

    def break_all(_: Any, status: Any) -> None:
        for name in ("env_server", "zygote", "learner-1"):
            os.kill(process(status, name).pid, signal.SIGKILL)
        again(None, None)

    def mended(status: Any) -> bool:
        return all(back(name)(status) for name in ("env_server", "zygote", "learner-1"))

    def check(_: Any, status: Any) -> None:
        assert process(status, "learner-0").phase == "away"
        assert process(status, "learner-0").incarnation == 1
        revive(None, None)

    steps = Steps(
        (all_up, kill),
        (phase("learner-0", "away"), break_all),
        (mended, check),
        (seen(directory, "recover", "learner-0"), touch(directory, "finish")),
    )
    assert supervise(directory, config(2, restarts=1), steps).exit_status == 0
    for client in kill.clients + again.clients + revive.clients:
        client.close()
    [restart] = events(directory, "restart", "learner-0")
    assert restart["incarnation"] == 1
    assert "failed" not in {line["event"] for line in events(directory, "failed")}


def test_a_zombie_runs_on_beside_its_replacement_and_is_ended(directory: RunDirectory) -> None:
    """Broken by killing it when it is declared dead, as any frozen one."""
    plan = [{"kind": "zombie", "robots": [0], "round": 3}]
    pids: dict[str, int] = {}

    def strike(_: Any, status: Any) -> None:
        pids["old"] = process(status, "learner-0").pid
        due(directory, [0])(None, None)

    steps = Steps((all_up, strike), (seen(directory, "exit", "learner-0~0"), touch(directory, "finish")))
    assert supervise(directory, config(1, plan), steps).exit_status == 0
    [aside], [woken] = events(directory, "set_aside"), events(directory, "woken")
    [recover], [end] = events(directory, "recover", "learner-0"), events(directory, "exit", "learner-0~0")
    assert aside["pid"] == end["pid"] == pids["old"]
    assert aside["at"] < woken["at"] <= recover["at"] < end["at"] - 0.15
    assert heard(directory) == ["lost 0 0 learner_frozen"]
    assert recover["number"] == 0


def test_a_zombie_whose_replacement_never_came_is_not_left_behind(directory: RunDirectory) -> None:
    plan = [{"kind": "zombie", "robots": [0], "round": 3, "rounds": 9}]
    steps = Steps((all_up, due(directory, [0])), (phase("learner-0", "away"), touch(directory, "finish")))
    assert supervise(directory, config(2, plan), steps).exit_status == 0
    assert events(directory, "kill", "learner-0~0")


@pytest.mark.parametrize(
    ("plan", "deaths", "doomed"),
    [
        ({"kind": "raise"}, 2, 1),
        ({"kind": "crash_loop", "times": 3}, 4, 3),
        ({"kind": "kill", "times": 3}, 3, 0),
    ],
)
def test_repeated_deaths_are_exactly_as_many_as_planned(
    directory: RunDirectory, plan: dict[str, Any], deaths: int, doomed: int
) -> None:
    """Broken by dooming, or killing, one replacement more."""
    steps = Steps(
        (all_up, due(directory, [0])),
        (seen(directory, "recover", "learner-0"), touch(directory, "finish")),
    )
    assert supervise(directory, config(1, [{"robots": [0], "round": 3, **plan}]), steps).exit_status == 0
    exits = [line for line in events(directory, "exit", "learner-0") if line.get("status") != 0]
    assert len(exits) == deaths
    assert directory.log("learner-0").read_text().count("RuntimeError: this learner crashes") == doomed
    assert directory.read_json("summary.json")["restarts"] == {"learner-0": deaths}
    assert {line["number"] for line in events(directory, "declare", "learner-0")} == {0}
    assert len(events(directory, "recover", "learner-0")) == 1


def test_a_crash_loop_over_the_budget_fails_the_robot_alone(directory: RunDirectory) -> None:
    """Broken by not counting planned deaths: it would come back in the end."""
    plan = [{"kind": "crash_loop", "robots": [0], "round": 3, "times": 9}]
    steps = Steps((all_up, due(directory, [0])), (phase("learner-0", "failed"), touch(directory, "finish")))
    assert supervise(directory, config(2, plan, restarts=3), steps).exit_status == 0
    assert directory.read_json("summary.json")["failed"] == ["learner-0"]
    assert directory.read_json("summary.json")["restarts"] == {"learner-0": 3}
    assert heard(directory)[-1] == "gone 0 restarts_used_up"


@pytest.mark.parametrize("damage", ["truncate", "flip"])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before_which_is_said(
    directory: RunDirectory, damage: str
) -> None:
    """Broken by damaging the link that a snapshot has of it too; by not damaging anything."""
    store = LearnerStore(directory.learner(0))
    before, newest = store.save(5, {}, {}), store.save(6, {}, {})
    os.link(newest, directory.path / "linked")
    whole = newest.read_bytes()
    plan = [{"kind": "bad_checkpoint", "robots": [0], "round": 3, "damage": damage}]
    steps = Steps(
        (all_up, due(directory, [0], _0=8)),
        (seen(directory, "recover", "learner-0"), touch(directory, "finish")),
    )
    assert supervise(directory, config(1, plan), steps).exit_status == 0
    [restart] = events(directory, "restart", "learner-0")
    assert restart["checkpoint"] == str(before)
    assert "went back to version 5" in restart["note"]
    assert (directory.path / "linked").read_bytes() == whole


@pytest.mark.parametrize(("named", "restored", "noted"), [(5, 5, False), (3, 6, True)])
def test_the_plan_names_the_checkpoint_and_a_missing_one_is_said(
    directory: RunDirectory, named: int, restored: int, noted: bool
) -> None:
    store = LearnerStore(directory.learner(0))
    paths = {version: store.save(version, {}, {}) for version in (5, 6)}
    plan = [{"kind": "kill", "robots": [0], "round": 9, "checkpoint": named}]
    steps = Steps(
        (all_up, due(directory, [0], _0=8)),
        (seen(directory, "recover", "learner-0"), touch(directory, "finish")),
    )
    assert supervise(directory, config(1, plan), steps).exit_status == 0
    [restart] = events(directory, "restart", "learner-0")
    assert restart["checkpoint"] == str(paths[restored])
    assert ("version 3, which the plan names" in restart.get("note", "")) == noted


def test_one_that_leaves_is_told_to_stop_and_is_gone(directory: RunDirectory) -> None:
    plan = [{"kind": "leave", "robots": [0], "round": 3}]
    steps = Steps((all_up, due(directory, [0])), (phase("learner-0", "ended"), touch(directory, "finish")))
    assert supervise(directory, config(2, plan), steps).exit_status == 0
    assert heard(directory) == ["gone 0 left"]
    assert [line.get("status", 0) for line in events(directory, "exit", "learner-0")] == [0]
    assert not events(directory, "declare")


def test_one_that_does_not_leave_is_ended(directory: RunDirectory) -> None:
    (directory.path / "learner-0").write_text("deaf")
    plan = [{"kind": "leave", "robots": [0], "round": 3}]
    steps = Steps((all_up, due(directory, [0])), (phase("learner-0", "ended"), touch(directory, "finish")))
    assert supervise(directory, config(2, plan), steps).exit_status == 0
    assert [line.get("status") for line in events(directory, "exit", "learner-0")] in ([-signal.SIGKILL], [None])


def test_one_that_joins_is_not_there_before(directory: RunDirectory) -> None:
    """Broken by starting it with the others."""
    plan = [{"kind": "join", "robots": [0], "round": 3}]

    def early(status: Any) -> bool:
        return process(status, "learner-1").phase == "up" and process(status, "learner-0").phase == "away"

    steps = Steps((early, due(directory, [0])), (all_up, touch(directory, "finish")))
    assert supervise(directory, config(2, plan), steps).exit_status == 0
    assert not events(directory, "restart")


def test_a_pause_is_no_death(directory: RunDirectory) -> None:
    plan = [{"kind": "pause", "robots": [0], "round": 3, "for_s": 0.3}]
    steps = Steps((all_up, due(directory, [0])), (seen(directory, "mended"), touch(directory, "finish")))
    assert supervise(directory, config(1, plan), steps).exit_status == 0
    assert not events(directory, "frozen")
    assert not events(directory, "restart")


@pytest.mark.parametrize("target", ["env_server", "zygote"])
@pytest.mark.parametrize("kind", ["kill", "freeze"])
def test_a_planned_loss_of_the_runs_own_processes_is_in_the_record_from_inject_to_recover(
    directory: RunDirectory, target: str, kind: str
) -> None:
    plan = [{"kind": kind, "target": target, "round": 3}]
    steps = Steps((all_up, due(directory, [0])), (seen(directory, "recover", target), touch(directory, "finish")))
    assert supervise(directory, config(1, plan), steps).exit_status == 0
    found = number_of(directory, 0, target)
    recover = found["recover"]
    assert recover["inject"] <= recover["suspect"] <= recover["declare"] < recover["recover"]
    assert found["inject"]["kind"] == kind
    assert directory.read_json("summary.json")["faults_injected"] == 1


def test_a_second_fault_during_recovery_leaves_both_in_the_record(directory: RunDirectory) -> None:
    """Broken by forgetting the first fault when the second comes upon it."""
    (directory.path / "silent").touch()  # so that the replacement waits for a second
    plan = [{"kind": "kill", "robots": [0], "round": 3}, {"kind": "kill", "robots": [0], "round": 9, "rounds": 2}]
    later = [0.0]

    def waited(status: Any) -> bool:
        if process(status, "learner-0").phase == "away":
            later[0] = later[0] or time.monotonic() + 0.3
        return 0 < later[0] < time.monotonic()

    steps = Steps(
        (all_up, due(directory, [0])),
        (phase("learner-0", "waiting"), due(directory, [1])),
        (waited, due(directory, [], [1])),
        (seen(directory, "recover", "learner-0", 2), touch(directory, "finish")),
    )
    assert supervise(directory, config(1, plan), steps).exit_status == 0
    assert {line["number"] for line in events(directory, "recover", "learner-0")} == {0, 1}


def test_a_signal_from_outside_is_none_of_the_plans(directory: RunDirectory) -> None:
    steps = Steps(
        (all_up, signal_to("learner-0", signal.SIGKILL)),
        (seen(directory, "recover", "learner-0"), touch(directory, "finish")),
    )
    assert supervise(directory, config(1), steps).exit_status == 0
    assert "number" not in events(directory, "recover", "learner-0")[0]
