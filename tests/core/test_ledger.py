"""The ledger balances whatever happens, and says so when what it was told can't be true."""

import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from fleet.core.balance import Figures
from fleet.core.errors import BadInput
from fleet.core.ledger import RolloutName
from fleet.core.ledger_file import Ledger, LedgerError, audit, end_life, resolve_outstanding


def name(seq: int, learner: int = 0, incarnation: int = 0, life: int = 1) -> RolloutName:
    return RolloutName(life, learner, incarnation, seq)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


def test_every_way_a_step_can_go(path: Path) -> None:
    ledger = Ledger(path)
    ledger.produced(0, 10, [(name(0), [0]), (name(0, learner=1), [1, 2])])
    ledger.trained([name(0)], version=1)
    ledger.lost([name(0, learner=1)], "learner_died")
    ledger.withheld(1, [1, 2], 10, "no_credit")
    ledger.produced(1, 10, [(name(1), [0])])
    ledger.close()
    found = audit(path)
    assert found.total == Figures(produced=60, trained=10, lost=20, withheld=20, unresolved=10)
    assert found.robots[0] == Figures(produced=20, trained=10, unresolved=10)
    assert found.robots[2] == Figures(produced=20, lost=10, withheld=10)
    assert (found.lost, found.withheld) == ({"learner_died": 20}, {"no_credit": 20})
    assert found.residual == 0
    assert found.balanced


def test_one_line_per_round(path: Path) -> None:
    ledger = Ledger(path)
    ledger.produced(3, 4096, [(name(3, learner=k), [k]) for k in range(40)])
    ledger.close()
    lines = path.read_text().splitlines()
    assert len(lines) == 2
    assert len(lines[1]) < 40 * 16
    assert json.loads(lines[1])["of"][7] == [7, 0, 3, [7]]


def test_the_account_alone_needs_no_file() -> None:
    ledger = Ledger(None)
    ledger.produced(0, 5, [(name(0), [0])])
    ledger.trained([name(0)], 1)
    assert ledger.balance().total == Figures(produced=5, trained=5)
    ledger.close()


def test_going_back_undoes_later_versions_once(path: Path) -> None:
    ledger = Ledger(path, max_bytes=300)  # small enough to fold in between
    for version in range(1, 11):
        ledger.produced(version, 7, [(name(version), [0])])
        ledger.trained([name(version)], version)
    ledger.undone(0, after=6)
    assert ledger.balance().total == Figures(produced=70, trained=70, undone=28)
    ledger.produced(11, 7, [(name(0, incarnation=1), [0])])
    ledger.trained([name(0, incarnation=1)], 11)
    ledger.undone(0, after=4)  # 5 and 6, and 11; 7 to 10 were undone before
    ledger.close()
    assert audit(path).total == Figures(produced=77, trained=77, undone=49)
    assert audit(path).balanced


def test_versions_may_begin_again_only_in_a_new_server_life() -> None:
    ledger = Ledger(None)
    ledger.produced(0, 1, [(name(0), [0]), (name(1), [0])])
    ledger.trained([name(0)], 5)
    ledger.trained([name(1)], 5)
    assert "version 5 after version 5" in ledger.balance().violations[0]
    ledger = Ledger(None)
    ledger.produced(0, 1, [(name(0), [0])])
    ledger.trained([name(0)], 5)
    ledger.produced(0, 1, [(name(0, life=2), [0])])
    ledger.trained([name(0, life=2)], 3)
    assert ledger.balance().balanced


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (lambda led: [led.trained([name(0)], 1), led.trained([name(0)], 2)], "trained or lost before"),
        (lambda led: [led.trained([name(0)], 1), led.lost([name(0)], "late")], "trained or lost before"),
        (lambda led: led.trained([name(0), name(0)], 1), "trained or lost before"),
        (lambda led: led.trained([name(9)], 1), "never produced"),
        (lambda led: led.trained([name(0, learner=4)], 1), "never produced"),
        (lambda led: led.produced(1, 10, [(name(0), [0])]), "produced twice"),
        (lambda led: [led.produced(1, 9, [(name(0, incarnation=i), [0])]) for i in (2, 1)], "superseded incarnation"),
    ],
)
@pytest.mark.parametrize("max_bytes", [1, 10**6])
def test_what_cannot_have_happened_is_a_violation(path: Path, happens, said: str, max_bytes: int) -> None:
    ledger = Ledger(path, max_bytes)
    ledger.produced(0, 10, [(name(0), [0])])
    happens(ledger)
    ledger.close()
    found = audit(path)
    assert not found.balanced
    assert len(found.violations) == 1
    assert said in found.violations[0]


