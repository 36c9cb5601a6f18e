import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.control.supervising import (
    QUICK,
    Modules,
    Steps,
    Timing,
    all_up,
    back,
    config,
    events,
    signal_to,
    supervise,
    touch,
)

pytestmark = pytest.mark.e2e

HERE = Path(__file__).parent


def test_a_run_that_finishes(directory: Any) -> None:
    pids: dict[str, int] = {}

    def finish(_: Any, status: Any) -> None:
        pids.update(directory.read_json("processes.json"))
        (directory.path / "finish").touch()

    outcome = supervise(directory, config(2), Steps((all_up, finish)))
    summary = directory.read_json("summary.json")
    assert (outcome.kind, outcome.exit_status) == ("done", 0)
    assert set(pids) == {"zygote", "env_server", "learner-0", "learner-1"}
    assert summary["ledger"]["balanced"]
    assert summary["ledger"]["unresolved"] == 0
    assert summary["restarts"] == {}
    assert not events(directory, "restart")
    assert [line["status"] for line in events(directory, "exit") if "learner" in line["process"]] == [0, 0]
    assert directory.read_json("processes.json") == {}


def test_a_killed_learner_comes_back_and_the_server_hears_of_it(directory: Any) -> None:
    from fleet.core.snapshots import LearnerStore

    saved = LearnerStore(directory.learner(1)).save(7, {}, {})
    steps = Steps(
        (all_up, signal_to("learner-1", signal.SIGKILL)),
        (back("learner-1"), touch(directory, "finish")),
    )
    assert supervise(directory, config(2), steps).exit_status == 0
    [gone] = [line for line in events(directory, "exit", "learner-1") if line["incarnation"] == 0]
    [restart] = events(directory, "restart")
    [recover] = events(directory, "recover", "learner-1")
    assert gone["status"] == -signal.SIGKILL
    assert (restart["incarnation"], restart["origin"], restart["checkpoint"]) == (1, "restart", str(saved))
    assert recover["suspect"] <= recover["declare"] <= recover["recover"]
    assert recover["declare"] - recover["suspect"] < 0.05
    assert (directory.path / "heard").read_text() == "lost 1 0 learner_died\n"
    assert f"checkpoint {saved}" in directory.log("learner-1").read_text()
    assert directory.read_json("summary.json")["restarts"] == {"learner-1": 1}


def test_a_frozen_learner_is_suspected_declared_killed_and_replaced(directory: Any) -> None:
    steps = Steps(
        (all_up, signal_to("learner-0", signal.SIGSTOP)),
        (back("learner-0"), touch(directory, "finish")),
    )
    assert supervise(directory, config(2), steps).exit_status == 0
    [frozen] = events(directory, "frozen")
    assert frozen["process"] == "learner-0"
    assert 0.6 <= frozen["silent_s"] < 2.0
    assert 0.0 < frozen["declare"] - frozen["suspect"] < 2.0
    assert (directory.path / "heard").read_text() == "lost 0 0 learner_frozen\n"


@pytest.mark.parametrize("behaviour", ["crash", "leave"])
def test_a_learner_over_its_budget_fails_and_the_fleet_goes_on(directory: Any, behaviour: str) -> None:
    (directory.path / "learner-0").write_text(behaviour)
    heard = directory.path / "heard"
    steps = Steps((lambda _: heard.exists() and "gone" in heard.read_text(), touch(directory, "finish")))
    assert supervise(directory, config(2, restarts=2), steps).exit_status == 0
    assert len(events(directory, "exit", "learner-0")) == 3
    assert directory.read_json("summary.json")["failed"] == ["learner-0"]
    assert heard.read_text().endswith("gone 0 restarts_used_up\n")
    assert ("this learner crashes" in directory.log("learner-0").read_text()) == (behaviour == "crash")


def test_a_run_without_a_learner_left_fails_and_says_why(directory: Any) -> None:
    (directory.path / "learner-0").write_text("crash")
    outcome = supervise(directory, config(1, restarts=1), Steps())
    assert outcome.exit_status == 1
    assert "RuntimeError: this learner crashes" in outcome.reason


def test_a_killed_zygote_is_replaced_and_its_learners_go_on(directory: Any) -> None:
    before: dict[str, int] = {}

    def kill_zygote(_: Any, status: Any) -> None:
        before.update({item.name: item.pid for item in status.processes})
        os.kill(before["zygote"], signal.SIGKILL)

    steps = Steps(
        (all_up, kill_zygote),
        (back("zygote"), signal_to("learner-0", signal.SIGKILL)),
        (back("learner-0"), touch(directory, "finish")),
    )
    assert supervise(directory, config(2), steps).exit_status == 0
    [restart] = events(directory, "restart", "zygote")
    statuses = {line["pid"]: line.get("status") for line in events(directory, "exit")}
    assert restart["pid"] != before["zygote"]
    assert statuses[before["zygote"]] == -signal.SIGKILL
    assert statuses[before["learner-0"]] == -signal.SIGKILL  # reaped by the supervisor itself, being its subreaper
    assert statuses[before["learner-1"]] == 0
    assert [line["process"] for line in events(directory, "restart")] == ["zygote", "learner-0"]


