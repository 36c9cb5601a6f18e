"""Robots that never learn: the server acts with their first policy, deals them nothing and waits for none of them."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from env_server.pacing import Pace, Standing
from env_server.roster import Roster
from fleet.core.ledger_file import Ledger, audit
from fleet.core.messages import Rollout
from tests.env_server.test_roster import EACH, RUN, SPEC, Heard, a_round, acting, join, policy


def roster(path: Path, groups: Sequence[tuple[int, ...]], frozen: Sequence[int], *, lockstep: bool = False) -> Roster:
    return Roster(RUN, 0, groups, SPEC, Ledger(path / "ledger.jsonl"), 1, lockstep=lockstep, frozen=frozen)


def test_frozen_robots_get_nothing_and_the_ledger_says_why(tmp_path: Path) -> None:
    fleet, heard, sent = roster(tmp_path, [(0,), (1,), (2,)], [0, 2]), Heard(), list[Rollout]()
    for learner in range(3):
        join(fleet, heard, learner)
    dealt = fleet.deal(0, a_round(), acting(fleet), lambda rollout: not sent.append(rollout))
    assert [rollout.batch.robots for rollout in sent] == [(1,)]
    assert (dealt.sent, dealt.withheld, dealt.online) == (EACH, 0, 3)
    assert fleet.take(policy(1, 1, 0), heard, heard)
    balance = audit(tmp_path / "ledger.jsonl")
    assert balance.balanced
    assert (balance.total.produced, balance.total.trained) == (3 * EACH, EACH)
    assert (balance.withheld, balance.missed) == ({"frozen": 2 * EACH}, {})


def test_a_pack_gets_the_steps_of_those_who_learn(tmp_path: Path) -> None:
    fleet, heard, sent = roster(tmp_path, [(0, 1), (2,)], [1]), Heard(), list[Rollout]()
    for learner in range(2):
        join(fleet, heard, learner)
    fleet.deal(0, a_round(), acting(fleet), lambda rollout: not sent.append(rollout))
    assert [rollout.batch.robots for rollout in sent] == [(0,), (2,)]
    assert heard.loaded == [(0, 1), (2,)]
    assert fleet.standing() == [Standing.BUSY, Standing.BUSY]


@pytest.mark.parametrize("lockstep", [True, False])
def test_a_frozen_robots_policy_is_waited_for_once_and_its_process_never(tmp_path: Path, lockstep: bool) -> None:
    """Broken by taking who is frozen for away from the start: the first rounds would have been acted at random."""
    fleet, heard = roster(tmp_path, [(0,), (1,), (2,)], [0], lockstep=lockstep), Heard()
    assert fleet.standing()[0] is Standing.ABSENT
    join(fleet, heard, 1)
    join(fleet, heard, 2)
    assert Pace(lockstep, 1.0, 5.0).may_start(fleet.standing(), 0.0, started=False) is False
    join(fleet, heard, 0)
    assert fleet.standing() == [Standing.AWAY, Standing.READY, Standing.READY]
    fleet.lose(0, 1, "learner_died")
    assert fleet.standing()[0] is Standing.AWAY
    assert Pace(lockstep, 1.0, 5.0).may_start(fleet.standing(), 0.0, started=True)
    fleet.deal(0, a_round(), acting(fleet), lambda _: True)
    join(fleet, heard, 0, incarnation=2, version=0)
    assert fleet.sessions[0].accepted == 1
    assert fleet.standing() == [Standing.AWAY, Standing.BUSY, Standing.BUSY]


def test_a_quorum_is_of_those_who_learn(tmp_path: Path) -> None:
    fleet, heard = roster(tmp_path, [(0,), (1,), (2,)], [0, 1]), Heard()
    for learner in range(3):
        join(fleet, heard, learner)
    pace = Pace(False, 0.5, 5.0)
    assert pace.may_start(fleet.standing(), 0.0, started=True)
    fleet.deal(0, a_round(), acting(fleet), lambda _: True)
    assert not pace.may_start(fleet.standing(), 0.0, started=True)


def test_when_all_who_learn_are_gone_nobody_is_left_to_learn(tmp_path: Path) -> None:
    fleet, heard = roster(tmp_path, [(0,), (1,), (2,)], [0]), Heard()
    join(fleet, heard, 0)
    fleet.give_up(1, "restarts_used_up")
    assert not fleet.all_gone
    fleet.give_up(2, "restarts_used_up")
    assert fleet.all_gone


def test_what_frozen_robots_did_has_no_other_reason(tmp_path: Path) -> None:
    """Neither a dead learner, nor a body that is off, nor the end of the run."""
    fleet, heard = roster(tmp_path, [(0,), (1,), (2,)], [0, 1]), Heard()
    join(fleet, heard, 2)
    fleet.give_up(0, "restarts_used_up")
    dealt = fleet.deal(0, a_round(), acting(fleet), lambda _: True, offline={1})
    assert (dealt.withheld, dealt.online) == (0, 2)
    fleet.withhold_all(1, a_round(), "stopped")
    assert audit(tmp_path / "ledger.jsonl").withheld == {"frozen": 4 * EACH, "stopped": EACH}
