"""The server's side of one learner: who it is, what it holds, what may be accepted from it. No sockets, no clock.

The environment server feeds it what comes from the data channel (hello, policy) and from the supervisor (lost, gone),
and asks it whether a rollout may be sent. Whatever it gives back as trained or lost goes into the ledger, so that

    produced (sent) = trained + lost + outstanding

holds at any moment. It makes these impossible: a rollout trained twice, an older policy version accepted, anything
accepted from an incarnation that was superseded, more than `credit` rollouts outstanding.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

from fleet.core.errors import FleetError
from fleet.core.messages import Hello, Policy


class SessionError(FleetError):
    """The server did what the session doesn't allow: our own mistake, not the learner's."""


class Phase(Enum):
    """Where a learner stands."""

    ABSENT = auto()
    """No incarnation has said hello, or the last one is dead. Unless it is `expected`, nobody waits for the next."""
    GREETED = auto()
    """Said hello; its first policy is awaited, and until then it has no credit."""
    READY = auto()
    """May be sent rollouts."""
    GONE = auto()
    """Won't come back, or was gone already when this life of the server began."""


Input = Literal["hello", "first policy", "policy", "rollout", "lost", "gone"]

TRANSITIONS: Mapping[tuple[Phase, Input], Phase] = {
    (Phase.ABSENT, "hello"): Phase.GREETED,
    (Phase.ABSENT, "lost"): Phase.ABSENT,
    (Phase.ABSENT, "gone"): Phase.GONE,
    (Phase.GREETED, "hello"): Phase.GREETED,
    (Phase.GREETED, "first policy"): Phase.READY,
    (Phase.GREETED, "lost"): Phase.ABSENT,
    (Phase.GREETED, "gone"): Phase.GONE,
    (Phase.READY, "hello"): Phase.GREETED,
    (Phase.READY, "rollout"): Phase.READY,
    (Phase.READY, "policy"): Phase.READY,
    (Phase.READY, "lost"): Phase.ABSENT,
    (Phase.READY, "gone"): Phase.GONE,
    (Phase.GONE, "lost"): Phase.GONE,
    (Phase.GONE, "gone"): Phase.GONE,
}
"""What isn't here is refused. A second hello of the same incarnation (its link was cut) changes no phase."""

Refusal = Literal[
    "gone",
    "wrong_learner",
    "wrong_run",
    "stale_life",
    "stale_incarnation",
    "old_greeting",
    "not_greeted",
    "old_version",
    "unknown_rollout",
    "names_no_rollout",
]


