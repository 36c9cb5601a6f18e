import os
import signal
import subprocess
import sys

import pytest

from fleet.commands.main import main
from fleet.core.errors import FleetError
from fleet.core.platform import require_linux


def failing(error: BaseException):
    def call(*_, **__):
        raise error

    return call


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run"], "no CONFIG given"),
        (["run", "dmo"], "did you mean demo?"),
        (["run", "demo", "--rounds", "0"], "--rounds 0: run.rounds = 0; allowed: 1 to 10000000"),
        (["run", "demo", "--seed", "-1"], "--seed -1: run.seed = -1"),
        (["run", "demo", "--set", "run.round=3"], "did you mean run.rounds?"),
        (["run", "demo", "--rounds", "x"], "--rounds"),
        (["run", "demo", "--nonsense"], "--nonsense"),
        (["run", "demo", "--resume", "a", "--out", "b"], "no --out"),
        (["nonsense"], "nonsense"),
        (["audit", "no/such/run"], "no/such/run"),
        (["status", "no/such/run"], "no/such/run"),
        (["stop", "no/such/run"], "no/such/run"),
        (["kill", "no/such/run", "1"], "no/such/run"),
        (["slow", "no/such/run", "1", "2"], "no/such/run"),
        (["config", "demo", "--set", "world.robots=5000"], "1 to 1000"),
        (["bench", "nonsense"], "world, planners, start, wire, faults, train, scale, peers"),
        (["render", ".", "--out", "film.txt"], ".gif, .mp4, .png"),
        (["render", ".", "--out", "no/such/film.gif"], "no folder no/such"),
    ],
)
def test_bad_input_is_one_message_and_2(arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert out == ""
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "status"), [(FleetError("it broke"), 1), (KeyboardInterrupt(), 130), (ZeroDivisionError("oh"), 1)]
)
def test_what_goes_wrong_later_has_its_own_status(error, status, capsys, monkeypatch):
    monkeypatch.setattr("env_server.worlds.tasks", failing(error))
    assert main(["tasks"]) == status
    assert "Traceback" not in capsys.readouterr().err


def test_another_system_is_refused(capsys, monkeypatch):
    monkeypatch.setattr("fleet.commands.main.require_linux", lambda: require_linux("darwin"))
    assert main(["tasks"]) == 2
    assert "needs Linux" in capsys.readouterr().err


def test_every_command_explains_itself(capsys):
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out
    names = "run status stop kill revive hang slow audit eval render tasks config bench"
    for name in names.split():
        assert name in listed
        assert main([name, "--help"]) == 0


def fleet(*arguments: str, **options) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "fleet.commands.main", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_a_real_process_exits_with_the_status():
    process = fleet("run", "dmo")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err.startswith("error: ")


def test_a_reader_that_leaves_early_sees_no_complaint():
    read, write = os.pipe()
    os.close(read)
    process = subprocess.Popen(
        [sys.executable, "-m", "fleet.commands.main", "tasks"], stdout=write, stderr=subprocess.PIPE
    )
    os.close(write)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (1, -signal.SIGPIPE)
    assert err == b""
