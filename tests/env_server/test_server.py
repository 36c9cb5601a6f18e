"""The environment server under faults, with learners that answer at once: planned, live, restarted, not understood.

Broken on purpose to see them fail: fencing when the supervisor says so instead of in the round, waiting for who is
away, starting a second life's rounds at the snapshot's, taking back a refused policy's rollouts at its first failure.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import pytest

from env_server import nudges
from fleet.core.config.write import to_toml
from fleet.core.jsonl import read_jsonl
from fleet.core.ledger_file import audit, resolve_outstanding
from fleet.core.messages import Inject, Policy, Stop
from fleet.core.snapshots import SnapshotStore
from tests.env_server.serving import RUN, Supervised, a_config

Make = Callable[..., Supervised]
EACH = 12  # agent-steps of a robot in a round
TIMES = ("wall_s", "world_s", "acting_s", "measures_s", "agent_steps_per_s", "trained_per_s", "sending_s")
TIMES += ("waiting_s", "learning_s")


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Make]:
    made: list[Supervised] = []

    def make(*faults: Mapping[str, Any], name: str = "run", **run: Any) -> Supervised:
        config = a_config(*faults, **run)
        made.append(Supervised(tmp_path / name, config, to_toml(config)))
        return made[-1]

    yield make
    for one in made:
        one.close()


def play(run: Supervised, *absent: int) -> Supervised:
    """A whole run with all learners but those `absent` at the start."""
    for learner in range(3):
        if learner not in absent:
            run.start(learner)
    run.finish(run.serve())
    return run


def record(run: Supervised) -> list[dict[str, Any]]:
    """metrics.jsonl without the times."""
    lines = read_jsonl(run.directory.metrics)
    return [{key: value for key, value in line.items() if key not in TIMES} for line in lines]


def test_an_empty_plan_trains_every_step(supervised: Make) -> None:
    run = play(supervised())
    balance = audit(run.directory.ledger)
    assert balance.balanced
    assert (balance.total.trained, balance.lost, balance.withheld) == (8 * 3 * EACH, {}, {})
    assert [event.name for event in run.events] == ["online"] * 3 + ["draining"]
    assert {(details["round"], details["version"]) for details in run.named("online")} == {(0, 0)}


def test_a_killed_learners_round_is_lost_and_the_run_is_a_function_of_its_plan(supervised: Make) -> None:
    """The supervisor's own Lost comes whenever it comes; the server has fenced that incarnation in the round."""
    plan = {"kind": "kill", "robots": (1,), "round": 3}
    runs = [play(supervised(plan, name=f"run{k}")) for k in range(2)]
    first = runs[0]
    balance = audit(first.directory.ledger)
    assert balance.balanced
    assert (balance.lost, balance.withheld) == ({"learner_died": EACH}, {})
    [due] = first.named("due")
    assert due == {"round": 3, "moment": "during", "begin": [0], "end": [], "accepted": {"1": 3}}
    fenced = first.named("fenced")[0]
    assert fenced == {
        "learner": 1,
        "incarnation": 0,
        "round": 3,
        "accepted": 3,
        "lost": EACH,
        "during": True,
        "reason": "learner_died",
    }
    back = first.named("online")[-1]
    assert back == {"learner": 1, "incarnation": 1, "round": 4, "version": 4}
    assert record(runs[0]) == record(runs[1])
    assert len(record(first)) == 8


def test_a_strike_before_its_round_loses_nothing(supervised: Make) -> None:
    run = play(supervised({"kind": "kill", "robots": (1,), "round": 3, "before": True}))
    balance = audit(run.directory.ledger)
    assert balance.balanced
    assert balance.total.trained == 8 * 3 * EACH
    assert run.named("fenced")[0]["during"] is False


@pytest.mark.parametrize(("body", "reason"), [("drives-on", "learner_away"), ("towed", "learner_away")])
def test_a_learner_with_a_time_to_be_back_is_out_until_then(supervised: Make, body: str, reason: str) -> None:
    plan = {"kind": "kill", "robots": (1,), "round": 3, "rounds": 3, "body": body}
    runs = [play(supervised(plan, name=f"run{k}")) for k in range(2)]
    balance = audit(runs[0].directory.ledger)
    assert balance.balanced
    assert balance.lost == {"learner_died": EACH}
    assert balance.withheld == {reason: 2 * EACH}
    assert [(due["round"], due["begin"], due["end"]) for due in runs[0].named("due")] == [(3, [0], []), (6, [], [0])]
    assert record(runs[0]) == record(runs[1])
    assert runs[0].named("online")[-1]["round"] == 6


