import json
import tomllib

import numpy as np
import pytest

from fleet.commands.main import main
from fleet.commands.status import MOST_ROWS, told_apart
from fleet.core.checkpoint import save_arrays
from fleet.core.config.load import load_config
from fleet.core.config.write import to_toml
from fleet.core.ledger import RolloutName
from fleet.core.ledger_file import Ledger
from fleet.core.rundir import RunDirectory
from fleet.core.snapshots import SnapshotStore, learner_file


@pytest.fixture
def run(tmp_path):
    """The folder of a run that is over, its ledger balanced."""
    with RunDirectory.create(tmp_path / "run", to_toml(load_config("smoke")), ["fleet", "run"]) as directory:
        ledger = Ledger(directory.ledger)
        first, second = RolloutName(0, 0, 0, 0), RolloutName(0, 1, 0, 0)
        ledger.produced(0, 128, [(first, [0]), (second, [1])])
        ledger.trained([first], 1)
        ledger.lost([second], "learner_died")
        ledger.close()
        figures = {"round": 3, "agent_steps": 256, "agent_steps_per_s": 50.0}
        summary = {"outcome": "done", "reason": "all rounds done", "figures": figures, "restarts": {"learner-1": 2}}
        directory.write_json("summary.json", {**summary, "wall_s": 3.0})
    return directory


def test_audit_of_a_balanced_ledger(run, capsys):
    assert main(["audit", str(run.path)]) == 0
    out = capsys.readouterr().out
    assert "lost: learner_died" in out
    assert out.splitlines()[-1] == "balanced"