def test_many_violations_are_counted_not_kept() -> None:
    ledger = Ledger(None)
    for version in range(100):
        ledger.trained([name(version)], version)
    assert len(ledger.balance().violations) == 51
    assert ledger.balance().violations[-1] == "and 50 more"


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "[]",
        '{"k":"melted"}',
        '{"k":"trained","version":1,"of":[]}',
        '{"k":"trained","version":1,"of":[[1,2]]}',
        '{"k":"trained","version":true,"of":[[1,0,0,0]]}',
        '{"k":"produced","round":0,"life":1,"each":-4096,"of":[[0,0,1,[0]]]}',
        '{"k":"lost","why":"Because <b>","of":[[1,0,0,0]]}',
        '{"k":"forward","format":2}',
        '{"k":"forward","format":1,"robots":[],"lost":[],"withheld":{}}',
    ],
)
def test_a_line_that_makes_no_sense_unbalances(path: Path, line: str) -> None:
    ledger = Ledger(path)
    ledger.produced(0, 10, [(name(0), [0])])
    ledger.close()
    with path.open("a") as file:
        file.write(line + "\n")
    found = audit(path)
    assert "line 3" in found.violations[0]
    assert not found.balanced
    assert found.total == Figures(produced=10, unresolved=10)


@pytest.mark.parametrize("kept", ["drop a produced line", "repeat one"])
def test_a_line_taken_out_or_put_in_unbalances(path: Path, kept: str) -> None:
    ledger = Ledger(path)
    ledger.produced(0, 10, [(name(0), [0])])
    ledger.trained([name(0)], 1)
    ledger.close()
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], *lines[2:]] if kept.startswith("drop") else [*lines, lines[1]]))
    assert not audit(path).balanced


def test_a_partial_last_line_is_told_and_left_out(path: Path) -> None:
    ledger = Ledger(path)
    ledger.produced(0, 10, [(name(0), [0])])
    ledger.trained([name(0)], 1)
    ledger.close()
    path.write_bytes(path.read_bytes()[:-9])
    found = audit(path)
    assert found.partial_line
    assert found.balanced
    assert found.total == Figures(produced=10, unresolved=10)
    ledger = Ledger(path)
    ledger.trained([name(0)], 1)
    ledger.close()
    assert not audit(path).partial_line
    assert audit(path).total == Figures(produced=10, trained=10)


def test_the_supervisor_resolves_what_a_dead_server_left(path: Path) -> None:
    ledger = Ledger(path)
    ledger.produced(0, 10, [(name(0), [0]), (name(0, learner=1), [1])])
    ledger.trained([name(0)], 1)
    ledger.close()
    settled = resolve_outstanding(path, "server_died")
    assert settled == resolve_outstanding(path, "server_died") == audit(path)
    assert audit(path).total == Figures(produced=20, trained=10, lost=10)
    assert audit(path).lost == {"server_died": 10}
    assert resolve_outstanding(path.with_name("none.jsonl"), "server_died") is None
    assert not path.with_name("none.jsonl").exists()


def test_a_life_that_ends_says_what_was_trained_in_this_run_also_if_it_was_undone(path: Path) -> None:
    """Broken by forgetting the run's first life, to whose snapshot an earlier run's versions were taken back; by
    taking a number back within one run, which a learner that restarts would then use again."""
    ledger = Ledger(path)
    for life, learner, seq, version in ((0, 0, 0, 50), (0, 1, 0, 50), (1, 0, 0, 21), (2, 0, 0, 22)):
        ledger.produced(seq, 10, [(name(seq, learner, life, life), [learner])])
        ledger.trained([name(seq, learner, life, life)], version)
        if life == 0:
            ledger.undone(learner, after=20)
    ledger.produced(1, 10, [(name(1, 0, 2, 2), [0])])
    ledger.undone(0, after=20)
    ledger.close()
    assert end_life(path, "server_died", since=1) == {0: 22}
    assert audit(path).lost == {"server_died": 10}
    assert end_life(path, "server_died", since=0) == {0: 22, 1: 50}


def test_one_writer_at_a_time_also_after_folding(path: Path) -> None:
    ledger = Ledger(path, max_bytes=1)
    ledger.produced(0, 10, [(name(0), [0])])
    with pytest.raises(LedgerError, match="another process"):
        Ledger(path)
    with pytest.raises(LedgerError, match="another process"):
        resolve_outstanding(path, "server_died")
    ledger.close()
    ledger.close()
    Ledger(path).close()


def test_a_reason_and_a_policy_are_checked_before_they_are_written(path: Path) -> None:
    ledger = Ledger(path)
    ledger.produced(0, 10, [(name(0), [0]), (name(0, learner=1), [1])])
    size = path.stat().st_size
    with pytest.raises(ValueError, match="allowed is"):
        ledger.lost([name(0)], "a Reason")
    with pytest.raises(ValueError, match="one learner's"):
        ledger.trained([name(0), name(0, learner=1)], 1)
    with pytest.raises(ValueError, match="lives"):
        ledger.produced(1, 10, [(name(1), [0]), (name(1, life=2), [0])])
    assert path.stat().st_size == size
    ledger.close()


def test_a_missing_ledger_is_bad_input(path: Path) -> None:
    with pytest.raises(BadInput, match=r"ledger\.jsonl"):
        audit(path)


