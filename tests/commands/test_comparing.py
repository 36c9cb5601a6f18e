"""`fleet compare` and `fleet tune` on the command line: what is refused, and what is printed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fleet.commands.compared import print_comparison
from fleet.commands.main import main
from fleet.core.errors import FleetError
from fleet.study.compare import compare as comparing
from fleet.study.compare.budget import parse_budget
from fleet.study.compare.cell import Cell, Terms
from fleet.study.compare.summary import summarize

SENT = {"total": 92.0, "by_kind": {"rollout": 83.0, "policy": 9.0}, "busiest": 21.0, "across": 0.0, "mbit_per_s": 0.0}


def trained(cell: Cell, terms: Terms, folder: Path, on_progress: Callable[..., None]) -> dict[str, Any]:
    """In place of a training."""
    if cell.scheme == "shared":
        raise FleetError("learner-0 died")
    found = {"evaluation": {"deliveries_per_1000": 8.0 + cell.seed, "return": 2.0, "bound_per_1000": 20.0}}
    if cell.scheme == "random":
        return found | {"agent_steps": 0, "wall_s": 0.0}
    shares = dict.fromkeys(("world", "acting", "sending", "waiting", "learning", "other"), 0.1)
    return found | {
        "agent_steps": 4224,
        "wall_s": 2.0,
        "memory_bytes": 800_000_000,
        "speed": {"overall_per_s": 2112.0, **{f"{part}_share": share for part, share in shares.items()}},
        "curve": {"agent_steps": [4224.0], "wall_s": [2.0], "deliveries": [7.0], "reward": [0.1]},
        "traffic": SENT,
    }


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(comparing, "do_cell", trained)
    return str(tmp_path / "out")


def test_a_task_without_deliveries_is_compared_by_its_returns(capsys: pytest.CaptureFixture[str]) -> None:
    """Broken by reading deliveries off its curves."""
    terms, done = Terms(parse_budget("4224"), episodes=4), {}
    for scheme in ("independent", "random"):
        found = trained(Cell("far", scheme, 0), terms, Path(), lambda *_: None) | {
            "status": "done",
            "measure": "return",
        }
        done["train", "far", scheme, 0] = found
    done["train", "far", "independent", 0]["curve"]["return"] = [-3.0]
    (task,) = summarize(done)
    assert task.measure == "return"
    assert task.schemes[0].at_steps is not None
    assert task.schemes[0].at_steps.mean == task.schemes[0].at_time.mean == -3.0
    print_comparison([task], (), done)
    title, _, header, first, *_ = capsys.readouterr().out.splitlines()
    assert title == "far: return of an episode"
    assert header.split("  ")[0] == "scheme"
    assert "deliveries" not in header
    assert first.split() == ["independent", "1", "2.00", "-", "-", "-3.00", "-3.00"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--schemes", "independent,best"], "no scheme 'best'; there are independent, iql"),
        (["--schemes", "joint", "--tasks", "nothing"], "no config 'nothing'"),
        (["--budget", "soon"], "--budget soon; allowed are agent-steps such as 2e6, or minutes such as 10min"),
        (["--budget", "100"], "--budget 100 is less than one round of smoke; allowed are 384 agent-steps or more"),
        (["--seeds", "0"], "--seeds 0; allowed are 1 to 100"),
        (["--robots", "2,2"], "--robots 2,2: allowed are numbers from 1 to 1000 with commas between them, each once"),
        (["--robots", "999"], "robots = 999 do not fit"),
        (["--faults", "earthquake"], "no fault plan 'earthquake'"),
        (["--settings", "/nowhere"], "--settings /nowhere: no such folder"),
    ],
)
def test_what_cant_be_is_refused_before_anything_is_made(
    folder: str, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", "smoke", "--out", folder, *options]) == 2
    assert said in capsys.readouterr().err
    assert not Path(folder).exists()


def test_a_table_for_each_thing_that_is_compared(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    schemes = "independent,shared,random"
    command = ["compare", "smoke", "--schemes", schemes, "--seeds", "2", "--budget", "4000", "--out", folder]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in lines]
    assert ["independent", "2", "8.50", "8.00", "to", "9.00", "-", "42%", "2.00"] in [row[:9] for row in rows]
    assert ["independent", "92.0", "21.0", "0.0", "83.0", "9.0", "0.0000"] in rows
    assert lines.count("shared failed: learner-0 died") == 2
    assert ["shared", "0,", "2", "failed"] in [row[:4] for row in rows]
    assert "95%: bootstrap interval of the mean over seeds; of fewer than 10 seeds it is too narrow" in lines
    assert all(len(line) <= 132 for line in lines)
    assert (Path(folder) / "smoke.png").stat().st_size > 1000


def test_a_comparison_of_which_nothing_came_to_its_end_has_failed(
    folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["compare", "smoke", "--schemes", "shared", "--seeds", "1", "--budget", "4000", "--out", folder]
    assert main(command) == 1
    said = capsys.readouterr()
    assert "shared failed: learner-0 died" in said.out
    assert f"none of 1 came to its end; see {folder}/cells" in said.err


def test_the_same_as_json(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["compare", "smoke", "--schemes", "random", "--seeds", "2", "--budget", "4000", "--out", folder, "--json"]
    assert main(command) == 0
    (task,) = json.loads(capsys.readouterr().out)["tasks"]
    assert task["schemes"][0]["deliveries"]["samples"] == [8.0, 9.0]


def test_results_on_other_terms_are_left_alone(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["compare", "smoke", "--schemes", "random", "--seeds", "1", "--out", folder]
    assert main([*command, "--budget", "4000"]) == 0
    assert main([*command, "--budget", "5000"]) == 2
    assert "budget is 4000 there, 5000 here; name another folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--scheme", "greedy"], "scheme greedy has nothing to tune"),
        (["--scheme", "best"], "no scheme 'best'"),
        (["--scheme", "joint", "--trials", "0"], "--trials 0; allowed are 1 to"),
    ],
)
def test_what_cant_be_tuned_is_refused(
    tmp_path: Path, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tune", "smoke", "--out", str(tmp_path / "out"), *options]) == 2
    assert said in capsys.readouterr().err
