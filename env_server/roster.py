"""The environment server's learners: their sessions, the policies they send, and the ledger lines about all of it.

Knows no sockets, no world and no networks: the server hands it messages and rounds, and sends what it gives back.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Protocol

from env_server.dealt import Dealt
from env_server.pacing import Standing
from fleet.core.balance import FROZEN
from fleet.core.ledger import RolloutName
from fleet.core.ledger_file import Ledger
from fleet.core.messages import Hello, Policy, Rollout, Welcome
from fleet.core.session import Outstanding, Phase, Refused, Session
from fleet.core.spec import Array, RolloutBatch, WorldSpec

log = logging.getLogger(__name__)

Send = Callable[[Rollout], bool]
LEFT = "left"
"""The reason for giving up a learner whose robots have left the floor."""


class Taken(Protocol):
    """A round's worth of steps; `collect.Round` is one."""

    steps: int

    def rollout(self, robots: Sequence[int]) -> RolloutBatch:
        """These robots' part of it."""
        ...


class Actors(Protocol):
    """What acts with the policies; `StackedPolicy` is one."""

    def load(self, robots: Sequence[int], weights: Mapping[str, Array]) -> None:
        """Act with these weights from now on."""
        ...


class Hearer(Protocol):
    """Who is told of what was learned; a `Recorder` is one."""

    def learned(self, learner: int, agent_steps: int, lag: int, diagnostics: Mapping[str, float]) -> None:
        """A learner's policy was accepted: it trained `agent_steps`, on data `lag` versions old."""
        ...