def test_a_zygote_that_cannot_warm_up_fails_the_run(directory: Any) -> None:
    modules = Modules("fake_server", "fake_learner:main", "fake_learner:fail_to_warm")
    outcome = supervise(directory, config(1), Steps(), modules)
    assert outcome.exit_status == 1
    assert "no warmth to be had" in outcome.reason


def test_ctrl_c_stops_cleanly(directory: Any) -> None:
    steps = Steps((all_up, lambda *_: os.kill(os.getpid(), signal.SIGINT)))
    before = signal.getsignal(signal.SIGINT)
    outcome = supervise(directory, config(2), steps)
    assert (outcome.kind, outcome.exit_status) == ("interrupted", 130)
    assert directory.read_json("summary.json")["ledger"]["lost_by_reason"] == {"stopped": 10}
    assert not events(directory, "kill")
    assert not events(directory, "restart")
    assert signal.getsignal(signal.SIGINT) is before


def test_a_server_that_does_not_stop_is_killed_in_time(directory: Any) -> None:
    (directory.path / "deaf").touch()
    (directory.path / "learner-0").write_text("deaf")
    asked: list[float] = []

    def stop(supervisor: Any, _: Any) -> None:
        asked.append(time.monotonic())
        supervisor.stop()

    outcome = supervise(directory, config(1), Steps((all_up, stop)))
    assert outcome.exit_status == 130
    assert QUICK.stop <= time.monotonic() - asked[0] < QUICK.stop + QUICK.kill
    assert directory.read_json("summary.json")["ledger"]["lost_by_reason"] == {"stopped": 10}


def test_a_second_signal_kills_at_once(directory: Any) -> None:
    (directory.path / "deaf").touch()
    steps = Steps(
        (all_up, lambda supervisor, _: supervisor.stop()),
        (lambda status: status.phase == "stopping", lambda supervisor, _: supervisor.stop()),
    )
    began = time.monotonic()
    assert supervise(directory, config(1), steps, timing=Timing(stop=60.0, display=0.02)).exit_status == 130
    assert time.monotonic() - began < 20.0


def test_a_stop_that_races_a_restart_leaves_nobody(directory: Any) -> None:
    def kill_and_stop(supervisor: Any, status: Any) -> None:
        for item in status.processes:
            if item.name.startswith("learner"):
                os.kill(item.pid, signal.SIGKILL)
        supervisor.stop()

    outcome = supervise(directory, config(4), Steps((all_up, kill_and_stop)))
    assert outcome.exit_status == 130


def test_commands_over_the_control_link(directory: Any) -> None:
    from fleet.core.control_channel import ControlClient
    from fleet.core.messages import Command, Reply

    replies: list[Reply] = []
    clients: list[ControlClient] = []

    def ask(*_: Any) -> None:
        clients.append(ControlClient(directory.control_endpoint(), directory.run, "cli", 0))
        for verb in ("status", "dance", "stop"):
            clients[0].send(Command(directory.run, verb, {}))

    def listen(_: Any, status: Any) -> bool:
        replies.extend(message for message in clients[0].receive(0.0) if isinstance(message, Reply))
        return False

    steps = Steps((all_up, ask))
    outcome = supervise(directory, config(1), lambda *given: (steps(*given), clients and listen(*given)))
    clients[0].close()
    assert outcome.exit_status == 130
    status, dance, stop = replies
    assert status.ok
    assert status.data["processes"][0]["name"] == "zygote"
    assert not dance.ok
    assert "status, stop" in dance.text
    assert stop.ok


