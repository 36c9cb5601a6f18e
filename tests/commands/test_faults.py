import json

import pytest

from fleet.commands.main import main
from fleet.core.config.load import load_config, load_plan, shipped_configs, shipped_plans
from fleet.core.config.write import to_toml
from fleet.core.faults.kinds import KINDS
from fleet.core.faults.resolve import resolve
from fleet.core.faults.strike import strike_of
from fleet.core.rundir import RunDirectory

PLAN = """
[[fault]]
kind = "kill"
robots = [2, 0]
round = 3
rounds = 2
spread = 4
body = "towed"
"""


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "plan.toml").write_text(PLAN)
    return str(tmp_path / "plan.toml")


def test_a_plan_file_on_demo(plan, capsys):
    assert main(["faults", plan]) == 0
    out = capsys.readouterr().out
    assert "on demo (8 robots, 140 rounds, seed 1): 2 strikes" in out
    assert "0  round 3  kill  robot 2  for 2 rounds  body towed" in out
    assert "1  round 7  kill  robot 0  for 2 rounds  body towed" in out
    assert "    0  ·······██··" in out
    assert "    2  ···██······" in out
    assert "kill: SIGKILL" in out
    assert max(map(len, out.splitlines()[1:])) <= 100


@pytest.mark.parametrize("name", sorted(shipped_plans()))
@pytest.mark.parametrize("config", ["demo", "warehouse40", "smoke"])
def test_shipped_plans_fit_the_screen(name, config, capsys):
    assert main(["faults", name, "--config", config]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"{name} on {config}" in lines[0]
    assert max(map(len, lines)) <= 100
    assert len(lines) < 100


def test_json_has_the_strikes_of_that_seed_and_length(capsys):
    assert main(["faults", "failure-rate", "--config", "warehouse40", "--seed", "9", "--rounds", "30", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    config = load_config("warehouse40", ["run.seed=9", "run.rounds=30"])
    strikes = resolve(config.model_copy(update={"faults": load_plan("failure-rate")}))
    assert tuple(strike_of(strike) for strike in shown["strikes"]) == strikes
    assert (shown["robots"], shown["rounds"], shown["seed"], shown["clockless"]) == (40, 30, 9, True)


def test_a_config_and_a_run_s_folder_have_plans_of_their_own(tmp_path, capsys):
    config = load_config("smoke", ['faults.fault=[{kind = "blind", robots = [1], round = 2}]'])
    (tmp_path / "config.toml").write_text(to_toml(config))
    with RunDirectory.create(tmp_path / "run", to_toml(config), ["fleet", "run"]):
        pass
    for source in ("config.toml", "run"):
        assert main(["faults", str(tmp_path / source)]) == 0
        out = capsys.readouterr().out
        assert "on smoke (3 robots, 6 rounds, seed 1): 1 strike\n" in out
        assert "before round 2  blind  robot 1  to the end" in out
    assert main(["faults", str(tmp_path / "run"), "--config", "demo"]) == 2
    assert "has a fleet of its own" in capsys.readouterr().err
    assert main(["faults", "smoke"]) == 0
    assert "0 strikes" in capsys.readouterr().out


def test_who_goes_by_the_clock_is_told(plan, tmp_path, capsys):
    (tmp_path / "plan.toml").write_text('[[fault]]\nkind = "kill"\nrobots = [0]\nat_s = 3\n')
    assert main(["faults", plan]) == 0
    assert "no pure function" in capsys.readouterr().out


def test_kinds_and_ready_plans_are_explained(capsys):
    assert main(["faults", "--kinds"]) == 0
    out = capsys.readouterr().out
    for kind, about in KINDS.items():
        assert f"\n{kind} " in f"\n{out}"
        assert about.meaning.split(",")[0][:40] in out
    assert max(map(len, out.splitlines())) <= 100
    assert main(["faults", "--kinds", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == set(KINDS)
    assert main(["faults"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in shipped_plans())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["faults", "../nothing"], "no fault plan '../nothing'"),
        (["faults", "x" * 5000], "no fault plan"),
        (["faults", "a\0b"], "no fault plan"),
        (["faults", "{tmp}"], "isn't a run's folder"),
        (["faults", "{plan}", "--rounds", "4"], "plan.toml, line 7: fault 1 (kill): round = 7 for robot 0"),
        (["faults", "{plan}", "--rounds", "0"], "--rounds 0: run.rounds = 0"),
        (["faults", "{plan}", "--config", "nothing"], "no config 'nothing'"),
        (["run", "smoke", "--faults", "{plan}"], "plan.toml, line 7: fault 1 (kill): round = 7 for robot 0"),
        (["run", "smoke", "--faults", "nothing"], "no fault plan 'nothing'"),
        (["run", "smoke", "--faults", "{plan}", "--set", "faults.fault=[]"], "give one of them"),
        (["run", "smoke", "--faults", "one-lost-robot", "--single-process"], "no processes to break"),
    ],
)
def test_bad_input_is_one_message_and_2_and_leaves_nothing(arguments, said, plan, tmp_path, monkeypatch, capsys):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert main([part.format(tmp=tmp_path, plan=plan) for part in arguments]) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert out == ""
    assert list((tmp_path / "here").iterdir()) == []


def test_a_process_of_several_robots_is_named_by_all_of_them(tmp_path, capsys):
    stalled = '[[fault]]\nkind = "offline"\nbody = "stalled"\nrobots = [5]\nround = 1\nrounds = 1\n'
    (tmp_path / "plan.toml").write_text(PLAN + stalled)
    demo = shipped_configs()["demo"].read_text()
    (tmp_path / "packed.toml").write_text(demo + "\n[learners]\nper_process = 3\n")
    assert main(["faults", str(tmp_path / "plan.toml"), "--config", str(tmp_path / "packed.toml")]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "0 before round 1 offline robot 5 for 1 round body stalled" in lines
    assert "1 round 3 kill robots 0 1 2 for 2 rounds body towed" in lines
    assert [line for line in lines if "██" in line] == [f"{robot} ···██··" for robot in (0, 1, 2)]
