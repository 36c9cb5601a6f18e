"""Faults put together from the lines of events.jsonl."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.faults.strike import Strike
from fleet.study.cost.events import cases, sessions

GROUPS = ((0,), (1,), (2,))
CHECKPOINT = "/run/checkpoints/learners/learner-1/v00000004.safetensors"
START = {"event": "start", "process": "supervisor", "at": 0.0, "life": 0}


def server(name, **details):
    return {"at": details.pop("at", 1.0), "event": name, "process": "env_server", "details": details}


def line(name, process="learner-1", **details):
    return {"at": 1.0, "event": name, "process": process, **details}


def death(number=None, incarnation=0, **times):
    """A learner's death as the supervisor and the server write it, in order."""
    known = {} if number is None else {"number": number}
    times = {"suspect": 1.01, "declare": 1.02, **times}
    about = {"cause": "learner_died", "incarnation": incarnation, **times, **known}
    fenced = {"learner": 1, "incarnation": incarnation, "round": 5, "accepted": 5, "lost": 40, "during": True}
    return [
        line("exit", incarnation=incarnation, status=-9, suspect=times["suspect"]),
        line("declare", **about),
        server("fenced", **fenced, reason="learner_died"),
        line("restart", incarnation=incarnation + 1, origin="restart", checkpoint=CHECKPOINT, restarts=1),
        server("online", learner=1, incarnation=incarnation + 1, round=7, version=6, at=2.0),
        line("recover", **{**about, "incarnation": incarnation + 1}, recover=2.5),
    ]


def test_a_death_nobody_planned():
    (case,) = cases([START, *death()], (), GROUPS)
    assert (case.number, case.kind, case.process, case.learner, case.robots) == (
        None, "learner_died", "learner-1", 1, (1,),
    )  # fmt: skip
    assert (case.inject, case.suspect, case.declare, case.recover) == (None, 1.01, 1.02, 2.5)
    assert (case.round, case.back, case.version, case.origin) == (5, 7, 4, "restart")
    assert [(item.accepted, item.lost, item.during) for item in case.fenced] == [(5, 40, True)]


def test_a_planned_one_has_its_strike_and_its_moment():
    strike = Strike(3, "kill", learner=1, robots=(1,), entry=0, round=5)
    inject = line("inject", number=3, kind="kill", target="robots", learner=1, robots=[1], round=5, at=1.0)
    (case,) = cases([START, inject, *death(3, inject=1.0)], (strike,), GROUPS)
    assert (case.number, case.kind, case.inject, case.round, case.strike) == (3, "kill", 1.0, 5, strike)


def test_the_second_fence_of_one_incarnation_says_nothing_new():
    """Broken by keeping the last: the supervisor's own finding, later and with nothing left to lose, hid the first."""
    again = server("fenced", learner=1, incarnation=0, round=6, accepted=5, lost=0, during=False)
    (case,) = cases([START, *death(), again], (), GROUPS)
    assert case.fenced[0].lost == 40
    assert case.round == 5


def test_a_crash_loop_is_one_fault_with_its_first_suspicion_and_its_last_return():
    inject = line("inject", number=0, kind="crash_loop", target="robots", learner=1, robots=[1], round=5, at=0.5)
    lines = [*death(0, 0)[:2], *death(0, 1, suspect=3.0, declare=3.1)[:2], *death(0, 2, suspect=4.0, declare=4.5)]
    strike = Strike(0, "crash_loop", learner=1, robots=(1,), entry=0, round=5, times=3)
    (case,) = cases([START, inject, *lines], (strike,), GROUPS)
    assert case.incarnations == [0, 1, 2]
    assert (case.suspect, case.declare, case.recover, case.back) == (1.01, 1.02, 2.5, 7)


def test_two_deaths_before_one_return_are_two_faults_that_recover_together():
    """Broken by giving an unnumbered recovery to the latest death alone."""
    first, second = death(incarnation=0), death(incarnation=1, suspect=3.0, declare=3.1)
    back = [{**second[-1], "declare": 1.02, "suspect": 1.01}, second[-1]]
    found = cases([START, *first[:4], *second[:5], *back], (), GROUPS)
    assert [(case.incarnations, case.recover, case.back) for case in found] == [([0], 2.5, 7), ([1], 2.5, 7)]


def test_the_checkpoint_is_that_of_the_restart_that_came_back():
    """Broken by taking the first restart after a death, though that one died before its first policy."""
    first, second = death(incarnation=0), death(incarnation=1, suspect=3.0, declare=3.1)
    second[3] = {**second[3], "checkpoint": CHECKPOINT.replace("v00000004", "v00000002")}
    found = cases([START, *first[:4], *second], (), GROUPS)
    assert [case.version for case in found] == [2, 2]


