"""`fleet kill`, `revive`, `hang`, `slow` and `status` against the supervisor's desk and drill, without processes."""

import json
import threading

import pytest

from fleet.commands.main import main
from fleet.control.desk import Desk
from fleet.core.config.load import load_config
from fleet.core.config.write import to_toml
from fleet.core.control_channel import ControlServer
from fleet.core.messages import Command
from fleet.core.rundir import RunDirectory
from tests.control.drilling import Bench


@pytest.fixture
def fleet(tmp_path):
    """A function that runs a command at a fleet of three robots, two of which share a learner; and its bench."""
    config = load_config("smoke", ["world.robots=3"])
    with RunDirectory.create(tmp_path / "run", to_toml(config), ["fleet", "run"]) as directory:
        bench = Bench(groups=[(0, 2), (1,)], run=directory.run)
        endpoint = directory.endpoint("control")
        desk = Desk(directory.run, config, lambda: [child.status() for child in bench.children.values()], bench.drill)
        ready, over = threading.Event(), threading.Event()
        thread = threading.Thread(target=serve, args=(endpoint, directory.run, desk, ready, over))
        thread.start()
        assert ready.wait(10.0)
        directory.open_control(endpoint)
        yield lambda verb, *arguments: main([verb, str(directory.path), *arguments]), bench
        over.set()
        thread.join()


def serve(endpoint, run, desk, ready, over):
    server = ControlServer(endpoint, run)
    ready.set()
    while not over.is_set():
        for peer, message in server.receive(0.02):
            if isinstance(message, Command):
                server.reply(peer, desk.take(message, 1010.0, "running"))
    server.close()


def test_kill_status_and_revive(fleet, capsys):
    command, bench = fleet
    assert command("kill", "2", "--body", "towed") == 0
    out = capsys.readouterr().out
    whom = "learner-0 (robots 0, 2, for all of which it learns), incarnation 0"
    assert out == f"{whom}: killed; away until `fleet revive`\n"
    assert bench.calls[0][2].held

    assert command("status") == 0
    out = capsys.readouterr().out
    assert ["robots", "held", "away", "0,", "2"] in [line.split() for line in out.splitlines()]
    assert ["learner-0", "-", "away"] in [line.split()[:3] for line in out.splitlines()]
    assert ["1000", "kill", "robot", "0,", "2", "0", "s", "`fleet", "revive`"] in [
        line.split() for line in out.splitlines()
    ]
    assert command("status", "--json") == 0
    status = json.loads(capsys.readouterr().out)
    assert status["away"] == [0, 2]
    assert [(fault["number"], fault["kind"], fault["robots"]) for fault in status["faults"]] == [(1000, "kill", [0, 2])]

    assert command("revive", "0", "2", "--json") == 0
    assert json.loads(capsys.readouterr().out)["learners"] == [
        {"learner": 0, "incarnation": 1, "robots": [0, 2], "number": 1000}
    ]
    assert bench.names() == [("kill", 0), ("back", 0)]
    assert command("status") == 0
    assert "away" not in capsys.readouterr().out


def test_hang_and_slow(fleet, capsys):
    command, bench = fleet
    assert command("hang", "1") == 0
    assert command("slow", "0", "3.5", "--for", "2") == 0
    assert "takes 3.5 times as long, for 2 s" in capsys.readouterr().out
    assert bench.told_learners() == [(1, "hang", False), (0, "slow", False)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("kill",), "ROBOT"),
        (("kill", "x"), "ROBOT"),
        (("kill", "1.5"), "ROBOT"),
        (("kill", "7"), "robot 7; allowed are 0 to 2"),
        (("kill", "1", "7"), "robot 7; allowed are 0 to 2"),
        (("kill", "1", "--body", "gone"), "body = 'gone'; allowed are drives-on, stalled, towed"),
        (("revive", "1"), "robot 1: learner-1 is not held (up)"),
        (("hang", "3"), "robot 3; allowed are 0 to 2"),
        (("slow", "1"), "FACTOR"),
        (("slow", "1", "fast"), "FACTOR"),
        (("slow", "1", "1"), "factor = 1.0; allowed are more than 1 and at most 1000"),
        (("slow", "1", "1001"), "factor = 1001.0; allowed"),
        (("slow", "1", "nan"), "factor = nan; allowed"),
        (("slow", "1", "2", "--for", "0"), "for_s = 0.0; allowed are more than 0"),
        (("slow", "1", "2", "--for", "inf"), "for_s = inf; allowed"),
    ],
)
def test_bad_input_is_one_message_and_2(fleet, arguments, said, capsys):
    command, bench = fleet
    assert command(*arguments) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert out == ""
    assert (bench.calls, bench.sent) == ([], [])


def test_what_the_supervisor_can_not_do_is_1(fleet, capsys):
    command, bench = fleet
    bench.deaf = {1}
    assert command("hang", "1") == 1
    assert "learner-1 can't be reached" in capsys.readouterr().err
    bench.drill.release()
    assert command("kill", "1") == 1
    assert "the run is ending" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [("kill", "1"), ("revive", "1"), ("hang", "1"), ("slow", "1", "2")])
def test_a_run_that_is_over_is_bad_input(arguments, tmp_path, capsys):
    with RunDirectory.create(tmp_path / "run", to_toml(load_config("smoke")), []) as directory:
        pass
    verb, *more = arguments
    assert main([verb, str(directory.path), *more]) == 2
    assert "isn't running" in capsys.readouterr().err
