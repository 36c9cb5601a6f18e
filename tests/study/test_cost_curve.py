"""Deliveries with faults against those without."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.study.cost.curve import RECOVERED, WINDOW, compare, rates, recovered_after

CURVE = st.dictionaries(st.integers(0, 60), st.floats(0, 50), min_size=1, max_size=40)


def everybody(round_: int) -> float:
    return 1.0


def test_known_sums():
    """Broken by dividing area_lost by the robots again, and by averaging the rates in place of summing deliveries."""
    ours, theirs = {0: 2.0, 1: 1.0, 2: 4.0}, {0: 4.0, 1: 4.0, 2: 4.0}
    found = compare("b", ours, theirs, lambda number: 0.5 if number == 1 else 1.0, 500, 2)
    assert found is not None
    assert found.rounds == 3
    assert found.retention == pytest.approx(7 / 12)
    assert found.per_capita == pytest.approx((2 / 4 + 1 / 4 / 0.5 + 4 / 4) / 3)
    assert found.area_lost == pytest.approx((2 + 3 + 0) * 500 / 1000)
    assert found.recovered_after == 0


def test_a_missing_round_is_stood_for_by_the_next_one():
    """Broken by giving each line left the same weight."""
    ours, theirs = {0: 1.0, 3: 2.0}, {0: 4.0, 1: 9.0, 3: 4.0}
    found = compare("b", ours, theirs, everybody, 1000, None)
    assert found is not None
    assert (found.rounds, found.retention, found.area_lost) == (2, pytest.approx(7 / 16), pytest.approx(9.0))
    assert found.recovered_after is None


def test_without_a_common_round_nothing_is_said():
    assert compare("b", {0: 1.0}, {1: 1.0}, everybody, 10, None) is None


def test_rounds_without_deliveries_or_without_robots_have_no_ratio():
    found = compare("b", {0: 1.0, 1: 1.0}, {0: 0.0, 1: 0.0}, everybody, 10, None)
    assert found is not None
    assert (found.retention, found.per_capita) == (None, None)
    found = compare("b", {0: 1.0, 1: 1.0}, {0: 2.0, 1: 2.0}, lambda number: float(number), 10, None)
    assert found is not None
    assert found.per_capita == pytest.approx(0.5)


@given(CURVE, st.integers(0, 60))
def test_against_itself_nothing_is_lost(curve, since):
    found = compare("b", curve, curve, everybody, 100, since)
    assert found is not None
    assert found.area_lost == pytest.approx(0.0, abs=1e-6)
    assert found.retention is None or found.retention == pytest.approx(1.0)
    assert found.per_capita is None or found.per_capita == pytest.approx(1.0)
    later = [number for number in curve if number >= since]
    assert found.recovered_after == (min(later) - since if later else None)


def slow_recovery(rounds, ours, theirs, since):
    left = [number for number in rounds if number >= since]
    for first in left:
        window = [number for number in left if number >= first][:WINDOW]
        if len(window) < min(WINDOW, len(left)):
            return None
        if sum(ours[n] for n in window) >= RECOVERED * sum(theirs[n] for n in window):
            return first - since
    return None


@given(CURVE, CURVE, st.integers(0, 60))
def test_recovery_is_that_of_a_slow_obvious_search(ours, theirs, since):
    """Broken by `>` for `>=`, and by a window that starts before `since`."""
    rounds = sorted(ours.keys() & theirs.keys())
    assert recovered_after(rounds, ours, theirs, since) == slow_recovery(rounds, ours, theirs, since)


def test_rates_count_rounds_from_zero_and_pass_over_what_is_not_a_number():
    lines = [{"round": 1, "deliveries_per_1000": 2.5}, {"round": 2, "deliveries_per_1000": None}, {"round": 3}]
    assert rates(lines) == {0: 2.5}
