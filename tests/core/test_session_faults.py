"""A session under faults: who is expected, what a life knows of the one before, what a learner owes, what is repeated.

How each was broken to see it fail: the hello's order by taking every greeting, the fence by starting it at -1, what is
spoiled by never setting it back.
"""

import pytest

from fleet.core.messages import Hello
from fleet.core.session import Accepted, Greeted, Phase, Refused, Session
from tests.core.test_session import LIFE, RUN, hello, make_session, policy, refusal, send


def counted(greeting: int, incarnation: int = 0, last: int = -1) -> Hello:
    return Hello(RUN, 3, incarnation, -1, last, life=LIFE, greeting=greeting)


def test_a_life_goes_on_from_what_the_one_before_knew() -> None:
    session = Session(RUN, LIFE, 3, 1, 7, fence=2)
    assert refusal(session.greet(hello(incarnation=2))) == "stale_incarnation"
    assert isinstance(session.greet(hello(incarnation=3)), Greeted)
    assert refusal(session.accept(policy(7, incarnation=3))) == "old_version"
    assert isinstance(session.accept(policy(8, incarnation=3)), Accepted)


def test_a_learner_that_was_given_up_stays_so_in_the_next_life() -> None:
    session = Session(RUN, LIFE, 3, 1, gone=True)
    assert session.phase is Phase.GONE
    assert refusal(session.greet(hello())) == "gone"
    assert session.lose(0, "learner_died") == ()


def test_a_hello_that_comes_late_or_twice_says_nothing_any_more() -> None:
    session = Session(RUN, LIFE, 3, 1)
    session.greet(counted(1))
    session.accept(policy(0))
    seq = send(session)
    assert refusal(session.greet(counted(1))) == "old_greeting"
    assert list(session.outstanding) == [seq]
    assert isinstance(session.greet(counted(2, last=seq)), Greeted)
    assert session.greeting == 2
    assert list(session.outstanding) == [seq]


def test_each_incarnation_counts_its_own_hellos() -> None:
    session = Session(RUN, LIFE, 3, 1)
    session.greet(counted(5))
    assert isinstance(session.greet(counted(1, incarnation=1)), Greeted)
    assert session.greeting == 1


def test_what_is_owed_is_the_first_policy_or_an_answer() -> None:
    session = Session(RUN, LIFE, 3, 1)
    assert not session.owes
    session.greet(hello())
    assert session.owes
    session.accept(policy(0))
    assert not session.owes
    seq = send(session)
    assert session.owes
    session.accept(policy(1, (seq,)))
    assert not session.owes


def test_what_is_spoiled_is_counted_until_a_policy_is_accepted_or_another_incarnation_comes() -> None:
    session = make_session()
    assert [session.spoil(0), session.spoil(0)] == [1, 2]
    session.accept(policy(1, (send(session),)))
    assert session.spoil(0) == 1
    session.greet(hello(incarnation=1))
    assert session.spoil(1) == 1


@pytest.mark.parametrize("incarnation", [1, 9])
def test_nothing_of_another_incarnation_is_spoiled(incarnation: int) -> None:
    assert make_session().spoil(incarnation) == 0


def test_nothing_is_spoiled_by_the_dead_and_the_gone() -> None:
    session = make_session()
    session.lose(0, "learner_died")
    assert session.spoil(0) == 0
    session.give_up()
    assert session.spoil(0) == 0


def test_expectations_change_nothing_that_is_accepted() -> None:
    session = make_session()
    session.lose(0, "learner_died")
    session.expected = False
    assert not isinstance(session.greet(hello(incarnation=1)), Refused)
    assert isinstance(session.accept(policy(1, incarnation=1)), Accepted)