class Roster:
    """The sessions of all learners of one server life. `groups[k]` are the robots of learner k.

    By learner, what the life before this one knew: `fences`, `accepted` and `gone`, as `Session` has them; `accepted`
    less one, since the weights of its last version are published again. `frozen`: the robots that never learn.
    """

    def __init__(
        self,
        run: str,
        life: int,
        groups: Sequence[tuple[int, ...]],
        spec: WorldSpec,
        ledger: Ledger,
        credit: int,
        *,
        lockstep: bool,
        fences: Mapping[int, int] | None = None,
        accepted: Mapping[int, int] | None = None,
        gone: Collection[int] = (),
        frozen: Collection[int] = (),
    ) -> None:
        self.groups = groups
        self._frozen = frozenset(frozen)
        self._idle = {k for k, group in enumerate(groups) if self._frozen.issuperset(group)}
        self._acting: set[int] = set()  # learners whose policies have come in this life
        dead, known = fences or {}, accepted or {}
        self.sessions = [
            Session(run, life, k, credit, known.get(k, -1), fence=dead.get(k, -1), gone=k in gone)
            for k in range(len(groups))
        ]
        # A life before this one has accepted one version more, which may be published again.
        self._newest = {learner: version + 1 for learner, version in known.items()}
        self._left: set[int] = set()
        self._run, self._life, self._spec, self._ledger = run, life, spec, ledger
        self._lockstep = lockstep

    def standing(self, offline: Collection[int] = ()) -> list[Standing]:
        """What pacing needs to know of each learner; one whose robots are all `offline` has nothing to learn from."""
        return [self._standing(session, offline) for session in self.sessions]

    def _standing(self, session: Session, offline: Collection[int]) -> Standing:
        if session.phase is Phase.GONE:
            return Standing.GONE
        if session.learner in self._idle & self._acting:
            return Standing.AWAY  # its policy is here and won't change, whatever becomes of its process
        if session.phase is not Phase.READY:
            away = session.phase is Phase.ABSENT and not session.expected
            return Standing.AWAY if away else Standing.ABSENT
        if not self._learning(session, offline) and not (self._lockstep and session.outstanding):
            return Standing.AWAY
        free = not session.outstanding if self._lockstep else session.can_send
        return Standing.READY if free else Standing.BUSY

    def greet(self, hello: Hello) -> Welcome | None:
        """Answer a hello. What earlier incarnations trained after the version it comes back with is undone."""
        if not self._known(hello.learner):
            return None
        session = self.sessions[hello.learner]
        again = hello.incarnation == session.incarnation
        answer = session.greet(hello)
        if isinstance(answer, Refused):
            log.warning("hello of learner %d/%d refused: %s", hello.learner, hello.incarnation, answer.text)
            return None
        self._lost(hello.learner, answer.lost, answer.reason)
        newest = max(session.accepted, self._newest.get(hello.learner, -1))
        if not again and newest > hello.version:
            self._ledger.undone(hello.learner, after=hello.version)
        return self.welcome(session)

    def welcome(self, session: Session) -> Welcome:
        """The answer to the session's last hello; said again, it asks for what the learner owes."""
        return Welcome(
            run=self._run,
            life=self._life,
            learner=session.learner,
            incarnation=session.incarnation,
            accepted=session.accepted,
            robots=self.groups[session.learner],
            spec=self._spec,
            greeting=session.greeting,
        )

    def take(self, policy: Policy, actors: Actors, recorder: Hearer) -> bool:
        """Act with a learner's policy from now on, unless it is old, from an earlier life or names what it may not.

        That its weights are for the actors' networks is for the caller to see to; what isn't is `spoiled`.
        """
        if not self._known(policy.learner):
            return False
        session = self.sessions[policy.learner]
        before = session.accepted
        answer = session.accept(policy)
        if isinstance(answer, Refused):
            log.warning("policy %d of learner %d refused: %s", policy.version, policy.learner, answer.text)
            return False
        self._lost(policy.learner, answer.skipped, "not_received")
        self._ledger.trained([self._name(policy.learner, item) for item in answer.trained], policy.version)
        for item in answer.trained:
            steps = len(item.robots) * item.each
            recorder.learned(policy.learner, steps, max(0, before - item.version), policy.diagnostics)
        actors.load(self.groups[policy.learner], policy.weights)
        self._acting.add(policy.learner)
        return True

    def robots_of(self, learner: int) -> int:
        """How many robots a learner has; none if there is no such learner."""
        return len(self.groups[learner]) if learner < len(self.groups) else 0

    def spoiled(self, learner: int, incarnation: int) -> int:
        """A message from there couldn't be used; how many in a row that makes, 0 if it is of no current incarnation."""
        return self.sessions[learner].spoil(incarnation) if learner < len(self.sessions) else 0

    def deal(
        self, number: int, taken: Taken, versions: Sequence[int], send: Send, offline: Collection[int] = ()
    ) -> Dealt:
        """Give each learner with credit its part of the round, less its frozen robots'; count the rest as withheld.

        `versions[k]` is the version of learner k's policy that acted; the bodies of the robots `offline` were off. The
        ledger says what is produced before anything is sent.
        """
        each = taken.steps * self._spec.worlds
        willing = [(session, self._learning(session, offline)) for session in self.sessions if session.can_send]
        sent = [(s, s.sent(number, robots, each, versions[s.learner])) for s, robots in willing if robots]
        self._ledger.produced(number, each, [(self._rollout(s, seq), s.outstanding[seq].robots) for s, seq in sent])
        served = {robot for _, robots in willing for robot in robots}
        withheld = self._withhold(number, each, served, offline)
        agent_steps = 0
        for session, seq in sent:
            message = self._message(session, seq, number, taken)
            if send(message):
                agent_steps += len(message.batch.robots) * each
            else:
                self._lost(session.learner, [session.withdraw(seq)], "unreachable")
        online = sum(len(robots) for _, robots in willing) + len(self._frozen.difference(offline))
        return Dealt(sent=agent_steps, withheld=withheld, online=online)

    def withhold_all(self, number: int, taken: Taken, reason: str) -> None:
        """The round's steps go to nobody."""
        each = taken.steps * self._spec.worlds
        if each:
            robots = [robot for group in self.groups for robot in group if robot not in self._frozen]
            self._ledger.withheld(number, robots, each, reason)
            self._ledger.withheld(number, sorted(self._frozen), each, FROZEN)

    def lose(self, learner: int, incarnation: int, reason: str) -> tuple[Outstanding, ...]:
        """That incarnation is dead: fence it, and account for what it held, which is returned."""
        held = self.sessions[learner].lose(incarnation, reason)
        self._lost(learner, held, reason)
        return held

    def give_up(self, learner: int, reason: str) -> None:
        """The learner won't come back: it has `left`, or else its robots drive on with the last policy."""
        if reason == LEFT:
            self._left.add(learner)
        self._lost(learner, self.sessions[learner].give_up(), reason)

    def lose_all(self, reason: str) -> None:
        """Nothing that is still outstanding will be answered."""
        for session in self.sessions:
            if session.outstanding:
                self._lost(session.learner, session.lose(session.incarnation, reason), reason)

    @property
    def outstanding(self) -> int:
        """Rollouts sent and not answered yet."""
        return sum(len(session.outstanding) for session in self.sessions)

    @property
    def all_gone(self) -> bool:
        """Whether no learner will ever train again."""
        return all(session.phase is Phase.GONE for session in self.sessions if session.learner not in self._idle)

    def _learning(self, session: Session, offline: Collection[int]) -> tuple[int, ...]:
        """Whose steps its learner is to have."""
        group = self.groups[session.learner]
        if not offline and not self._frozen:
            return group
        return tuple(robot for robot in group if robot not in offline and robot not in self._frozen)

    def _withhold(self, number: int, each: int, served: set[int], offline: Collection[int]) -> int:
        """Say what goes to nobody, and why; the agent-steps of it that somebody was to learn from."""
        count = 0
        for session in self.sessions:
            by_reason: dict[str, list[int]] = {}
            for robot in self.groups[session.learner]:
                if robot not in served:
                    why = FROZEN if robot in self._frozen else self._why(session, robot in offline)
                    by_reason.setdefault(why, []).append(robot)
            for why, robots in by_reason.items():
                self._ledger.withheld(number, robots, each, why)
                count += len(robots) * each if why != FROZEN else 0
        return count

    def _why(self, session: Session, is_offline: bool) -> str:
        """Why nobody gets a robot's steps."""
        if session.phase is Phase.GONE:
            return LEFT if session.learner in self._left else "learner_gone"
        if session.phase is Phase.READY:
            return "offline" if is_offline else "no_credit"
        return "no_learner" if session.expected or session.phase is Phase.GREETED else "learner_away"

    def _message(self, session: Session, seq: int, number: int, taken: Taken) -> Rollout:
        return Rollout(
            run=self._run,
            life=self._life,
            learner=session.learner,
            incarnation=session.incarnation,
            seq=seq,
            round=number,
            version=session.outstanding[seq].version,
            batch=taken.rollout(session.outstanding[seq].robots),
        )

    def _lost(self, learner: int, items: Iterable[Outstanding], reason: str) -> None:
        self._ledger.lost([self._name(learner, item) for item in items], reason)

    def _rollout(self, session: Session, seq: int) -> RolloutName:
        return RolloutName(self._life, session.learner, session.incarnation, seq)

    def _name(self, learner: int, item: Outstanding) -> RolloutName:
        return RolloutName(self._life, learner, item.incarnation, item.seq)

    def _known(self, learner: int) -> bool:
        if learner < len(self.groups):
            return True
        log.warning("message from learner %d; there are learners 0 to %d", learner, len(self.groups) - 1)
        return False
