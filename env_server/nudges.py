"""When a learner that owes the environment server a policy is to be reminded of it. Pure: time comes in.

A policy, a rollout or a welcome can be lost on its way without either side hearing of it. The server then says its last
welcome again, which a learner answers with the policy it has published last, or with another hello.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from fleet.core.session import Phase, Session

NUDGE_S = 5.0
"""How long a policy is waited for before the learner is nudged, and then between two nudges."""
SPOILED_S = 1.5
"""The same after a message that couldn't be used: longer than a learner takes a welcome for an answer to that one."""
PATIENT = 3
"""Nudges that may go unanswered before the supervisor is told."""
_LOOK_S = 0.5


@dataclass(frozen=True)
class Nudge:
    """The session's learner has owed a policy for `waited_s`, and `silent` says that it has been nudged in vain.

    `wait` numbers the things that were owed: as long as it stays the same, nothing of use has come from that learner.
    """

    session: Session
    waited_s: float
    silent: bool
    wait: int


@dataclass
class _Wait:
    """For one thing that a learner owes: the phase, the incarnation and the oldest rollout that it holds."""

    number: int
    what: tuple[Phase, int, int]
    since: float
    due: float
    nudges: int = 0


class Nudges:
    """Keeps, by learner, since when a policy has been owed. Times are seconds of a clock that never goes back."""

    def __init__(self) -> None:
        self._waits: dict[int, _Wait] = {}
        self._look_at = -1.0
        self._begun = count()

    def due(self, sessions: Sequence[Session], now: float) -> list[Nudge]:
        """Who is to be nudged now. Looks at the sessions twice a second, however often it is called."""
        if now < self._look_at:
            return []
        self._look_at = now + _LOOK_S
        return [nudge for session in sessions if (nudge := self._judge(session, now)) is not None]

    def hasten(self, session: Session, now: float) -> None:
        """A message of that learner couldn't be used: remind it soon."""
        wait = self._wait(session, now)
        wait.due = min(wait.due, now + SPOILED_S)

    def _judge(self, session: Session, now: float) -> Nudge | None:
        if not session.owes:
            self._waits.pop(session.learner, None)
            return None
        wait = self._wait(session, now)
        if now < wait.due:
            return None
        wait.due = now + NUDGE_S
        wait.nudges += 1
        return Nudge(session, now - wait.since, wait.nudges > PATIENT, wait.number)

    def _wait(self, session: Session, now: float) -> _Wait:
        what = session.phase, session.incarnation, next(iter(session.outstanding), -1)
        wait = self._waits.get(session.learner)
        if wait is None or wait.what != what:
            wait = self._waits[session.learner] = _Wait(next(self._begun), what, now, now + NUDGE_S)
        return wait
