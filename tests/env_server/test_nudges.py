"""When a learner that owes a policy is reminded. Broken by counting from the last nudge, and by never starting anew."""

import numpy as np

from env_server.nudges import NUDGE_S, PATIENT, SPOILED_S, Nudges
from fleet.core.messages import Hello, Policy
from fleet.core.session import Session

RUN = "0" * 32


def greeted(learner: int = 0, incarnation: int = 0) -> Session:
    session = Session(RUN, 0, learner, 1)
    session.greet(Hello(RUN, learner, incarnation, -1, -1, greeting=1))
    return session


def publish(session: Session, *seqs: int) -> None:
    weights = {"w": np.zeros(1, np.float32)}
    session.accept(Policy(RUN, 0, session.learner, session.incarnation, session.accepted + 1, seqs, weights, {}))


def times(nudges: Nudges, session: Session, start: float, end: float) -> list[float]:
    """When it is nudged, looked at ten times a second."""
    ticks = [start + tick / 10 for tick in range(round((end - start) * 10))]
    return [now for now in ticks if nudges.due([session], now)]


def test_a_first_policy_and_an_answer_are_waited_for_as_long() -> None:
    nudges, session = Nudges(), greeted()
    assert times(nudges, session, 0.0, 12.0) == [NUDGE_S, 2 * NUDGE_S]
    publish(session)
    assert times(nudges, session, 12.0, 30.0) == []
    session.sent(0, (0,), 4, 0)
    assert times(nudges, session, 30.0, 37.0) == [30.0 + NUDGE_S]


def test_each_thing_owed_is_waited_for_anew() -> None:
    nudges, session = Nudges(), greeted()
    publish(session)
    for number in range(4):
        seq = session.sent(number, (0,), 4, number)
        assert times(nudges, session, 4.0 * number, 4.0 * number + 4.0) == []
        publish(session, seq)
    session.sent(9, (0,), 4, 4)
    assert times(nudges, session, 16.0, 22.0) == [21.0]


def test_the_supervisor_is_told_once_patience_is_over() -> None:
    nudges, session, silent = Nudges(), greeted(), list[tuple[float, float]]()
    for tick in range(300):
        silent += [(tick / 10, nudge.waited_s) for nudge in nudges.due([session], tick / 10) if nudge.silent]
    assert silent == [(NUDGE_S * n, NUDGE_S * n) for n in range(PATIENT + 1, 6)]


def test_what_is_owed_has_another_number_once_something_came() -> None:
    """The supervisor tells by it a learner that answers late from one that doesn't. Broken by numbering learners."""
    nudges, session, waits = Nudges(), greeted(), list[int]()
    for tick in range(600):
        if tick == 300:
            publish(session)
            session.sent(0, (0,), 4, 0)
        waits += [nudge.wait for nudge in nudges.due([session], tick / 10)]
    assert waits == [0] * 5 + [1] * 5


def test_a_spoiled_message_brings_the_next_reminder_forward() -> None:
    nudges, session = Nudges(), greeted()
    assert times(nudges, session, 0.0, 2.0) == []
    nudges.hasten(session, 2.0)
    assert times(nudges, session, 2.0, 8.0) == [2.0 + SPOILED_S]


def test_nobody_is_nudged_who_is_dead() -> None:
    nudges, session = Nudges(), greeted()
    session.lose(0, "learner_died")
    assert times(nudges, session, 0.0, 20.0) == []