def test_rounds_pass_for_nobody_until_all_come_back(supervised: Make) -> None:
    """Broken by not letting them: then nobody ever comes back."""
    run = supervised(
        {"kind": "kill", "robots": (1,), "round": 2, "rounds": 3}, {"kind": "leave", "robots": (0, 2), "round": 1}
    )
    play(run)
    balance = audit(run.directory.ledger)
    assert balance.balanced
    assert balance.withheld == {"left": 2 * 7 * EACH, "learner_away": 2 * EACH}


def test_who_joins_late_and_who_leaves_are_away_and_gone(supervised: Make) -> None:
    run = play(
        supervised({"kind": "join", "robots": (0,), "round": 4}, {"kind": "leave", "robots": (2,), "round": 5}), 0
    )
    balance = audit(run.directory.ledger)
    assert balance.balanced
    assert balance.withheld == {"learner_away": 4 * EACH, "left": 3 * EACH}
    assert run.named("online")[-1] == {"learner": 0, "incarnation": 0, "round": 4, "version": 0}
    assert [(due["round"], due["begin"]) for due in run.named("due")] == [(4, [0]), (5, [1])]


def test_an_offline_body_is_withheld_while_its_learner_waits(supervised: Make) -> None:
    run = play(supervised({"kind": "offline", "robots": (1,), "round": 2, "rounds": 4, "body": "stalled"}))
    balance = audit(run.directory.ledger)
    assert balance.withheld == {"offline": 4 * EACH}
    assert run.named("struck") == [{"number": 0, "round": 2, "kind": "offline"}]
    assert run.named("mended") == [{"number": 0, "round": 6, "kind": "offline"}]
    assert [figures.figures["online"] for figures in run.progress] == [3, 3, 2, 2, 2, 2, 3, 3]


def test_live_faults_begin_and_end_when_told(supervised: Make) -> None:
    run = supervised(rounds=400)
    for learner in range(3):
        run.start(learner)
    thread = run.serve()
    run.until(lambda: len(run.progress) > 3)
    fault = {"number": 1000, "kind": "offline", "learner": 1, "robots": [1], "body": "towed"}
    run.tell(Inject(RUN, fault))
    run.until(lambda: run.named("struck"))
    begun = run.named("struck")[0]["round"]
    run.until(lambda: run.progress[-1].figures["round"] > begun + 3)
    assert run.progress[-1].figures["online"] == 2
    run.tell(Inject(RUN, fault, over=True))
    run.until(lambda: run.named("mended"))
    ended = run.named("mended")[0]["round"]
    run.until(lambda: run.progress[-1].figures["round"] > ended + 3)
    assert run.progress[-1].figures["online"] == 3
    run.tell(Inject(RUN, {"number": 1, "kind": "nonsense"}))
    run.tell(Stop(RUN, "stopped"))
    run.finish(thread)
    withheld = audit(run.directory.ledger).withheld
    assert withheld["offline"] == (ended - begun) * EACH


@pytest.mark.slow
def test_with_everyone_held_by_a_person_the_world_waits(supervised: Make) -> None:
    """Broken by letting rounds pass: they would all be over before anybody is back."""
    run = supervised(rounds=60)
    for learner in range(3):
        run.start(learner)
    thread = run.serve()
    run.until(lambda: run.progress)
    faults = [{"number": 1000 + k, "kind": "kill", "learner": k, "robots": [k], "held": True} for k in range(3)]
    dead = {}
    for k, fault in enumerate(faults):
        run.tell(Inject(RUN, fault))
        dead[k] = run.kill(k)
    run.until(lambda: len(run.named("fenced")) == 3)
    before = len(run.progress)
    run.until(lambda: len(run.beats) > 10 and not any(beat.working for beat in run.beats[-3:]))
    assert len(run.progress) <= before + 1 < 50
    for k, fault in enumerate(faults):
        run.start(k, dead[k][0] + 1, dead[k][1])
        run.tell(Inject(RUN, fault, over=True))
    run.finish(thread)
    assert len(record(run)) == 60
    assert audit(run.directory.ledger).balanced


def test_another_life_goes_on_with_the_round_and_writes_none_twice(supervised: Make) -> None:
    run = supervised(rounds=9)
    for learner in range(3):
        run.start(learner)
    first = run.serve()
    run.until(lambda: len(run.progress) >= 4)
    run.tell(Stop(RUN, "stopped"))  # in a thread nothing can be killed; what it leaves behind is made up for below
    run.finish(first)
    done = int(run.progress[-1].figures["round"])
    steps = int(run.progress[-1].figures["agent_steps"])
    resolve_outstanding(run.directory.ledger, "server_died")
    for learner in run.learners.values():
        learner.stopped = False
    run.life = 1
    accepted = {str(k): learner.version - 1 for k, learner in run.learners.items()}
    # as if the supervisor hadn't heard of the last round
    fences = dict.fromkeys(accepted, -1)
    second = run.serve(goes_on_at=done - 1, agent_steps=steps - 3 * EACH, fences=fences, accepted=accepted)
    run.finish(second)
    lines = record(run)
    assert [line["round"] for line in lines] == list(range(1, 10))
    assert [line["agent_steps"] for line in lines] == [3 * EACH * n for n in range(1, 10)]
    balance = audit(run.directory.ledger)
    assert balance.balanced
    assert balance.total.unresolved == 0


