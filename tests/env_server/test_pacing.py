"""When a round may start."""

import pytest

from env_server.pacing import Pace, Standing

READY, BUSY, ABSENT = Standing.READY, Standing.BUSY, Standing.ABSENT
AWAY, GONE = Standing.AWAY, Standing.GONE
LOCKSTEP = Pace(lockstep=True, quorum=0.9, patience_s=10.0)
FREE = Pace(lockstep=False, quorum=0.75, patience_s=10.0)


def test_lockstep_waits_for_a_busy_learner_however_long() -> None:
    assert not LOCKSTEP.may_start([READY, BUSY], waited_s=1e9, started=True)
    assert LOCKSTEP.may_start([READY, READY], waited_s=0.0, started=True)


def test_lockstep_waits_for_a_restart_as_long_as_its_patience() -> None:
    assert not LOCKSTEP.may_start([READY, ABSENT], waited_s=9.9, started=True)
    assert LOCKSTEP.may_start([READY, ABSENT], waited_s=10.0, started=True)


def test_lockstep_waits_for_all_before_the_first_round() -> None:
    assert not LOCKSTEP.may_start([READY, ABSENT], waited_s=1e9, started=False)


@pytest.mark.parametrize("pace", [LOCKSTEP, FREE])
@pytest.mark.parametrize("out", [GONE, AWAY])
def test_a_learner_that_is_gone_or_away_is_not_waited_for(pace: Pace, out: Standing) -> None:
    assert pace.may_start([READY, out], waited_s=0.0, started=True)
    assert pace.may_start([READY, out], waited_s=0.0, started=False)


@pytest.mark.parametrize("pace", [LOCKSTEP, FREE])
@pytest.mark.parametrize("learners", [[ABSENT, ABSENT], [GONE, ABSENT], [GONE, GONE], [AWAY], []])
def test_the_world_does_not_spin_for_nobody(pace: Pace, learners: list[Standing]) -> None:
    assert not pace.may_start(learners, waited_s=1e9, started=True)


def test_free_starts_with_a_quorum_of_the_living() -> None:
    assert FREE.may_start([READY, READY, READY, BUSY], waited_s=0.0, started=True)
    assert not FREE.may_start([READY, READY, BUSY, BUSY], waited_s=1e9, started=True)
    assert FREE.may_start([READY, ABSENT, ABSENT, ABSENT], waited_s=0.0, started=True)
    assert not FREE.may_start([READY, ABSENT, ABSENT, ABSENT], waited_s=0.0, started=False)


@pytest.mark.parametrize("pace", [LOCKSTEP, FREE])
def test_rounds_pass_for_nobody_only_if_they_bring_somebody_back(pace: Pace) -> None:
    assert pace.may_start([AWAY, GONE], waited_s=0.0, started=True, returning=True)
    assert not pace.may_start([AWAY, GONE], waited_s=1e9, started=True, returning=False)
    assert not pace.may_start([GONE, GONE], waited_s=1e9, started=True, returning=True)


@pytest.mark.parametrize("pace", [LOCKSTEP, FREE])
@pytest.mark.parametrize("other", [ABSENT, BUSY])
def test_who_is_expected_is_waited_for_though_all_others_are_away(pace: Pace, other: Standing) -> None:
    assert not pace.may_start([AWAY, other], waited_s=1e9, started=True, returning=True)


@pytest.mark.parametrize(("learners", "needed"), [(1, 1), (2, 1), (3, 2), (8, 7), (10, 9), (40, 36)])
def test_a_quorum_is_rounded_down_so_that_small_fleets_dont_wait_for_their_slowest(learners: int, needed: int) -> None:
    """Broken on purpose: rounded up, eight learners with a quorum of 0.9 wait for the eighth."""
    pace = Pace(lockstep=False, quorum=0.9, patience_s=10.0)
    for ready in range(learners + 1):
        standing = [Standing.READY] * ready + [Standing.BUSY] * (learners - ready)
        assert pace.may_start(standing, 0.0, started=True) == (ready >= needed)