def test_audit_as_json(run, capsys):
    assert main(["audit", str(run.path), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert (value["produced"], value["trained"], value["lost"], value["residual"]) == (256, 128, 128, 0)
    assert value["balanced"] is True
    assert value["robots"]["1"]["lost"] == 128


def test_audit_of_a_ledger_that_cannot_be_is_1(run, capsys):
    with run.ledger.open("a") as file:
        file.write('{"k":"trained","version":2,"of":[[0,0,0,0]]}\n')
    assert main(["audit", str(run.path)]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "NOT BALANCED"


def test_status_of_a_run_that_is_over(run, capsys):
    assert main(["status", str(run.path)]) == 0
    out = capsys.readouterr().out
    assert "not running" in out
    assert "done: all rounds done" in out
    assert main(["status", str(run.path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["running"] is False


def test_status_of_a_run_that_is_over_says_what_restarted_and_what_faults_cost(run, capsys):
    """Broken by counting learners alone, and by showing the cost at the end of `fleet run` only."""
    cost = {"faults": [], "missed": 2, "unrecorded": 0, "lost": {}, "withheld": {}, "undone": 0, "restarts": 3}
    rounds = {"rounds": 3, "recorded": 3, "against": None}
    run.write_json("summary.json", {**run.read_json("summary.json"), "server_restarts": 1, "cost": {**cost, **rounds}})
    assert main(["status", str(run.path)]) == 0
    out = capsys.readouterr().out
    assert "2 of learners, 1 of the environment server" in out
    assert "2 more whose target wasn't there" in out


def test_status_of_a_run_whose_supervisor_was_killed(run, capsys):
    (run.path / "summary.json").unlink()
    assert main(["status", str(run.path)]) == 0
    assert "killed" in capsys.readouterr().out


def test_stop_of_a_run_that_is_over_is_bad_input(run, capsys):
    assert main(["stop", str(run.path)]) == 2
    assert "isn't running" in capsys.readouterr().err


def test_config_prints_toml_with_every_setting_resolved(capsys, tmp_path):
    assert main(["config", "smoke", "--set", "run.seed=5"]) == 0
    text = capsys.readouterr().out
    value = tomllib.loads(text)
    assert value["run"]["seed"] == 5
    assert value["world"]["reward"] == "dense"
    (tmp_path / "x.toml").write_text(text)
    assert load_config(tmp_path / "x.toml", ["world.reward=unset", "world.request_queue=unset"]) == load_config(
        "smoke", ["run.seed=5"]
    )


def test_tasks_lists_presets_and_shipped_configs(capsys):
    assert main(["tasks"]) == 0
    out = capsys.readouterr().out
    assert "rware-large-19ag-hard" in out
    assert "warehouse40" in out
    assert 'kind = "handoff"' in out


@pytest.mark.parametrize("command", ["run", "config"])
def test_a_fleet_that_does_not_fit_is_refused_with_the_option_s_name(command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([command, "smoke", "--set", "world.robots=150", "--set", "world.request_queue=1"]) == 2
    assert capsys.readouterr().err.startswith("error: --set world.robots=150: robots = 150 do not fit")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('[world]\nrobots = 99\nlayout = """\nx.g\n..x\n"""\n', 2, "robots = 99 do not fit"),
        ('[world]\nrobots = 1\nlayout = """\nx.x\n"""\n', 3, "no goal"),
        ('[world]\nrobots = 1\n\nmap = "no/such.map"\n', 4, "no such file"),
        ('[world]\nmap = "rware-tony-2ag"\n', 2, "Did you mean rware-tiny-2ag"),
        ('mapping = [[0], [7]]\n[world]\nmap = "rware-tiny-2ag"\n', 1, "mapping names robot 7"),
    ],
)
def test_what_only_the_floor_shows_is_told_with_its_line_too(text, line, said, capsys, tmp_path):
    path = tmp_path / "robots.toml"
    path.write_text(text)
    assert main(["run", str(path), "--out", str(tmp_path / "run")]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {path}, line {line}: ")
    assert said in err
    assert not (tmp_path / "run").exists()


def test_a_run_that_does_not_fit_in_memory_is_refused(capsys, tmp_path):
    out = tmp_path / "run"
    assert main(["run", "smoke", "--out", str(out), "--set", "control.memory_limit_gb=0.01"]) == 2
    assert "control.memory_limit_gb" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("network.hidden=[8]", "its network.hidden is [16], this run's [8]"),
        ("network.observation_scaling=running", "no running statistics"),
        ("world.sensor_range=2", "(world.sensor_range = 1"),
    ],
)
def test_policies_of_another_shape_are_refused_before_anything_is_written(run, setting, said, capsys, tmp_path):
    snapshots = SnapshotStore(run.snapshots)
    folder = snapshots.begin(2)
    for learner in range(3):
        save_arrays(folder / learner_file(learner), {"obs.mean": np.zeros(7, np.float32)}, {})
    snapshots.commit(2, {"versions": {"0": 1, "1": 1, "2": 1}})
    out = tmp_path / "out"
    assert main(["run", "smoke", "--init-from", str(run.path), "--out", str(out), "--set", setting]) == 2
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_an_out_that_exists_is_refused(run, capsys):
    assert main(["run", "smoke", "--out", str(run.path)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_resume_without_a_snapshot_or_with_another_config_is_refused(run, capsys):
    before = sorted(path.name for path in run.path.iterdir())
    assert main(["run", "smoke", "--resume", str(run.path)]) == 2
    assert "seed" not in capsys.readouterr().err
    assert main(["run", "smoke", "--seed", "9", "--resume", str(run.path)]) == 2
    assert "run.seed: the run has 1, you ask for 9" in capsys.readouterr().err
    assert sorted(path.name for path in run.path.iterdir()) == before


def test_of_a_big_fleet_status_shows_those_of_whom_there_is_something_to_say():
    """Broken by a row for each: a thousand lines."""

    def row(name, phase="up", restarts=0):
        return {"name": name, "phase": phase, "restarts": restarts}

    learners = [row(f"learner-{k}") for k in range(1000)]
    learners[7], learners[8] = row("learner-7", "starting"), row("learner-8", restarts=1)
    shown, rest = told_apart([row("zygote"), row("env_server"), *learners])
    assert [item["name"] for item in shown] == ["zygote", "env_server", "learner-7", "learner-8"]
    assert len(rest) == 998
    shown, rest = told_apart([row("zygote"), *(row(f"learner-{k}", "starting") for k in range(1000))])
    assert (shown[0]["name"], len(shown), len(rest)) == ("zygote", MOST_ROWS, 1001 - MOST_ROWS)
    assert told_apart(learners[:40]) == (learners[:40], [])