def spoil_shape(policy: Policy) -> Policy:
    return replace(policy, weights={"actor.0.weight": np.zeros((1, 1), np.float32)})


def test_a_policy_that_cannot_be_used_is_asked_for_again(supervised: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nudges, "SPOILED_S", 1.1)
    run = supervised(rounds=4)
    learners = [run.start(learner) for learner in range(3)]
    thread = run.serve()
    run.until(lambda: run.progress)
    left = [1]
    learners[1].change = lambda policy: spoil_shape(policy) if left and left.pop() else policy
    run.finish(thread)
    balance = audit(run.directory.ledger)
    assert balance.balanced
    assert balance.total.trained == 4 * 3 * EACH
    assert run.named("refused") == []


@pytest.mark.slow
def test_the_third_one_in_a_row_is_the_last(supervised: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nudges, "SPOILED_S", 1.1)
    run = supervised(rounds=4)
    learners = [run.start(learner) for learner in range(3)]
    thread = run.serve()
    run.until(lambda: run.progress)
    learners[1].change = spoil_shape
    run.until(lambda: run.named("refused"))
    run.until(lambda: run.named("fenced"))
    assert run.named("refused")[0]["learner"] == 1
    assert run.named("fenced")[0]["reason"] == "policy_refused"
    accepted = run.named("fenced")[0]["accepted"]
    run.kill(1)
    run.start(1, 1, accepted)
    run.finish(thread)
    balance = audit(run.directory.ledger)
    assert balance.balanced
    assert balance.lost == {"policy_refused": EACH}


@pytest.mark.slow
def test_a_policy_lost_on_its_way_is_sent_again(supervised: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nudges, "NUDGE_S", 1.5)
    run = supervised(rounds=4)
    learners = [run.start(learner) for learner in range(3)]
    thread = run.serve()
    run.until(lambda: run.progress)
    learners[2].mute, before = True, len(learners[2].rounds)
    run.until(lambda: len(learners[2].rounds) > before)
    learners[2].mute = False
    run.finish(thread)
    balance = audit(run.directory.ledger)
    assert balance.balanced
    assert balance.total.trained == 4 * 3 * EACH


def test_a_snapshot_that_cannot_be_written_is_told_and_left_out(
    supervised: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken by letting the error through, which ended the run."""
    run = supervised(rounds=3)
    monkeypatch.setattr(
        "env_server.snapshot.save_arrays", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    play(run)
    [failed] = run.named("snapshot_failed")
    assert failed["round"] == 3
    assert "No space" in failed["error"]
    assert SnapshotStore(run.directory.snapshots).snapshots() == []
    assert list(run.directory.snapshots.iterdir()) == []
    assert len(record(run)) == 3


def test_a_life_that_begins_within_a_fault_goes_on_with_it(supervised: Make) -> None:
    """Broken by beginning with everybody expected: the round would wait for a learner that nobody starts."""
    run = supervised(
        {"kind": "kill", "robots": (1,), "round": 2, "rounds": 4},
        {"kind": "offline", "robots": (0,), "round": 1, "rounds": 4, "body": "towed"},
    )
    run.out, run.life = (0, 2), 1
    for learner in (0, 2):
        run.start(learner, 0, 5)
    thread = run.serve(goes_on_at=3, agent_steps=3 * 3 * EACH, fences={"1": 0}, accepted={"0": 4, "1": 1, "2": 4})
    run.finish(thread)
    balance = audit(run.directory.ledger)
    assert balance.balanced
    assert balance.withheld == {"learner_away": 3 * EACH, "offline": 2 * EACH}
    assert [line["round"] for line in record(run)] == [4, 5, 6, 7, 8]
    assert [(due["round"], due["end"]) for due in run.named("due")] == [(6, [1])]
    assert run.named("mended") == [{"number": 0, "round": 5, "kind": "offline"}]
    assert run.named("struck") == []


def test_a_killed_server_waits_for_it_after_its_round(supervised: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken by going on: the round in which it dies would be any."""
    monkeypatch.setattr("env_server.server.STRUCK_S", 0.6)
    run = supervised({"kind": "kill", "target": "env_server", "round": 2})
    run.strikes.clear()  # nobody kills a thread
    monkeypatch.setattr(run, "due", lambda details: counted.append((details["moment"], len(run.progress))))
    counted: list[tuple[str, int]] = []
    for learner in range(3):
        run.start(learner)
    began = monotonic()
    run.finish(run.serve())
    assert counted == [("after", 3)]
    assert monotonic() - began > 0.6
    assert len(record(run)) == 8
