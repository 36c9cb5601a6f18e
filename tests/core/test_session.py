"""The server's side of a learner: nothing trained twice, nothing old, nothing stale, never more than the credit."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fleet.core.messages import Hello, Policy
from fleet.core.session import TRANSITIONS, Accepted, Greeted, Outstanding, Phase, Refused, Session, SessionError

RUN = "0123456789abcdef" * 2
LIFE = 2


def hello(incarnation: int = 0, last: int = -1, life: int = LIFE) -> Hello:
    return Hello(RUN, 3, incarnation, -1, last, life=life)


def policy(version: int, rollouts: tuple[int, ...] = (), incarnation: int = 0, life: int = LIFE) -> Policy:
    return Policy(RUN, life, 3, incarnation, version, rollouts, {"w": np.ones(1, np.float32)}, {})


def make_session(credit: int = 1, ready: bool = True) -> Session:
    session = Session(RUN, LIFE, 3, credit)
    if ready:
        assert isinstance(session.greet(hello()), Greeted)
        assert isinstance(session.accept(policy(0)), Accepted)
    return session


def send(session: Session) -> int:
    return session.sent(round=5, robots=(3,), each=96, version=session.accepted)


def refusal(answer: Accepted | Greeted | Refused) -> str:
    assert isinstance(answer, Refused)
    return answer.reason


def test_credit_comes_with_the_first_policy() -> None:
    session = make_session(ready=False)
    assert not session.can_send
    session.greet(hello())
    assert session.phase is Phase.GREETED
    assert not session.can_send
    assert session.accept(policy(0)) == Accepted(0, (), ())
    assert session.phase is Phase.READY
    assert session.can_send


def test_no_more_than_the_credit_is_outstanding() -> None:
    session = make_session(credit=2)
    send(session)
    send(session)
    assert not session.can_send
    with pytest.raises(SessionError, match="holds 2"):
        send(session)


def test_a_policy_trains_what_it_names() -> None:
    session = make_session()
    seq = send(session)
    assert session.accept(policy(1, (seq,))) == Accepted(1, (Outstanding(seq, 0, 5, (3,), 96, 0),), ())
    assert session.can_send
    assert session.accepted == 1


def test_a_rollout_is_trained_once() -> None:
    session = make_session()
    seq = send(session)
    session.accept(policy(1, (seq,)))
    assert refusal(session.accept(policy(2, (seq,)))) == "unknown_rollout"
    assert session.accepted == 1


def test_a_policy_that_names_one_unknown_rollout_is_refused_whole() -> None:
    session = make_session(credit=2)
    seq = send(session)
    assert refusal(session.accept(policy(1, (seq, seq + 1)))) == "unknown_rollout"
    assert list(session.outstanding) == [seq]


@pytest.mark.parametrize("version", [0, 1])
def test_an_older_or_equal_version_is_refused(version: int) -> None:
    session = make_session()
    session.accept(policy(1, (send(session),)))
    assert refusal(session.accept(policy(version, (send(session),)))) == "old_version"


def test_a_superseded_incarnation_is_fenced() -> None:
    session = make_session()
    seq = send(session)
    answer = session.greet(hello(incarnation=1))
    assert isinstance(answer, Greeted)
    assert [lost.seq for lost in answer.lost] == [seq]
    assert answer.reason == "superseded"
    assert refusal(session.accept(policy(7, (seq,), incarnation=0))) == "stale_incarnation"
    assert refusal(session.greet(hello(incarnation=0))) == "stale_incarnation"
    assert isinstance(session.accept(policy(1, incarnation=1)), Accepted)
    assert send(session) == seq + 1


def test_a_lost_incarnation_is_fenced_though_it_lives_on() -> None:
    session = make_session()
    seq = send(session)
    assert [lost.seq for lost in session.lose(0, "learner_frozen")] == [seq]
    assert session.phase is Phase.ABSENT
    answer = session.accept(policy(1, (seq,)))
    assert isinstance(answer, Refused)
    assert answer.reason == "stale_incarnation"
    assert "learner_frozen" in answer.text
    assert refusal(session.greet(hello())) == "stale_incarnation"


def test_a_refusal_says_why_that_incarnation_ended() -> None:
    session = make_session()
    session.lose(0, "learner_frozen")
    session.greet(hello(incarnation=1))
    session.greet(hello(incarnation=2))
    answer = session.accept(policy(1, incarnation=1))
    assert isinstance(answer, Refused)
    assert "superseded" in answer.text


def test_the_loss_of_an_incarnation_already_superseded_takes_nothing_from_the_new_one() -> None:
    session = make_session()
    session.greet(hello(incarnation=1))
    session.accept(policy(1, incarnation=1))
    seq = send(session)
    assert session.lose(0, "learner_died") == ()
    assert list(session.outstanding) == [seq]
    assert session.phase is Phase.READY


def test_an_incarnation_lost_before_its_hello_never_comes() -> None:
    session = make_session()
    assert session.lose(2, "learner_died") == ()
    assert refusal(session.greet(hello(incarnation=2))) == "stale_incarnation"
    assert isinstance(session.greet(hello(incarnation=3)), Greeted)


@pytest.mark.parametrize("life", [LIFE - 1, LIFE + 1])
def test_another_server_life_is_fenced(life: int) -> None:
    session = make_session()
    assert refusal(session.accept(policy(1, (send(session),), life=life))) == "stale_life"


def test_an_incarnation_must_say_hello_first() -> None:
    assert refusal(make_session().accept(policy(1, incarnation=1))) == "not_greeted"
    assert refusal(make_session(ready=False).accept(policy(1))) == "not_greeted"


def test_a_policy_must_name_what_it_learned_from() -> None:
    assert refusal(make_session().accept(policy(1))) == "names_no_rollout"
    session = make_session(ready=False)
    session.greet(hello())
    assert refusal(session.accept(policy(0, (0,)))) == "unknown_rollout"


def test_the_wrong_learner_or_run_is_refused() -> None:
    session = make_session()
    assert refusal(session.accept(replace(policy(1), learner=4))) == "wrong_learner"
    assert refusal(session.greet(replace(hello(), learner=4))) == "wrong_learner"
    assert refusal(session.accept(replace(policy(1), run="f" * 32))) == "wrong_run"
    assert refusal(session.greet(replace(hello(), run="f" * 32))) == "wrong_run"


def test_what_a_learner_skipped_is_lost() -> None:
    session = make_session(credit=3)
    first, second, third = send(session), send(session), send(session)
    answer = session.accept(policy(1, (second,)))
    assert isinstance(answer, Accepted)
    assert [one.seq for one in answer.trained] == [second]
    assert [one.seq for one in answer.skipped] == [first]
    assert list(session.outstanding) == [third]


@pytest.mark.parametrize(
    ("last", "life", "kept"), [(-1, LIFE, []), (0, LIFE, [0]), (1, LIFE, [0, 1]), (1, LIFE - 1, [])]
)
def test_a_second_hello_tells_what_arrived(last: int, life: int, kept: list[int]) -> None:
    session = make_session(credit=2)
    send(session)
    send(session)
    answer = session.greet(hello(last=last, life=life))
    assert isinstance(answer, Greeted)
    assert answer.reason == "not_received"
    assert list(session.outstanding) == kept
    assert [one.seq for one in answer.lost] == [seq for seq in (0, 1) if seq not in kept]
    assert session.phase is Phase.READY


def test_a_rollout_that_never_left_gives_its_credit_back() -> None:
    session = make_session()
    seq = send(session)
    assert session.withdraw(seq).seq == seq
    assert session.can_send
    assert send(session) == seq + 1
    with pytest.raises(SessionError):
        session.withdraw(seq)


def test_a_learner_given_up_stays_gone() -> None:
    session = make_session()
    seq = send(session)
    assert [one.seq for one in session.give_up()] == [seq]
    assert session.phase is Phase.GONE
    assert session.give_up() == ()
    assert session.lose(0, "learner_died") == ()
    assert refusal(session.greet(hello(incarnation=9))) == "gone"
    assert refusal(session.accept(policy(9))) == "gone"
    assert not session.can_send


def test_every_phase_can_be_lost_and_given_up() -> None:
    for phase in Phase:
        assert (phase, "lost") in TRANSITIONS
        assert (phase, "gone") in TRANSITIONS


def test_credit_is_at_least_one() -> None:
    with pytest.raises(SessionError, match="credit"):
        Session(RUN, LIFE, 3, 0)


class Link(RuleBasedStateMachine):
    """Incarnations that greet, train, die, live on after their death and repeat themselves, over a link that loses,
    repeats and reorders; the books are kept beside the session and compared with it."""

    def __init__(self) -> None:
        super().__init__()
        self.session = Session(RUN, LIFE, 3, credit=2)
        self.wire: list[Hello | Policy] = []
        self.produced: set[int] = set()
        self.trained: list[int] = []
        self.lost: list[int] = []
        self.applied: list[tuple[int, int]] = []
        self.dead = -1

    def count(self, lost: tuple[Outstanding, ...]) -> None:
        self.lost += [one.seq for one in lost]

    @rule(incarnation=st.integers(0, 4), last=st.integers(-1, 6), life=st.integers(LIFE - 1, LIFE))
    def says_hello(self, incarnation: int, last: int, life: int) -> None:
        self.wire.append(hello(incarnation, last, life))

    @rule(
        version=st.integers(0, 12),
        rollouts=st.sets(st.integers(0, 12), max_size=2),
        incarnation=st.integers(0, 4),
        life=st.sampled_from([LIFE, LIFE, LIFE, LIFE - 1]),
    )
    def sends_any_policy(self, version: int, rollouts: set[int], incarnation: int, life: int) -> None:
        self.wire.append(policy(version, tuple(sorted(rollouts)), incarnation, life))

    @precondition(lambda self: self.session.incarnation >= 0)
    @rule(jump=st.integers(1, 2), take=st.integers(1, 2))
    def trains(self, jump: int, take: int) -> None:
        held = tuple(self.session.outstanding)[:take]
        self.wire.append(policy(self.session.accepted + jump, held, self.session.incarnation))

    @precondition(lambda self: self.session.can_send)
    @rule()
    def sends_a_rollout(self) -> None:
        seq = send(self.session)
        assert seq not in self.produced
        self.produced.add(seq)

    @precondition(lambda self: self.session.outstanding)
    @rule()
    def cannot_send_it(self) -> None:
        self.produced.remove(self.session.withdraw(max(self.session.outstanding)).seq)

    @precondition(lambda self: self.wire)
    @rule(data=st.data(), repeat=st.booleans())
    def arrives(self, data: st.DataObject, repeat: bool) -> None:
        at = data.draw(st.integers(0, len(self.wire) - 1))
        message = self.wire[at] if repeat else self.wire.pop(at)
        if isinstance(message, Hello):
            greeted = self.session.greet(message)
            if isinstance(greeted, Greeted):
                assert message.incarnation > self.dead
                self.count(greeted.lost)
            return
        before = self.session.incarnation
        accepted = self.session.accept(message)
        if isinstance(accepted, Accepted):
            assert message.incarnation == before > self.dead
            assert message.life == LIFE
            self.applied.append((message.incarnation, message.version))
            self.trained += [one.seq for one in accepted.trained]
            self.count(accepted.skipped)

    @precondition(lambda self: self.wire)
    @rule()
    def is_lost_on_the_way(self) -> None:
        self.wire.pop()

    @rule(incarnation=st.integers(0, 4))
    def dies(self, incarnation: int) -> None:
        self.count(self.session.lose(incarnation, "learner_died"))
        self.dead = max(self.dead, incarnation)

    @rule(really=st.integers(0, 9))
    def is_given_up(self, really: int) -> None:
        if really == 0:
            self.count(self.session.give_up())

    @invariant()
    def the_books_balance(self) -> None:
        assert sorted([*self.trained, *self.lost, *self.session.outstanding]) == sorted(self.produced)

    @invariant()
    def credit_is_kept(self) -> None:
        assert len(self.session.outstanding) <= self.session.credit

    @invariant()
    def versions_and_incarnations_only_grow(self) -> None:
        versions = [version for _, version in self.applied]
        assert versions == sorted(set(versions))
        assert self.applied == sorted(self.applied)


TestLink = Link.TestCase
TestLink.settings = settings(deadline=None, max_examples=40, stateful_step_count=40)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(["hello", "policy", "lose", "send"]), max_size=30), st.integers(1, 3))
def test_a_well_behaved_learner_is_never_refused(steps: list[str], credit: int) -> None:
    session, incarnation, version, trained, lost = make_session(credit), 0, 0, 0, 0
    for step in steps:
        if step == "send" and session.can_send:
            send(session)
        elif step == "policy" and session.outstanding:
            version += 1
            answer = session.accept(policy(version, (min(session.outstanding),), incarnation))
            assert isinstance(answer, Accepted)
            trained += len(answer.trained)
        elif step == "hello":
            last = max(session.outstanding, default=session.next_seq - 1)
            greeted = session.greet(hello(incarnation, last=last))
            assert isinstance(greeted, Greeted)
            assert not greeted.lost
        elif step == "lose":
            lost += len(session.lose(incarnation, "learner_died"))
            incarnation, version = incarnation + 1, version + 1
            assert isinstance(session.greet(hello(incarnation)), Greeted)
            assert isinstance(session.accept(policy(version, incarnation=incarnation)), Accepted)
    assert session.next_seq == trained + lost + len(session.outstanding)