def test_a_return_without_its_line_is_seen_in_the_first_policy():
    """events.jsonl is thinned; broken by leaving `recover` None here."""
    (case,) = cases([START, *death()[:-1]], (), GROUPS)
    assert (case.recover, case.back) == (2.0, 7)


def test_a_recovery_alone_still_tells_of_its_fault():
    strike = Strike(3, "kill", learner=1, robots=(1,), entry=0, round=5, until=9)
    recover = line("recover", number=3, incarnation=1, cause="learner_died", inject=1.0, suspect=1.1, recover=2.0)
    (case,) = cases([START, recover], (strike,), GROUPS)
    assert (case.kind, case.inject, case.suspect, case.declare, case.recover, case.round, case.back) == (
        "kill", 1.0, 1.1, None, 2.0, 5, 9,
    )  # fmt: skip


def test_a_body_fault_ends_when_it_is_mended():
    strike = Strike(0, "blind", learner=2, robots=(2,), at_s=1.0, for_s=2.0, entry=0)
    about = {"number": 0, "kind": "blind", "target": "robots", "learner": 2, "robots": [2]}
    lines = [line("inject", "learner-2", **about, round=4), server("mended", number=0, kind="blind", round=8, at=3.0)]
    (case,) = cases([START, *lines], (strike,), GROUPS)
    assert (case.round, case.back, case.recover, case.incarnations) == (4, 8, 3.0, [])


def test_a_live_strike_comes_with_its_line():
    strike = Strike(1000, "kill", learner=1, robots=(1,), body="towed", held=True)
    inject = line("inject", number=1000, kind="kill", robots=[1], at=1.0, strike=strike.as_dict())
    (case,) = cases([START, inject, *death(1000)], (), GROUPS)
    assert case.strike == strike
    assert case.round == 5


def test_one_that_was_missed_one_that_failed_and_a_number_of_another_plan():
    strike = Strike(0, "freeze", learner=0, robots=(0,), round=1, entry=0)
    lines = [
        line("missed", "learner-0", number=0, kind="kill", round=1, reason="it is away"),
        *death()[:3],
        line("failed", reason="restarts used up", restarts=5),
    ]
    missed, failed = cases([START, *lines], (strike,), GROUPS)
    assert (missed.missed, missed.strike, failed.failed, failed.recover) == (True, None, True, None)


def test_the_environment_server_goes_on_in_the_round_that_its_restart_names():
    lines = [
        line("declare", "env_server", incarnation=0, cause="server_died", suspect=1.0, declare=1.1),
        line("restart", "env_server", incarnation=1, round=6, restarts=1),
        line("recover", "env_server", incarnation=1, cause="server_died", suspect=1.0, declare=1.1, recover=3.0),
    ]
    (case,) = cases([START, *lines], (), GROUPS)
    assert (case.learner, case.robots, case.round, case.back, case.recover) == (-1, (), 6, 6, 3.0)


def test_a_zygote_is_one_fault_whether_or_not_its_death_was_declared():
    declare = line("declare", "zygote", incarnation=0, cause="zygote_died", declare=1.0)
    restart = line("restart", "zygote", incarnation=1)
    assert len(cases([START, declare, restart], (), GROUPS)) == 1
    assert len(cases([START, restart], (), GROUPS)) == 1


def test_sessions_are_apart_and_their_incarnations_too():
    """A resumed run counts incarnations anew. Broken by one table of deaths for the whole file."""
    found = cases([START, *death()[:2], START, *death()], (), GROUPS)
    assert [(case.session, case.recover) for case in found] == [(0, None), (1, 2.5)]
    assert len(sessions([START, START, START])) == 3


def test_nothing_happened():
    assert cases([START, line("exit", status=0, incarnation=0), line("ready", incarnation=0)], (), GROUPS) == []


@given(st.data())
def test_no_line_is_needed(data):
    """Whatever thinning leaves, the cases can be read, and none is told twice. Broken by indexing a line's keys."""
    inject = line("inject", number=3, kind="kill", target="robots", learner=1, robots=[1], round=5, at=1.0)
    lines = [START, inject, *death(3, inject=1.0), *death(incarnation=1)]
    kept = [item for item in lines if data.draw(st.booleans())]
    strike = Strike(3, "kill", learner=1, robots=(1,), entry=0, round=5)
    found = cases(kept, (strike,), GROUPS)
    assert len(found) <= 2
    assert all(case.recover in (None, 2.0, 2.5) for case in found)


@pytest.mark.parametrize("details", [{}, {"details": None}, {"details": {}}])
def test_a_line_without_details_is_no_fault(details):
    assert cases([{"event": "draining", "process": "env_server", "at": 1.0, **details}], (), GROUPS) == []