@dataclass(frozen=True, slots=True)
class Outstanding:
    """A rollout that was sent and not yet answered: agent-steps per robot, and the policy version that acted."""

    seq: int
    incarnation: int
    round: int
    robots: tuple[int, ...]
    each: int
    version: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Not accepted; nothing has changed."""

    reason: Refusal
    text: str


@dataclass(frozen=True, slots=True)
class Greeted:
    """A hello was taken, and a welcome is due; `lost` will never be trained (`reason` says why)."""

    lost: tuple[Outstanding, ...]
    reason: Literal["superseded", "not_received"]


@dataclass(frozen=True, slots=True)
class Accepted:
    """A policy was taken: it learned from `trained`; `skipped` were sent before those and never taken in: lost."""

    version: int
    trained: tuple[Outstanding, ...]
    skipped: tuple[Outstanding, ...]


class Session:
    """One learner, through all its incarnations, within one life of the server.

    A server that takes another's place knows from it the last policy version `accepted`, the newest incarnation that is
    dead (`fence`; -1: none), and whether the learner is `gone`.
    """

    def __init__(
        self,
        run: str,
        life: int,
        learner: int,
        credit: int,
        accepted: int = -1,
        *,
        fence: int = -1,
        gone: bool = False,
    ) -> None:
        if credit < 1:
            raise SessionError(f"credit is {credit}; allowed are whole numbers from 1")
        self._run = run
        self._life = life
        self._fenced = fence
        self._why = "superseded"
        self._outstanding: dict[int, Outstanding] = {}
        self.learner = learner
        self.credit = credit
        self.accepted = accepted
        """The last policy version accepted from any incarnation; -1: none."""
        self.incarnation = -1
        """The one that said hello last; -1: none yet."""
        self.phase = Phase.GONE if gone else Phase.ABSENT
        self.expected = True
        """Whether it is to come back while it is ABSENT; the environment server says so, as its faults have it."""
        self.greeting = 0
        """That of the hello last welcomed: a welcome that is repeated carries it."""
        self.spoiled = 0
        """Messages in a row from this incarnation that couldn't be used, since its last policy was accepted."""
        self.next_seq = 0

    @property
    def outstanding(self) -> Mapping[int, Outstanding]:
        """What the learner holds, by sequence number, oldest first."""
        return self._outstanding

    @property
    def can_send(self) -> bool:
        """Whether the learner has credit left."""
        return self.phase is Phase.READY and len(self._outstanding) < self.credit

    def greet(self, hello: Hello) -> Greeted | Refused:
        """A new incarnation takes the place of the one before it; the same one again has had its link cut.

        Of one incarnation a hello that is older than its last, or that one once more, would tell what is no longer so.
        """
        if hello.run != self._run:
            return Refused("wrong_run", f"hello for run {hello.run}")
        if hello.learner != self.learner:
            return Refused("wrong_learner", f"hello from learner {hello.learner}; this is {self.learner}")
        if self.phase is Phase.GONE:
            return Refused("gone", f"learner {self.learner} was given up")
        if hello.incarnation <= self._fenced or hello.incarnation < self.incarnation:
            return self._stale(hello.incarnation)
        if hello.incarnation == self.incarnation:
            if 0 < hello.greeting <= self.greeting:
                return Refused("old_greeting", f"hello {hello.greeting}; {self.greeting} has come already")
            self.greeting = hello.greeting
            return Greeted(self._drop(self._not_taken_in(hello)), "not_received")
        self._fence(hello.incarnation - 1, "superseded")
        lost = self._drop(tuple(self._outstanding))
        self.incarnation, self.greeting, self.spoiled = hello.incarnation, hello.greeting, 0
        self._move("hello")
        return Greeted(lost, "superseded")

    def sent(self, round: int, robots: tuple[int, ...], each: int, version: int) -> int:
        """Count a rollout as sent and give its sequence number, which is never used again.

        `each`: agent-steps per robot; `version`: of the policy that acted. Raises SessionError without credit.
        """
        if not self.can_send:
            raise SessionError(f"learner {self.learner} ({self.phase.name}) holds {len(self._outstanding)} rollouts")
        self._move("rollout")
        seq, self.next_seq = self.next_seq, self.next_seq + 1
        self._outstanding[seq] = Outstanding(seq, self.incarnation, round, robots, each, version)
        return seq

    def withdraw(self, seq: int) -> Outstanding:
        """The channel wouldn't take it: that rollout never left. Its number stays used; its credit comes back."""
        if seq not in self._outstanding:
            raise SessionError(f"learner {self.learner} doesn't hold rollout {seq}")
        return self._outstanding.pop(seq)

    def accept(self, policy: Policy) -> Accepted | Refused:
        """Take a policy that is newer than all before it and names rollouts that are outstanding; refuse any other."""
        refused = self._refusal(policy)
        if refused is not None:
            return refused
        self._move("policy" if policy.rollouts else "first policy")
        self.accepted, self.spoiled = policy.version, 0
        trained = self._drop(policy.rollouts)
        # Rollouts come in the order sent, so what is older than a trained one and unnamed was never taken in.
        newest = max(policy.rollouts, default=-1)
        skipped = self._drop(tuple(seq for seq in self._outstanding if seq < newest))
        return Accepted(policy.version, trained, skipped)

    @property
    def owes(self) -> bool:
        """Whether a policy of its incarnation is awaited: its first, or the answer to a rollout."""
        return self.phase is Phase.GREETED or bool(self._outstanding)

    def spoil(self, incarnation: int) -> int:
        """A message from that incarnation couldn't be used; how many in a row that makes. 0: it is none of ours now."""
        if incarnation != self.incarnation or self.phase not in (Phase.GREETED, Phase.READY):
            return 0
        self.spoiled += 1
        return self.spoiled

    def lose(self, incarnation: int, reason: str) -> tuple[Outstanding, ...]:
        """That incarnation and all before it are dead: what they held is lost, and nothing more is taken from them.

        Later refusals give `reason` as theirs.
        """
        self._fence(incarnation, reason)
        if incarnation < self.incarnation:
            return ()
        self._move("lost")
        return self._drop(tuple(self._outstanding))

    def give_up(self) -> tuple[Outstanding, ...]:
        """The learner won't come back: what it held is lost."""
        self._move("gone")
        return self._drop(tuple(self._outstanding))

    def _refusal(self, policy: Policy) -> Refused | None:
        """Why `policy` isn't accepted, if it isn't."""
        if policy.run != self._run:
            return Refused("wrong_run", f"policy for run {policy.run}")
        if policy.learner != self.learner:
            return Refused("wrong_learner", f"policy from learner {policy.learner}; this is {self.learner}")
        if self.phase is Phase.GONE:
            return Refused("gone", f"learner {self.learner} was given up")
        if policy.life != self._life:
            return Refused("stale_life", f"policy for server life {policy.life}; this is {self._life}")
        if policy.incarnation <= self._fenced or policy.incarnation < self.incarnation:
            return self._stale(policy.incarnation)
        if policy.incarnation != self.incarnation:
            return Refused("not_greeted", f"incarnation {policy.incarnation} hasn't said hello")
        if policy.version <= self.accepted:
            return Refused("old_version", f"policy version {policy.version}; {self.accepted} was accepted")
        unknown = [seq for seq in policy.rollouts if seq not in self._outstanding]
        if unknown:
            return Refused("unknown_rollout", f"policy names rollout {unknown[0]}, which isn't outstanding")
        if self.phase is Phase.READY and not policy.rollouts:
            return Refused("names_no_rollout", f"policy version {policy.version} names no rollout")
        return None

    def _stale(self, incarnation: int) -> Refused:
        newest = max(self._fenced + 1, self.incarnation)
        return Refused("stale_incarnation", f"incarnation {incarnation} is {self._why}; allowed are {newest} and later")

    def _not_taken_in(self, hello: Hello) -> tuple[int, ...]:
        """What the same incarnation doesn't have, now that its link was cut. `last` counts in the life it names."""
        last = hello.last if hello.life == self._life else -1
        return tuple(seq for seq in self._outstanding if seq > last)

    def _fence(self, incarnation: int, reason: str) -> None:
        if incarnation > self._fenced:
            self._fenced, self._why = incarnation, reason

    def _drop(self, seqs: tuple[int, ...]) -> tuple[Outstanding, ...]:
        return tuple(self._outstanding.pop(seq) for seq in seqs)

    def _move(self, what: Input) -> None:
        after = TRANSITIONS.get((self.phase, what))
        if after is None:
            raise SessionError(f"learner {self.learner} is {self.phase.name}: no {what} now")
        self.phase = after
