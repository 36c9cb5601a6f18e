"""The ledger read round by round."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from fleet.core.ledger import Account
from fleet.study.cost.ledger import book_of

ROBOTS = 3


def produced(round_, learners, life=0, incarnation=0):
    of = [[learner, incarnation, round_, [learner]] for learner in learners]
    return {"k": "produced", "round": round_, "life": life, "each": 10, "of": of}


def withheld(round_, robots, why="no_learner"):
    return {"k": "withheld", "round": round_, "each": 10, "robots": list(robots), "why": why}


def lost(round_, learners, life=0, why="learner_died"):
    return {"k": "lost", "why": why, "of": [[life, learner, 0, round_] for learner in learners]}


def trained(round_, learners, life=0):
    return {"k": "trained", "version": round_ + 1, "of": [[life, learner, 0, round_] for learner in learners]}


def test_dealt_withheld_and_lost_by_round_and_robot():
    book = book_of([produced(0, [0, 1]), withheld(0, [2]), lost(0, [1]), produced(1, [0, 1, 2])])
    assert book.dealt == {0: {0: 10, 1: 10}, 1: {0: 10, 1: 10, 2: 10}}
    assert book.withheld == {0: {2: 10}}
    assert [(item.round, item.learner, item.steps, item.why) for item in book.lost] == [(0, 1, 10, "learner_died")]


def test_what_frozen_robots_did_is_withheld_from_nobody():
    assert book_of([produced(0, [0]), withheld(0, [1, 2], why="frozen")]).withheld == {}


def test_a_round_played_again_counts_once_and_what_was_lost_stays_lost():
    """Broken by leaving the first playing in the table: robot 2 would have been withheld and dealt to."""
    lines = [produced(0, [0]), produced(1, [0, 1]), withheld(1, [2]), lost(1, [0, 1], why="server_died")]
    book = book_of([*lines, produced(1, [0, 2], life=1)])
    assert book.dealt == {0: {0: 10}, 1: {0: 10, 2: 10}}
    assert book.withheld == {}
    assert sum(item.steps for item in book.lost) == 20
    assert book.lives == {0: 0, 1: 1}


def test_going_back_several_rounds_forgets_them_all():
    book = book_of([produced(0, [0]), produced(1, [0]), produced(2, [0]), produced(1, [1], life=2)])
    assert book.dealt == {0: {0: 10}, 1: {1: 10}}


def test_of_a_folded_ledger_only_what_follows_is_known_round_by_round():
    """Broken by known_from = 0: the folded rounds would count as ones in which nobody got anything."""
    account = Account()
    for line in (produced(0, [0, 1]), trained(0, [0]), produced(1, [0])):
        account.apply(line)
    book = book_of([account.folded(), withheld(1, [1]), lost(0, [1]), produced(2, [0, 1])])
    assert [book.knows(number) for number in (0, 1, 2)] == [False, False, True]
    assert [(item.round, item.learner) for item in book.lost] == [(0, 1)]


def test_lines_that_make_no_sense_are_passed_over():
    assert book_of([{"k": "produced"}, {}, {"k": "lost", "why": "x", "of": [[1]]}, produced(0, [0])]).dealt == {
        0: {0: 10}
    }


@given(st.lists(st.tuples(st.sampled_from(("trained", "lost", "withheld")), st.integers(0, 2)), max_size=30))
def test_sums_are_those_of_the_account(fates):
    """The slow obvious way: count fates one by one; the account, which is held to its own tests, agrees."""
    lines, expected = [], Counter[str]()
    for round_, (fate, robot) in enumerate(fates):
        lines.append(withheld(round_, [robot]) if fate == "withheld" else produced(round_, [robot]))
        if fate != "withheld":
            lines.append(trained(round_, [robot]) if fate == "trained" else lost(round_, [robot]))
        expected[fate] += 10
    book, account = book_of(lines), Account()
    for line in lines:
        account.apply(line)
    total = account.balance().total
    assert sum(item.steps for item in book.lost) == expected["lost"] == total.lost
    assert sum(sum(row.values()) for row in book.withheld.values()) == expected["withheld"] == total.withheld
    assert sum(sum(row.values()) for row in book.dealt.values()) == expected["trained"] + expected["lost"]
