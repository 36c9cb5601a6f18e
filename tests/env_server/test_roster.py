"""Learners as the server keeps them: every agent-step is trained, lost or withheld, and the ledger says so."""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from env_server.collect import Round
from env_server.pacing import Standing
from env_server.roster import Roster
from fleet.core.ledger_file import Ledger, audit
from fleet.core.messages import Hello, Policy, Rollout
from fleet.core.spec import WorldSpec

RUN = "0" * 32
SPEC = WorldSpec(3, 2, 4, np.dtype(np.int8), 5, np.ones(4, np.float32))
STEPS = 5
EACH = STEPS * SPEC.worlds


class Heard:
    """Stands where actors and the recorder are told of accepted policies."""

    def __init__(self) -> None:
        self.loaded: list[tuple[int, ...]] = []
        self.lags: list[int] = []

    def load(self, robots: Sequence[int], weights: object) -> None:
        self.loaded.append(tuple(robots))

    def learned(self, learner: int, agent_steps: int, lag: int, diagnostics: object) -> None:
        self.lags.append(lag)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.jsonl")


@pytest.fixture
def roster(ledger: Ledger) -> Roster:
    return Roster(RUN, 0, [(0,), (1, 2)], SPEC, ledger, 1, lockstep=False)


def a_round() -> Round:
    shape = (SPEC.robots, STEPS, SPEC.worlds)
    return Round(
        steps=STEPS,
        obs=np.zeros((SPEC.robots, STEPS + 1, SPEC.worlds, 4), np.int8),
        actions=np.zeros(shape, np.uint8),
        log_probs=np.zeros(shape, np.float32),
        rewards=np.zeros(shape, np.float32),
        terminated=np.zeros(shape, np.bool_),
        truncated=np.zeros(shape, np.bool_),
    )


def acting(roster: Roster) -> list[int]:
    return [session.accepted for session in roster.sessions]


def policy(learner: int, version: int, *seqs: int, incarnation: int = 1) -> Policy:
    return Policy(RUN, 0, learner, incarnation, version, seqs, {"w": np.zeros(1, np.float32)}, {})


def join(roster: Roster, heard: Heard, learner: int, incarnation: int = 1, version: int = -1) -> None:
    welcome = roster.greet(Hello(RUN, learner, incarnation, version, -1))
    assert welcome is not None
    first = policy(learner, max(0, version, welcome.accepted + 1), incarnation=incarnation)
    assert roster.take(first, heard, heard)


def test_a_round_is_dealt_to_those_who_are_there(roster: Roster, ledger: Ledger, tmp_path: Path) -> None:
    heard, sent = Heard(), list[Rollout]()
    join(roster, heard, 1)
    dealt = roster.deal(0, a_round(), acting(roster), lambda rollout: not sent.append(rollout))
    assert [rollout.batch.robots for rollout in sent] == [(1, 2)]
    assert (dealt.sent, dealt.withheld, dealt.online) == (2 * EACH, EACH, 2)
    assert roster.standing() == [Standing.ABSENT, Standing.BUSY]
    assert roster.take(policy(1, 1, 0), heard, heard)
    balance = audit(tmp_path / "ledger.jsonl")
    assert balance.balanced
    assert (balance.total.trained, balance.withheld) == (2 * EACH, {"no_learner": EACH})


def test_a_learner_without_credit_is_skipped(roster: Roster, tmp_path: Path) -> None:
    heard = Heard()
    for learner in (0, 1):
        join(roster, heard, learner)
    for number in range(2):
        roster.deal(number, a_round(), acting(roster), lambda _: True)
    assert audit(tmp_path / "ledger.jsonl").withheld == {"no_credit": 3 * EACH}


def test_what_a_dead_learner_held_is_lost_and_its_late_policy_refused(roster: Roster, tmp_path: Path) -> None:
    heard = Heard()
    join(roster, heard, 0)
    roster.deal(0, a_round(), acting(roster), lambda _: True)
    roster.lose(0, 1, "learner_died")
    assert not roster.take(policy(0, 1, 0), heard, heard)
    assert audit(tmp_path / "ledger.jsonl").lost == {"learner_died": EACH}


