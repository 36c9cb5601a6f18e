"""`fleet games`: what it prints and writes, and what it refuses."""

import json
from functools import partial

import pytest

from fleet.commands.main import main
from fleet.study.games.tax_study import Terms

SHORT = ["--seeds", "20", "--episodes", "200"]


def test_a_table_of_where_seeds_end(capsys):
    assert main(["games", "coordination", *SHORT, "--payoff", "miss=1", "--payoff", "best=7"]) == 0
    out = capsys.readouterr().out
    assert "20 seeds, 200 episodes, alpha 0.1, epsilon 0.1" in out
    rows = [line.split() for line in out.splitlines() if line.startswith("(")]
    assert [row[2] for row in rows if row[0][1] == row[1][0]] == ["3.0", "7.0"]
    assert sum(int(row[3]) for row in rows) == 20
    assert "optimal policy: " in out


def test_what_is_written_is_named(capsys, tmp_path):
    out = tmp_path / "new" / "folder"
    assert main(["games", "coordination", *SHORT, "--out", str(out)]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [str(out / "coordination.json"), str(out / "coordination.png")]
    assert json.loads((out / "coordination.json").read_text())["terms"]["seeds"] == 20
    assert main(["games", "climbing", *SHORT, "--out", str(out)]) == 0
    assert not (out / "climbing.png").exists()


def test_json_is_nothing_but_json(capsys):
    assert main(["games", "pennies", *SHORT, "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert sum(outcome["reached"]["count"] for outcome in value["outcomes"]) == 20
    assert value["optimal"] is None


def test_the_payoff_study(capsys, tmp_path):
    options = ["--study", "payoffs", "--seeds", "4", "--episodes", "50", "--out", str(tmp_path)]
    assert main(["games", "coordination", *options]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines() if " to " in line][::4] == [
        "-2.00", "-1.00", "0.00", "1.00", "2.00", "3.00"
    ]  # fmt: skip
    assert out.splitlines()[-1] == str(tmp_path / "payoffs.png")
    assert len(json.loads((tmp_path / "payoffs.json").read_text())["points"]) == 21


def test_the_replay_study(capsys, tmp_path):
    options = ["--study", "replay", "--seeds", "4", "--episodes", "50", "--memory", "1", "--memory", "30"]
    assert main(["games", "two-state", *options, "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "4 seeds, 50 steps, alpha 0.1, epsilon 0.1, gamma 0.5" in out
    assert [line.split()[0] for line in out.splitlines() if " to " in line][:4] == ["1", "30", "on-policy", "1"]
    assert out.splitlines()[-1] == str(tmp_path / "replay.png")
    written = json.loads((tmp_path / "replay.json").read_text())
    assert [one["capacity"] for one in written["replayed"]] == [1, 30]
    assert main(["games", "two-state", *options, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == written


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["two-state"], "two-state has more than one state; allowed are --study replay and --study tax"),
        (["two-state", "--study", "replay", "--memory", "0"], "--memory 0; allowed are 1 to"),
        (["two-state", "--study", "replay", "--replayed", "0"], "--replayed 0; allowed are 1 to"),
        (["two-state", "--study", "replay", "--epsilon", "-1"], "--epsilon -1.0; allowed are"),
        (["two-state", "--study", "replay", "--gamma", "1"], "--gamma 1.0; allowed are"),
        (["two-state", "--study", "replay", "--payoff", "k=1"], "two-state: payoff k; allowed are none"),
        (["two-state", "--study", "payoffs"], "--study payoffs of two-state; it is a study of coordination"),
        (["pennies", "--study", "replay"], "--study replay of pennies; it is a study of two-state"),
        (["pennies", "--memory", "5"], "--memory, --replayed and --gamma are for --study replay"),
        (["chicken"], "game chicken; allowed are coordination, climbing, penalty, pennies"),
        (["coordination", "--seeds", "0"], "--seeds 0; allowed are 1 to"),
        (["coordination", "--alpha", "2"], "--alpha 2.0; allowed are"),
        (["coordination", "--payoff", "miss"], "--payoff miss; expected a name and a number"),
        (["coordination", "--payoff", "mis=1"], "coordination: payoff mis; allowed are best, second, miss"),
        (["penalty", "--payoff", "k=nan"], "penalty: payoff k=nan; allowed are finite"),
        (["coordination", "--study", "seeds"], "--study seeds; allowed are payoffs, replay, tax"),
        (["coordination", "--study", "tax", "--alpha", "0.1"], "--alpha with --study tax; its learners are those of"),
        (["coordination", "--study", "tax", "--seeds", "101"], "--seeds 101; allowed with --study tax are 1 to 100"),
        (
            ["chicken", "--study", "tax"],
            'NAME chicken: world.game.name = "chicken"; allowed: "coordination", "climbing"',
        ),
        (["climbing", "--study", "tax", "--payoff", "k=1"], "climbing: payoff k; allowed are none"),
        (["climbing", "--study", "payoffs"], "--study payoffs of climbing; it is a study of coordination"),
        (["coordination", "--study", "payoffs", "--payoff", "miss=1"], "--payoff miss is what the study sweeps"),
        (["coordination", "--out", "file/folder"], "--out file/folder: can't be made"),
    ],
)
def test_bad_input_is_2_and_writes_nothing(arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert main(["games", *arguments]) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.slow
def test_the_tax_study(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("fleet.study.games.tax_study.Terms", partial(Terms, clips=(0.1,)))
    options = ["--study", "tax", "--seeds", "1", "--payoff", "best=7", "--out", str(tmp_path)]
    assert main(["games", "coordination", *options]) == 0
    out = capsys.readouterr().out
    assert out.startswith("coordination: 1 seeds, 20,480 agent-steps of each learner")
    assert out.splitlines()[-2:] == [str(tmp_path / "tax-coordination.json"), str(tmp_path / "tax-coordination.png")]
    (tmp_path / "tax-coordination.png").stat()
    points = json.loads((tmp_path / "tax-coordination.json").read_text())["points"]
    assert 5.0 < points[0]["end"]["frozen"]["mean"] <= 7.0
