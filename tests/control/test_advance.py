"""When standing still means being stuck: the pure rule, and the restart budget of what was brought back."""

import math
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.control.care.advance import Advance, p99
from fleet.control.care.liveness import Verdict
from fleet.control.care.restarts import Budget, Failed, Restart, brought_back, decide


def steps(advance: Advance, *moments: float) -> Advance:
    """Work in hand all the time, one piece done at each moment."""
    for progress, moment in enumerate(moments, 1):
        advance.heard(moment, progress, True)
    return advance


def idle() -> float:
    return 0.0


def test_the_limit_is_five_times_what_steps_take_and_never_less_than_the_least() -> None:
    assert steps(Advance(10.0, 60.0), 0.0, 1.0, 2.0).limit_s == 10.0
    assert steps(Advance(10.0, 60.0), 0.0, 4.0, 5.0).limit_s == 20.0


def test_the_first_step_has_its_grace() -> None:
    """Broken by holding a start, with its imports and compilations, to the limit."""
    advance = Advance(10.0, 60.0)
    advance.heard(0.0, 0, True)
    advance.heard(29.0, 0, True)
    assert advance.judge(idle) is Verdict.WELL
    advance.heard(61.0, 0, True)
    assert advance.judge(idle) is Verdict.STUCK


def test_the_grace_ends_with_the_first_step_even_if_nobody_saw_how_long_that_took() -> None:
    """Broken by waiting for a step that was seen from end to end: a hang soon after the start lasted for a minute."""
    advance = Advance(10.0, 60.0)
    advance.heard(0.0, 0, False)
    advance.heard(0.5, 40, True)
    assert advance.limit_s == 10.0


def test_suspect_at_half_stuck_beyond_the_limit() -> None:
    advance = steps(Advance(10.0, 60.0), 0.0, 1.0)
    for moment, verdict in (
        (6.0, Verdict.WELL),
        (6.1, Verdict.SUSPECT),
        (11.0, Verdict.SUSPECT),
        (11.1, Verdict.STUCK),
    ):
        advance.heard(moment, 2, True)
        assert advance.judge(idle) is verdict


def test_progress_clears_a_suspicion_and_so_does_having_no_work() -> None:
    for progress, working in ((3, True), (2, False)):
        advance = steps(Advance(10.0, 60.0), 0.0, 1.0)
        advance.heard(7.0, 2, True)
        assert advance.judge(idle) is Verdict.SUSPECT
        assert advance.heard(7.5, progress, working)
        assert advance.judge(idle) is Verdict.WELL


def test_time_without_work_is_neither_held_against_it_nor_learned_from() -> None:
    """Broken by counting it: a learner that waited for a minute would have a limit of five."""
    advance = steps(Advance(10.0, 60.0), 0.0, 1.0)
    advance.heard(2.0, 2, False)
    advance.heard(90.0, 2, False)
    assert advance.judge(idle) is Verdict.WELL
    advance.heard(91.0, 2, True)
    advance.heard(92.0, 3, True)
    assert advance.limit_s == 10.0


def test_silence_is_not_standing_still() -> None:
    """What is stopped for a moment has done nothing since its last heartbeat, and isn't judged for that."""
    advance = steps(Advance(10.0, 60.0), 0.0, 1.0)
    assert advance.still_s == 0.0
    advance.heard(3.0, 2, True)
    assert advance.still_s == 2.0


def test_standing_in_the_queue_for_a_processor_excuses_but_not_for_ever() -> None:
    queue = [0.0]
    advance = steps(Advance(10.0, 60.0), 0.0, 1.0)
    for moment in range(2, 30):
        queue[0] = moment * 0.95
        advance.heard(float(moment), 2, True)
        assert advance.judge(lambda: queue[0]) is not Verdict.STUCK
    queue[0] = 1e9
    advance.heard(31.5, 2, True)
    assert advance.judge(lambda: queue[0]) is Verdict.STUCK


@given(st.lists(st.floats(0.0, 1e6), min_size=1, max_size=300))
def test_p99_is_what_one_in_a_hundred_exceeds(values: list[float]) -> None:
    found = p99(deque(values))
    assert sum(value > found for value in values) <= len(values) / 100
    assert found in values


@pytest.mark.slow
@given(st.floats(0.01, 8.0), st.integers(2, 400))
def test_what_gets_on_steadily_is_never_stuck(gap: float, count: int) -> None:
    advance = Advance(10.0, 60.0)
    for number in range(count):
        advance.heard(number * gap, number, True)
        assert advance.judge(idle) in (Verdict.WELL, Verdict.SUSPECT)


def test_being_brought_back_costs_nothing_and_begins_the_pauses_anew() -> None:
    """Broken by emptying the budget: a person could be made to pay for a crash loop, or a crash loop be forgiven."""
    budget = Budget(3, 300.0, 0.2)
    for now in (0.0, 1.0):
        budget, _ = decide(budget, now)
    budget = brought_back(budget, 2.0)
    assert budget.used == (0.0, 1.0)
    budget, decision = decide(budget, 3.0)
    assert decision == Restart(0.0)
    assert isinstance(decide(budget, 4.0)[1], Failed)


@pytest.mark.slow
@pytest.mark.parametrize("allowed", range(5))
@given(moments=st.lists(st.tuples(st.floats(0.0, 100.0), st.booleans()), max_size=20))
def test_no_revival_changes_how_many_restarts_there_are(allowed: int, moments: list[tuple[float, bool]]) -> None:
    budget, granted = Budget(allowed, math.inf, 0.2), 0
    for now, revived in sorted(moments):
        if revived:
            budget = brought_back(budget, now)
        else:
            budget, decision = decide(budget, now)
            granted += isinstance(decision, Restart)
    assert granted == min(allowed, sum(not revived for _, revived in moments))