def test_a_restart_undoes_what_came_after_its_checkpoint(roster: Roster, tmp_path: Path) -> None:
    heard = Heard()
    join(roster, heard, 0)
    for number in range(3):
        roster.deal(number, a_round(), acting(roster), lambda _: True)
        assert roster.take(policy(0, number + 1, number), heard, heard)
    roster.lose(0, 1, "learner_died")
    join(roster, heard, 0, incarnation=2, version=1)
    balance = audit(tmp_path / "ledger.jsonl")
    assert (balance.total.trained, balance.total.undone) == (3 * EACH, 2 * EACH)
    assert roster.sessions[0].accepted == 4


def test_an_unreachable_learner_costs_its_rollout_and_nothing_else(roster: Roster, tmp_path: Path) -> None:
    heard = Heard()
    for learner in (0, 1):
        join(roster, heard, learner)
    dealt = roster.deal(0, a_round(), acting(roster), lambda rollout: rollout.learner != 0)
    assert dealt.sent == 2 * EACH
    assert audit(tmp_path / "ledger.jsonl").lost == {"unreachable": EACH}
    assert roster.sessions[0].can_send


def test_lag_counts_the_policies_accepted_since_a_rollout_was_acted(ledger: Ledger) -> None:
    heard = Heard()
    roster = Roster(RUN, 0, [(0, 1, 2)], SPEC, ledger, 2, lockstep=False)
    join(roster, heard, 0)
    for number in range(2):
        roster.deal(number, a_round(), acting(roster), lambda _: True)
    for number in range(2):
        assert roster.take(policy(0, number + 1, number), heard, heard)
    assert heard.lags == [0, 1]


def test_a_learner_nobody_knows_is_refused(roster: Roster) -> None:
    assert roster.greet(Hello(RUN, 7, 1, -1, -1)) is None
    assert not roster.take(policy(7, 0), Heard(), Heard())


def test_what_is_away_left_or_offline_is_withheld_by_its_own_reason(ledger: Ledger, tmp_path: Path) -> None:
    """Broken by giving the phase's reason alone."""
    heard = Heard()
    roster = Roster(RUN, 0, [(0,), (1,), (2,)], SPEC, ledger, 1, lockstep=True, gone=[1])
    join(roster, heard, 2)
    roster.sessions[0].expected = False
    roster.give_up(1, "left")
    offline = {2}
    assert roster.standing(offline) == [Standing.AWAY, Standing.GONE, Standing.AWAY]
    dealt = roster.deal(0, a_round(), acting(roster), lambda _: True, offline)
    assert (dealt.sent, dealt.online) == (0, 0)
    assert audit(tmp_path / "ledger.jsonl").withheld == {"learner_away": EACH, "left": EACH, "offline": EACH}
    assert not roster.all_gone


def test_a_learner_of_several_robots_gets_the_part_of_those_that_are_online(roster: Roster, tmp_path: Path) -> None:
    heard, sent = Heard(), list[Rollout]()
    join(roster, heard, 1)
    dealt = roster.deal(0, a_round(), acting(roster), lambda rollout: not sent.append(rollout), {2})
    assert [rollout.batch.robots for rollout in sent] == [(1,)]
    assert (dealt.sent, dealt.withheld, dealt.online) == (EACH, 2 * EACH, 1)
    assert roster.take(policy(1, 1, 0), heard, heard)
    balance = audit(tmp_path / "ledger.jsonl")
    assert balance.balanced
    assert balance.withheld == {"no_learner": EACH, "offline": EACH}


def test_lockstep_waits_for_an_offline_robots_learner_to_answer_what_it_holds(ledger: Ledger) -> None:
    heard = Heard()
    roster = Roster(RUN, 0, [(0,), (1, 2)], SPEC, ledger, 1, lockstep=True)
    join(roster, heard, 0)
    roster.deal(0, a_round(), acting(roster), lambda _: True)
    assert roster.standing({0})[0] is Standing.BUSY
    assert roster.take(policy(0, 1, 0), heard, heard)
    assert roster.standing({0})[0] is Standing.AWAY


