import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = pytest.mark.e2e

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Any]:
    from fleet.core.rundir import RunDirectory

    with RunDirectory.create(tmp_path / "run", "", []) as made:
        yield made
        sockets = made.private_dir()
    assert not sockets.exists()
    assert not _of_run(made.run), "processes of the run are left"


def _of_run(run: str) -> list[psutil.Process]:
    """Processes below us, less zombies of none of our making."""
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if any(run in word or "fake_server" in word for word in child.cmdline())
    ]


class Steps:
    """Does the next thing as soon as the status fulfils its condition."""

    def __init__(self, *steps: tuple[Callable[[Any], bool], Callable[[Any, Any], object]]) -> None:
        self.steps = list(steps)
        self.deadline = time.monotonic() + 12.0

    def __call__(self, supervisor: Any, status: Any) -> None:
        assert time.monotonic() < self.deadline or status.phase in ("failed", "interrupted"), f"stuck at {status}"
        if self.steps and self.steps[0][0](status):
            self.steps.pop(0)[1](supervisor, status)


def process(status: Any, name: str) -> Any:
    return next(item for item in status.processes if item.name == name)


def all_up(status: Any) -> bool:
    return bool(status.figures) and all(item.phase == "up" for item in status.processes)


def back(name: str, restarts: int = 1) -> Callable[[Any], bool]:
    return lambda status: process(status, name).restarts == restarts and process(status, name).phase == "up"


def signal_to(name: str, number: signal.Signals) -> Callable[[Any, Any], object]:
    return lambda _, status: os.kill(process(status, name).pid, number)


def touch(directory: Any, name: str) -> Callable[[Any, Any], object]:
    return lambda *_: (directory.path / name).touch()


def events(directory: Any, name: str, process_name: str | None = None) -> list[dict[str, Any]]:
    from fleet.core.jsonl import read_jsonl

    lines = read_jsonl(directory.events)
    return [line for line in lines if line["event"] == name and process_name in (None, line["process"])]


def test_a_run_that_finishes(directory: Any) -> None:
    from supervising import config, supervise

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
    from supervising import config, supervise

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
    from supervising import config, supervise

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
    from supervising import config, supervise

    (directory.path / "learner-0").write_text(behaviour)
    heard = directory.path / "heard"
    steps = Steps((lambda _: heard.exists() and "gone" in heard.read_text(), touch(directory, "finish")))
    assert supervise(directory, config(2, restarts=2), steps).exit_status == 0
    assert len(events(directory, "exit", "learner-0")) == 3
    assert directory.read_json("summary.json")["failed"] == ["learner-0"]
    assert heard.read_text().endswith("gone 0 restarts_used_up\n")
    assert ("this learner crashes" in directory.log("learner-0").read_text()) == (behaviour == "crash")


def test_a_run_without_a_learner_left_fails_and_says_why(directory: Any) -> None:
    from supervising import config, supervise

    (directory.path / "learner-0").write_text("crash")
    outcome = supervise(directory, config(1, restarts=1), Steps())
    assert outcome.exit_status == 1
    assert "RuntimeError: this learner crashes" in outcome.reason


def test_a_crashed_server_fails_the_run_and_its_rollouts_are_accounted_for(directory: Any) -> None:
    from supervising import config, supervise

    outcome = supervise(directory, config(2), Steps((all_up, touch(directory, "crash"))))
    ledger = directory.read_json("summary.json")["ledger"]
    assert outcome.exit_status == 1
    assert "status 7" in outcome.reason
    assert "the server's last words" in outcome.reason
    assert ledger["lost_by_reason"] == {"server_died": 10}
    assert ledger["balanced"]


def test_a_frozen_server_fails_the_run(directory: Any) -> None:
    from supervising import config, supervise

    outcome = supervise(directory, config(1), Steps((all_up, signal_to("env_server", signal.SIGSTOP))))
    assert outcome.exit_status == 1
    assert "was killed by SIGKILL after it had been silent for too long" in outcome.reason


def test_a_killed_zygote_is_replaced_and_its_learners_go_on(directory: Any) -> None:
    from supervising import config, supervise

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
    from supervising import Modules, config, supervise

    modules = Modules("fake_server", "fake_learner:main", "fake_learner:fail_to_warm")
    outcome = supervise(directory, config(1), Steps(), modules)
    assert outcome.exit_status == 1
    assert "no warmth to be had" in outcome.reason


def test_ctrl_c_stops_cleanly(directory: Any) -> None:
    from supervising import config, supervise

    steps = Steps((all_up, lambda *_: os.kill(os.getpid(), signal.SIGINT)))
    before = signal.getsignal(signal.SIGINT)
    outcome = supervise(directory, config(2), steps)
    assert (outcome.kind, outcome.exit_status) == ("interrupted", 130)
    assert directory.read_json("summary.json")["ledger"]["lost_by_reason"] == {"stopped": 10}
    assert not events(directory, "kill")
    assert not events(directory, "restart")
    assert signal.getsignal(signal.SIGINT) is before


def test_a_server_that_does_not_stop_is_killed_in_time(directory: Any) -> None:
    from supervising import QUICK, config, supervise

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
    from supervising import Timing, config, supervise

    (directory.path / "deaf").touch()
    steps = Steps(
        (all_up, lambda supervisor, _: supervisor.stop()),
        (lambda status: status.phase == "stopping", lambda supervisor, _: supervisor.stop()),
    )
    began = time.monotonic()
    assert supervise(directory, config(1), steps, timing=Timing(stop=60.0, display=0.02)).exit_status == 130
    assert time.monotonic() - began < 20.0


def test_a_stop_that_races_a_restart_leaves_nobody(directory: Any) -> None:
    from supervising import config, supervise

    def kill_and_stop(supervisor: Any, status: Any) -> None:
        for item in status.processes:
            if item.name.startswith("learner"):
                os.kill(item.pid, signal.SIGKILL)
        supervisor.stop()

    outcome = supervise(directory, config(4), Steps((all_up, kill_and_stop)))
    assert outcome.exit_status == 130


def test_commands_over_the_control_link(directory: Any) -> None:
    from supervising import config, supervise

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


def test_an_exception_in_the_supervisor_leaves_nobody(directory: Any) -> None:
    from supervising import config, supervise

    def fail(*_: Any) -> None:
        raise ZeroDivisionError("a display that fails")

    with pytest.raises(ZeroDivisionError):
        supervise(directory, config(2), Steps((all_up, fail)))
    assert directory.read_json("summary.json")["outcome"] == "failed"


@pytest.mark.slow
@pytest.mark.parametrize("zygote", ["untouched", "stopped", "replaced", "warming up"])
def test_after_a_killed_supervisor_nothing_lives_on(tmp_path: Path, zygote: str) -> None:
    from fleet.control import pidfd
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