def live(ledgers: list[Ledger], rng: random.Random, steps: int) -> tuple[Counter[str], Counter[int]]:
    """A random but honest life told to every one of `ledgers`; what it comes to, counted the slow and obvious way."""
    all_, produced = Counter(), Counter()
    waiting: dict[int, list[tuple[RolloutName, int]]] = {learner: [] for learner in range(3)}
    versions, incarnations, seqs = [0] * 3, [0] * 3, [0] * 3
    trained: dict[int, list[tuple[int, int]]] = {learner: [] for learner in range(3)}

    def tell(verb: str, *args: object) -> None:
        for ledger in ledgers:
            getattr(ledger, verb)(*args)

    for step in range(steps):
        each, learner = rng.choice([32, 32, 32, 16]), rng.randrange(3)
        robots = [[0], [1, 2], [3]][learner]
        choice = rng.random()
        if choice < 0.4:
            rollout = name(seqs[learner], learner, incarnations[learner])
            seqs[learner] += rng.choice([1, 1, 1, 2])  # a number may be skipped
            tell("produced", step, each, [(rollout, robots)])
            waiting[learner].append((rollout, each * len(robots)))
            all_["produced"] += each * len(robots)
            produced.update(dict.fromkeys(robots, each))
        elif choice < 0.5:
            tell("withheld", step, robots, each, "no_credit")
            all_["produced"] += each * len(robots)
            all_["withheld"] += each * len(robots)
            produced.update(dict.fromkeys(robots, each))
        elif choice < 0.9 and waiting[learner]:
            taken, waiting[learner] = waiting[learner][:2], waiting[learner][2:]
            versions[learner] += 1
            tell("trained", [rollout for rollout, _ in taken], versions[learner])
            all_["trained"] += sum(count for _, count in taken)
            trained[learner].append((versions[learner], sum(count for _, count in taken)))
        elif choice > 0.97:
            tell("lost", [rollout for rollout, _ in waiting[learner]], "learner_died")
            all_["lost"] += sum(count for _, count in waiting[learner])
            after = max(0, versions[learner] - rng.randrange(6))
            tell("undone", learner, after)
            all_["undone"] += sum(count for version, count in trained[learner] if version > after)
            trained[learner] = [item for item in trained[learner] if item[0] <= after]
            waiting[learner], seqs[learner] = [], 0
            incarnations[learner] += 1
    all_["unresolved"] = sum(count for rollouts in waiting.values() for _, count in rollouts)
    return all_, produced


@pytest.mark.parametrize("seed", range(3))
def test_folding_changes_no_figure(tmp_path: Path, seed: int) -> None:
    ledgers = [Ledger(tmp_path / f"{size}.jsonl", size) for size in (1, 3000, 10**8)]
    told, produced = live(ledgers, random.Random(seed), 300)
    for ledger in ledgers:
        ledger.close()
    found = [audit(tmp_path / f"{size}.jsonl") for size in (1, 3000, 10**8)]
    assert found[0] == found[1] == found[2]
    assert found[0].balanced
    assert Counter(vars(found[0].total)) == Counter({field: told[field] for field in vars(found[0].total)})
    assert {robot: figures.produced for robot, figures in found[0].robots.items()} == dict(produced)
    # Opened once more, the figures and the bound still hold.
    again = Ledger(tmp_path / "100000000.jsonl", 3000)
    assert again.balance() == found[0]
    again.close()


def test_the_file_stays_bounded(path: Path) -> None:
    ledger = Ledger(path, max_bytes=20_000)
    for version in range(1, 100):
        ledger.produced(version, 4096, [(name(version, learner=k), [k]) for k in range(20)])
        for learner in range(20):
            ledger.trained([name(version, learner=learner)], version)
        assert path.stat().st_size <= 20_000
    ledger.close()
    assert audit(path).total == Figures(produced=99 * 20 * 4096, trained=99 * 20 * 4096)


@pytest.mark.slow
def test_no_kill_unbalances_it(path: Path) -> None:
    told = kill_often("ledger", path, kills=100)
    found = audit(path)
    assert found.balanced
    assert found.total.produced >= told["produced"] > 0
    assert told["folded"] > 10
    resolve_outstanding(path, "server_died")
    assert audit(path).total.unresolved == 0
    assert [entry.name for entry in path.parent.iterdir()] == ["ledger.jsonl"]


def kill_often(what: str, path: Path, kills: int) -> dict[str, int]:
    """Run `killing.py`, which checks after each kill; what it counted."""
    script = Path(__file__).with_name("killing.py")
    command = [sys.executable, str(script), what, str(path), str(kills)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    counted: dict[str, int] = json.loads(done.stdout)
    return counted


@pytest.mark.parametrize("wrong", [b'{"k":"withheld"}', b"{", b"\xff", b'{"k":1},{"k":2}', b"[1\n2]", b"7"])
def test_a_line_that_makes_no_sense_is_named_and_the_others_count(tmp_path: Path, wrong: bytes) -> None:
    """However many are parsed in one go. Broken by counting lines from there, and by dropping all that were."""
    withheld = b'{"k":"withheld","round":0,"each":1,"robots":[0],"why":"no_credit"}'
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b"\n".join([withheld] * 599 + [wrong] + [withheld] * 700) + b"\n")
    balance = audit(path)
    assert balance.total.withheld == 1299
    assert balance.violations[0].startswith("line 600 is no ledger line")
    assert len(balance.violations) == 1 + wrong.count(b"\n")
