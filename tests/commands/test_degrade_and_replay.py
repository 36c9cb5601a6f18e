"""`fleet degrade`, `fleet replay` and what faults cost at the end of `fleet run`: what is printed, what is refused."""

import json

import pytest

from fleet.commands.cost import MOST_ROWS, print_cost
from fleet.commands.main import main
from fleet.core.config.load import load_config
from fleet.core.config.write import to_toml
from fleet.core.rundir import RunDirectory
from fleet.study.prepare import prepare
from fleet.study.reference import SingleProcess


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a tiny trained run of three robots."""
    config = prepare(load_config("smoke", ["run.rounds=2", "world.max_steps=20"]))
    path = tmp_path_factory.mktemp("trained") / "run"
    with RunDirectory.create(path, to_toml(config), ["fleet", "run"]) as directory:
        SingleProcess(directory, config).run()
    return path


def fault(number=0, **changes):
    known = {
        "number": number, "kind": "kill", "process": "learner-1", "robots": [1], "round": 4, "back": 6, "inject": 10.0,
        "suspect": 10.25, "declare": 10.5, "recover": 12.0, "failed": False, "lost": 1280, "updates_lost": 3,
        "withheld": 0, "before": {"rounds": 3, "agent_steps_per_s": 1000.4, "waiting_s": 0.5}, "during": None,
    }  # fmt: skip
    return {**known, **changes}


def cost(*faults, **changes):
    known = {
        "faults": faults, "missed": 0, "unrecorded": 0, "lost": {"learner_died": 1280}, "withheld": {}, "undone": 0,
        "restarts": 1, "rounds": 12, "recorded": 12, "against": None,
    }  # fmt: skip
    return {**known, **changes}


def test_degrade_prints_a_table_and_leaves_json_and_picture(run, tmp_path, capsys):
    out = tmp_path / "curve"
    options = ["--offline", "0,2", "--seeds", "2", "--episodes", "2", "--out", str(out)]
    assert main(["degrade", str(run), *options]) == 0
    printed = capsys.readouterr().out
    assert "3 robots of" in printed
    assert "over 2 seeds, each 2 episodes of 20 steps" in printed
    assert [line.split()[:2] for line in printed.splitlines() if line.startswith(("stalled", "towed"))] == [
        [body, count] for body in ("stalled", "towed") for count in ("0", "2")
    ]
    assert len(json.loads((out / "degrade.json").read_text())["points"]) == 4
    assert (out / "degrade.png").stat().st_size > 10_000


def test_degrade_as_json_is_nothing_but_json(run, capsys):
    assert (
        main(["degrade", str(run), "--offline", "1", "--body", "towed", "--seeds", "2", "--episodes", "1", "--json"])
        == 0
    )
    value = json.loads(capsys.readouterr().out)
    assert [point["offline"] for point in value["points"]] == [0, 1]
    assert value["resamples"] == 10_000


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--offline", "4"], "--offline 4; "),
        (["--offline", "a"], "--offline a; expected numbers of robots"),
        (["--offline", ","], "names no number"),
        (["--body", "flying"], "--body flying; allowed are stalled, towed"),
        (["--seeds", "1"], "--seeds 1; allowed are 2 to"),
        (["--snapshot", "77"], "77"),
    ],
)
def test_degrade_refuses_what_cannot_be(run, options, said, capsys):
    assert main(["degrade", str(run), "--seeds", "2", "--episodes", "1", "--offline", "1", *options]) == 2
    assert said in capsys.readouterr().err


def test_degrade_measures_only_what_the_fleet_has_unless_asked(run, capsys):
    """Broken by taking the usual numbers, up to 16, for a fleet of three."""
    assert main(["degrade", str(run), "--body", "towed", "--seeds", "2", "--episodes", "1", "--json"]) == 0
    assert [point["offline"] for point in json.loads(capsys.readouterr().out)["points"]] == [0, 1, 2]


def test_degrade_refuses_a_config_s_robots_before_it_trains(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["degrade", "smoke", "--offline", "9"]) == 2
    assert "--offline 9; smoke has 3 robots" in capsys.readouterr().err
    assert main(["degrade", "smokey"]) == 2
    assert "did you mean smoke?" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_replay_and_baseline_refuse_what_is_no_run(tmp_path, run, capsys):
    assert main(["replay", str(tmp_path)]) == 2
    assert "isn't a run's folder" in capsys.readouterr().err
    out = tmp_path / "out"
    assert main(["run", "smoke", "--baseline", str(tmp_path), "--out", str(out)]) == 2
    assert "isn't a run's folder" in capsys.readouterr().err
    assert main(["run", "smoke", "--baseline", str(run), "--out", str(out)]) == 2
    assert "world.max_steps is 20 there, 50 here" in capsys.readouterr().err
    assert main(["run", "smoke", "--baseline", "auto", "--out", str(tmp_path)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main(["run", "smoke", "--baseline", "auto", "--resume", str(run)]) == 2
    assert "runs the baseline first" in capsys.readouterr().err
    assert not out.exists()
    assert not (tmp_path.parent / f"{tmp_path.name}-baseline").exists()


def test_the_cost_of_one_fault(capsys):
    print_cost(cost(fault(), fault(None, kind="learner_died", inject=None, recover=None, failed=True)))
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[2] == ["kill", "0", "robot", "1", "4", "0.250", "0.500", "2.000", "1,280", "3", "0"]
    assert ["kill", "0", "1,000", "-", "0.50", "-"] in rows
    assert rows[3][:8] == ["learner_died", "robot", "1", "4", "0.000", "0.250", "failed", "1,280"]


@pytest.mark.parametrize(
    ("robots", "said"),
    [(list(range(20, 40)), "robots 20 to 39"), ([1, 2, 3, 5], "4 robots"), ([4, 5], "robots 4, 5")],
)
def test_the_robots_of_a_process_are_named(robots, said, capsys):
    print_cost(cost(fault(robots=robots)))
    assert " ".join(capsys.readouterr().out.splitlines()[2].split()).startswith(f"kill 0 {said} ")


def test_the_tables_of_the_cost_fit_a_terminal_of_100_columns(capsys):
    """Broken by one table for all of it."""
    wide = {"kind": "illegal_action", "number": 1003, "robots": [97, 98, 99], "withheld": 1_234_567, "recover": 6543.2}
    print_cost(cost(fault(**wide)))
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 100


def test_many_faults_are_cut_short_and_counted(capsys):
    print_cost(cost(*(fault(number) for number in range(MOST_ROWS + 5)), missed=2, recorded=9))
    out = capsys.readouterr().out
    assert sum(line.startswith("kill") for line in out.splitlines()) == 2 * MOST_ROWS
    assert "and 5 more, in summary.json" in out
    assert "17, 2 more whose target wasn't there" in out
    assert "9 of 12" in out


def test_what_it_kept_of_the_baseline(capsys):
    against = {
        "baseline": "b",
        "rounds": 12,
        "retention": 0.875,
        "per_capita": None,
        "area_lost": 3,
        "recovered_after": None,
    }
    print_cost(cost(fault(), against=against))
    out = capsys.readouterr().out
    assert "87.5%" in out
    assert "not yet at the end" in out


def test_a_cost_that_could_not_be_told(capsys):
    print_cost({"error": "no such file"})
    assert "can't be told: no such file" in capsys.readouterr().out
