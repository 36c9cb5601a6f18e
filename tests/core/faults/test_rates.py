"""A failure rate, against a slow version that goes round by round and robot by robot."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.core.config.faults import RatesConfig
from fleet.core.faults import rates
from fleet.core.faults.errors import PlanError
from fleet.core.faults.rates import failures
from fleet.core.seeds import stream

SINGLE = tuple((robot,) for robot in range(8))
MEANS = st.floats(0.1, 30)


def away(strikes, robots: int, rounds: int) -> np.ndarray:
    """Which robots are away in which round, (robots, rounds)."""
    table = np.zeros((robots, rounds), bool)
    for strike in strikes:
        for robot in strike.robots:
            table[robot, strike.round : strike.until] = True
    return table


def slowly(failure: float, repair: float, robot: int, rounds: int, seed: int) -> list[bool]:
    """Round by round: is the robot away? It changes over when the time that was drawn for it has run down."""
    draws = np.random.Generator(np.random.PCG64(stream(seed, "faults", 1000, robot)))
    is_away, left, table = False, 0, []
    for _ in range(rounds):
        if left == 0 and table:
            is_away = not is_away
        if left == 0:
            left = max(1, round(draws.exponential(repair if is_away else failure)))
        table.append(is_away)
        left -= 1
    return table


@settings(max_examples=60)
@given(MEANS, MEANS, st.integers(1, 80), st.integers(0, 2**63 - 1))
def test_as_the_slow_version_has_it(failure, repair, rounds, seed):
    table = away(failures(RatesConfig(failure=failure, repair=repair), SINGLE, rounds, seed), 8, rounds)
    assert table.tolist() == [slowly(failure, repair, robot, rounds, seed) for robot in range(8)]


@settings(max_examples=60)
@given(MEANS, MEANS, st.integers(1, 80), st.integers(0, 1000))
def test_a_robot_s_failures_never_overlap_and_leave_it_a_round_between(failure, repair, rounds, seed):
    strikes = failures(RatesConfig(failure=failure, repair=repair), SINGLE, rounds, seed)
    for robot in range(8):
        mine = [strike for strike in strikes if strike.robots == (robot,)]
        assert all(1 <= strike.round < strike.until and strike.round < rounds for strike in mine)
        assert all(one.until < other.round for one, other in zip(mine, mine[1:], strict=False))


@given(st.integers(0, 1000), st.sets(st.integers(0, 7), min_size=1))
def test_a_robot_s_failures_depend_on_no_other_robot(seed, chosen):
    def of(strikes, robot):
        return [(strike.round, strike.until) for strike in strikes if robot in strike.robots]

    everyone = failures(RatesConfig(failure=5, repair=3), SINGLE, 50, seed)
    some = failures(RatesConfig(failure=5, repair=3, robots=tuple(chosen)), SINGLE, 50, seed)
    fewer = failures(RatesConfig(failure=5, repair=3), SINGLE[:4], 50, seed)
    longer = failures(RatesConfig(failure=5, repair=3), SINGLE, 90, seed)
    assert {strike.learner for strike in some} <= chosen
    assert all(of(some, robot) == of(everyone, robot) for robot in chosen)
    assert all(of(fewer, robot) == of(everyone, robot) for robot in range(4))
    assert all(of(longer, robot)[: len(of(everyone, robot))] == of(everyone, robot) for robot in range(8))


def test_robots_fail_at_different_times_and_by_the_means_asked_for():
    strikes = failures(RatesConfig(failure=20, repair=5), tuple((robot,) for robot in range(40)), 4000, 1)
    table = away(strikes, 40, 4000)
    assert table.mean() == pytest.approx(5 / 25, abs=0.02)
    lengths = [strike.until - strike.round for strike in strikes]
    assert np.mean(lengths) == pytest.approx(5, abs=0.3)
    assert np.abs(np.corrcoef(table[:10]) - np.eye(10)).max() < 0.15


def test_a_process_fails_once_for_all_its_robots_but_bodies_fail_one_by_one():
    groups = ((0, 1, 2), (3, 4))
    strikes = failures(RatesConfig(failure=5, repair=3), groups, 60, 1)
    assert {strike.robots for strike in strikes} == set(groups)
    strikes = failures(RatesConfig(failure=5, repair=3, kind="offline", body="towed"), groups, 60, 1)
    assert {strike.robots for strike in strikes} == {(robot,) for robot in range(5)}
    assert {(strike.learner, strike.body) for strike in strikes} == {(0, "towed"), (1, "towed")}


def test_more_failures_than_anyone_can_mean_are_refused(monkeypatch):
    monkeypatch.setattr(rates, "MOST_FAILURES", 100)
    with pytest.raises(PlanError, match=r"failure = 1 gives more than 100 failures in 1000 rounds"):
        failures(RatesConfig(failure=1, repair=1), SINGLE, 1000, 1)