def test_the_next_life_knows_who_is_dead_and_what_was_accepted(ledger: Ledger) -> None:
    roster = Roster(RUN, 1, [(0,), (1, 2)], SPEC, ledger, 1, lockstep=True, fences={0: 3}, accepted={0: 6}, gone=[1])
    assert roster.greet(Hello(RUN, 0, 3, 6, -1)) is None
    welcome = roster.greet(Hello(RUN, 0, 4, 6, -1, greeting=2))
    assert welcome is not None
    assert (welcome.accepted, welcome.life) == (6, 1)
    assert roster.greet(Hello(RUN, 1, 9, 6, -1)) is None
    again = roster.welcome(roster.sessions[0])
    assert (again.greeting, again.incarnation, again.accepted) == (2, 4, 6)


@pytest.mark.parametrize(("version", "undone"), [(2, 0), (1, EACH), (0, 2 * EACH)])
def test_the_next_life_undoes_what_a_learner_went_back_before(
    roster: Roster, ledger: Ledger, tmp_path: Path, version: int, undone: int
) -> None:
    """Broken by comparing with the version of which the new life takes the next one."""
    heard = Heard()
    join(roster, heard, 0)
    for number in range(2):
        roster.deal(number, a_round(), acting(roster), lambda _: True)
        assert roster.take(policy(0, number + 1, number), heard, heard)
    later = Roster(RUN, 1, [(0,), (1, 2)], SPEC, ledger, 1, lockstep=False, fences={0: 0}, accepted={0: 1})
    assert later.greet(Hello(RUN, 0, 1 if undone == 0 else 2, version, -1)) is not None
    assert audit(tmp_path / "ledger.jsonl").total.undone == undone


def test_what_is_lost_is_given_back(roster: Roster) -> None:
    join(roster, Heard(), 1)
    roster.deal(4, a_round(), acting(roster), lambda _: True)
    [item] = roster.lose(1, 1, "learner_died")
    assert (item.round, item.robots, item.each) == (4, (1, 2), EACH)
    assert roster.lose(1, 1, "learner_died") == ()


def test_what_an_earlier_incarnation_leaves_behind_takes_nothing_from_the_next(roster: Roster) -> None:
    heard = Heard()
    join(roster, heard, 0)
    join(roster, heard, 0, incarnation=2)
    roster.deal(0, a_round(), acting(roster), lambda _: True)
    assert roster.spoiled(0, 1) == 0
    roster.lose(0, 1, "learner_died")
    assert list(roster.sessions[0].outstanding) == [0]
    assert roster.spoiled(0, 2) == 1
    assert roster.spoiled(9, 0) == 0


@pytest.mark.parametrize("seed", range(20))
def test_the_ledger_balances_whatever_comes_in_whatever_order(roster: Roster, tmp_path: Path, seed: int) -> None:
    rng, heard = random.Random(seed), Heard()
    for number in range(200):
        learner, incarnation = rng.randrange(2), rng.randrange(1 + number // 20)
        session = roster.sessions[learner]
        match rng.choices(["hello", "policy", "round", "lost", "gone"], [30, 40, 25, 5, 0.2])[0]:
            case "hello":
                hello = Hello(
                    RUN, learner, incarnation, rng.randrange(-1, 5), rng.randrange(-1, 3), life=rng.choice([-1, 0])
                )
                roster.greet(hello)
            case "policy":
                seqs = tuple(session.outstanding) if rng.random() < 0.7 else ()
                version = session.accepted + rng.randrange(3)
                given = policy(learner, max(0, version), *seqs, incarnation=max(0, session.incarnation))
                roster.take(given, heard, heard)
            case "round":
                roster.deal(number, a_round(), acting(roster), lambda _: rng.random() < 0.9)
            case "lost":
                roster.lose(learner, incarnation, "learner_died")
            case "gone":
                roster.give_up(learner, "restarts_used_up")
    roster.lose_all("stopped")
    balance = audit(tmp_path / "ledger.jsonl")
    assert balance.balanced
    assert balance.total.unresolved == 0
    assert balance.total.trained > 0
