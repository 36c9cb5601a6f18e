"""The environment server's learners: their sessions, the policies they send, and the ledger lines about all of it.

Knows no sockets: the server hands it messages, and sends what it gives back.
"""

import logging
from collections.abc import Callable, Iterable, Sequence

from actors.stacked import ActorError, StackedPolicy
from env_server.collect import Round
from env_server.pacing import Standing
from env_server.record import Dealt, Recorder
from fleet.core.ledger import RolloutName
from fleet.core.ledger_file import Ledger
from fleet.core.messages import Hello, Policy, Rollout, Welcome
from fleet.core.session import Outstanding, Phase, Refused, Session
from fleet.core.spec import WorldSpec

log = logging.getLogger(__name__)

Send = Callable[[Rollout], bool]


class Roster:
    """The sessions of all learners of one server life. `groups[k]` are the robots of learner k."""

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
    ) -> None:
        self.groups = groups
        self.sessions = [Session(run, life, learner, credit) for learner in range(len(groups))]
        self._run, self._life, self._spec, self._ledger = run, life, spec, ledger
        self._lockstep = lockstep

    def standing(self) -> list[Standing]:
        """What pacing needs to know of each learner."""
        return [self._standing(session) for session in self.sessions]

    def _standing(self, session: Session) -> Standing:
        if session.phase is Phase.GONE:
            return Standing.GONE
        if session.phase is not Phase.READY:
            return Standing.ABSENT
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
        if not again and session.accepted > hello.version:
            self._ledger.undone(hello.learner, after=hello.version)
        return Welcome(
            run=self._run,
            life=self._life,
            learner=hello.learner,
            incarnation=hello.incarnation,
            accepted=session.accepted,
            robots=self.groups[hello.learner],
            spec=self._spec,
            greeting=hello.greeting,
        )

    def take(self, policy: Policy, actors: StackedPolicy, recorder: Recorder) -> bool:
        """Act with a learner's policy from now on, unless it is old, from an earlier life or not for these networks."""
        if not self._known(policy.learner):
            return False
        session = self.sessions[policy.learner]
        before = session.accepted
        try:
            actors.check(policy.weights)
        except ActorError as error:
            log.warning("policy %d of learner %d refused: %s", policy.version, policy.learner, error)
            self._lost(policy.learner, self._take_back(session, policy), "policy_refused")
            return False
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
        return True

    def deal(self, number: int, taken: Round, versions: Sequence[int], send: Send) -> Dealt:
        """Give each learner with credit its part of the round; count the others' as withheld.

        `versions[k]` is the version of learner k's policy that acted. The ledger says what is produced before anything
        is sent.
        """
        each = taken.steps * self._spec.worlds
        willing = [session for session in self.sessions if session.can_send]
        sent = [(s, s.sent(number, self.groups[s.learner], each, versions[s.learner])) for s in willing]
        self._ledger.produced(number, each, [(self._rollout(s, seq), self.groups[s.learner]) for s, seq in sent])
        withheld = self._withhold(number, each, set(willing))
        agent_steps = 0
        for session, seq in sent:
            message = self._message(session, seq, number, taken)
            if send(message):
                agent_steps += len(message.batch.robots) * each
            else:
                self._lost(session.learner, [session.withdraw(seq)], "unreachable")
        return Dealt(sent=agent_steps, withheld=withheld, online=sum(len(self.groups[s.learner]) for s in willing))

    def withhold_all(self, number: int, taken: Round, reason: str) -> None:
        """The round's steps go to nobody."""
        each = taken.steps * self._spec.worlds
        if each:
            self._ledger.withheld(number, [robot for group in self.groups for robot in group], each, reason)

    def lose(self, learner: int, incarnation: int, reason: str) -> None:
        """That incarnation is dead: fence it, and account for what it held."""
        self._lost(learner, self.sessions[learner].lose(incarnation, reason), reason)

    def give_up(self, learner: int, reason: str) -> None:
        """The learner won't come back; its robots drive on with the last policy."""
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
        return all(session.phase is Phase.GONE for session in self.sessions)

    def _withhold(self, number: int, each: int, served: set[Session]) -> int:
        reasons = {Phase.READY: "no_credit", Phase.GONE: "learner_gone"}
        count = 0
        for session in self.sessions:
            if session not in served:
                robots = self.groups[session.learner]
                self._ledger.withheld(number, robots, each, reasons.get(session.phase, "no_learner"))
                count += len(robots) * each
        return count

    def _message(self, session: Session, seq: int, number: int, taken: Round) -> Rollout:
        return Rollout(
            run=self._run,
            life=self._life,
            learner=session.learner,
            incarnation=session.incarnation,
            seq=seq,
            round=number,
            version=session.outstanding[seq].version,
            batch=taken.rollout(self.groups[session.learner]),
        )

    def _take_back(self, session: Session, policy: Policy) -> list[Outstanding]:
        """What a policy that can't be used was learned from; else its learner would have no credit for ever."""
        if (policy.life, policy.incarnation) != (self._life, session.incarnation):
            return []
        return [session.withdraw(seq) for seq in policy.rollouts if seq in session.outstanding]

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