@pytest.mark.parametrize(("length", "rows"), [(1 << 20, 0), (0, 1 << 20)])
def test_an_answer_that_is_too_large_is_a_refusal_and_the_run_goes_on(
    directory: Any, monkeypatch: pytest.MonkeyPatch, length: int, rows: int
) -> None:
    """Broken by letting the error out of the supervisor's loop."""
    from fleet.control.desk import Desk
    from fleet.core.control_channel import ControlClient
    from fleet.core.messages import Command, Reply

    answer = lambda desk, *_: Reply(directory.run, True, "x" * length, {"rows": "x" * rows})  # noqa: E731
    monkeypatch.setattr(Desk, "_obey", answer)
    clients: list[ControlClient] = []
    replies: list[Any] = []

    def ask(*_: Any) -> None:
        clients.append(ControlClient(directory.control_endpoint(), directory.run, "cli", 0))
        clients[0].send(Command(directory.run, "status", {}))

    def answered(_: Any) -> bool:
        replies.extend(clients[0].receive(0.0))
        return bool(replies)

    assert (
        supervise(directory, config(1), Steps((all_up, ask), (answered, touch(directory, "finish")))).exit_status == 0
    )
    clients[0].close()
    assert not replies[0].ok
    assert replies[0].text.startswith("heard, but the answer can't be sent: ")


def test_what_nobody_of_the_run_says_is_not_written_down(directory: Any) -> None:
    """Broken by recording every event that is properly signed: who can connect could fill events.jsonl."""
    from fleet.core.control_channel import ControlClient
    from fleet.core.messages import Command, Event

    speakers = [("learner-7", 0), ("learner-1", 1), ("zygote", 0), ("supervisor", 0), ("cli", 0), ("learner-1", 0)]
    clients: list[ControlClient] = []

    def speak(*_: Any) -> None:
        for process, incarnation in speakers:
            client = ControlClient(directory.control_endpoint(), directory.run, process, incarnation)
            clients.append(client)
            client.send(Event(directory.run, client.process, "heard_of", {"incarnation": incarnation}))
            client.send(Command(directory.run, "status", {}))

    def answered(_: Any) -> bool:
        """Once it has answered them, what each said before has been heard."""
        for client in [client for client in clients if client.receive(0.0)]:
            clients.remove(client)
            client.close()
        return not clients

    steps = Steps((all_up, speak), (answered, lambda supervisor, _: supervisor.stop()))
    assert supervise(directory, config(2), steps).exit_status == 130
    assert [line["process"] for line in events(directory, "heard_of")] == ["learner-1"]


def test_an_exception_in_the_supervisor_leaves_nobody(directory: Any) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError("a display that fails")

    with pytest.raises(ZeroDivisionError):
        supervise(directory, config(2), Steps((all_up, fail)))
    assert directory.read_json("summary.json")["outcome"] == "failed"


@pytest.mark.slow
@pytest.mark.parametrize("zygote", ["untouched", "stopped", "replaced", "warming up"])
def test_after_a_killed_supervisor_nothing_lives_on(tmp_path: Path, zygote: str) -> None:
    from fleet.control.process import pidfd
    from fleet.core.rundir import RunDirectory, sweep_private

    run = tmp_path / "run"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])])}
    warm = "fake_learner:warm_slowly_the_second_time" if zygote == "warming up" else "fake_learner:warm"
    command = [sys.executable, str(HERE / "run_supervisor.py"), str(run), "3", warm]
    with subprocess.Popen(command, env=environment) as supervisor:
        pids = _wait_for_processes(run, 5)
        if zygote in ("replaced", "warming up"):
            os.kill(pids["zygote"], signal.SIGKILL)
            _wait_for_zygotes(run, 2, "ready" if zygote == "replaced" else "warming")
            pids = _wait_for_processes(run, 5)
        for name in ("learner-0", "env_server", *(["zygote"] if zygote == "stopped" else [])):
            os.kill(pids[name], signal.SIGSTOP)  # what is stopped can't watch for the supervisor's end itself
        watched = [os.pidfd_open(pid) for pid in pids.values()]
        supervisor.kill()
        supervisor.wait()
        left = pidfd.wait(watched, 2.0)
        names = [name for name, descriptor in zip(pids, watched, strict=True) if descriptor in left]
        for descriptor in watched:
            pidfd.send(descriptor, signal.SIGKILL)  # a test that fails leaves nobody either
            os.close(descriptor)
    assert names == []
    assert any(RunDirectory.open(run).run[:8] in folder.name for folder in sweep_private())


def _wait_for_zygotes(run: Path, count: int, what: str) -> None:
    deadline = time.monotonic() + 15.0
    ready = run / "events.jsonl", '"event":"ready","process":"zygote"'
    path, text = ready if what == "ready" else (run / "logs" / "zygote.log", "warm")
    while path.read_text().count(text) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _wait_for_processes(run: Path, count: int) -> dict[str, int]:
    from fleet.core.errors import BadInput
    from fleet.core.rundir import RunDirectory

    deadline = time.monotonic() + 15.0
    while time.monotonic() < deadline:
        try:
            pids = RunDirectory.open(run).read_json("processes.json")
        except BadInput:
            pids = {}
        if len(pids) == count:
            return pids
        time.sleep(0.01)
    raise AssertionError("the run did not start")
