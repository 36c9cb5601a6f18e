"""What must hold at every moment of a simulated run, judged from what takes effect and not from anyone's own books.

Weights in a simulation hold nothing but the number of a `State`, so whatever acts, is learned from or comes back from a
checkpoint shows what it was made of, across all restarts.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fleet.control.care.child import SERVER, Child, Phase
from fleet.control.care.restarts import Budget
from fleet.core.ledger import RolloutName
from fleet.core.ledger_file import Ledger
from fleet.core.messages import Policy, Rollout
from fleet.core.spec import Array
from fleet.study.simulation.scene import Scene

Weights = dict[str, Array]


@dataclass(frozen=True)
class State:
    """A learner's weights: `held` are all the rollouts that went into them."""

    number: int
    learner: int
    version: int
    held: frozenset[RolloutName]

    @property
    def weights(self) -> Weights:
        """As they travel."""
        return {"state": np.array([self.number], np.float32)}


@dataclass
class _Book:
    """One process's restarts, counted beside its budget."""

    used: tuple[float, ...] = ()
    calm: float = -math.inf
    seen: tuple[Budget, Phase, int] | None = None
    granted: int = 0
    asked: int = 0


class WorkingLedger(Ledger):
    """A ledger's account without a file. `work` is called after each line, so that a writer can be killed there."""

    def __init__(self) -> None:
        super().__init__(None)
        self.work: Callable[[], None] = lambda: None
        self.learned: set[RolloutName] = set()
        """All that it has as trained, undone or not."""

    def _write(self, line: Mapping[str, Any]) -> None:
        super()._write(line)
        if line["k"] == "trained":
            self.learned |= {RolloutName(*name) for name in line["of"]}
        self.work()


class Invariants:
    """Is told what happens; `broken` lists what may not have happened."""

    def __init__(self, scene: Scene, now: Callable[[], float], trace: Callable[[str, str], None]) -> None:
        self.broken: list[str] = []
        self.ledger = WorkingLedger()
        self.figures: defaultdict[str, int] = defaultdict(int)
        self.rounds = 0
        self._credit, self._now, self._trace = scene.credit, now, trace
        unheard = any(item.trouble == "server_unheard" for item in scene.happenings)
        stopped = any(item.target == SERVER for item in scene.strikes)
        repeats = scene.weather.reorder or scene.weather.duplicate
        self._exact = scene.credit == 1 and not (unheard or stopped or repeats)
        self._groups, self._allowed = scene.groups, scene.control.restarts
        self._budgets: dict[str, _Book] = {}
        self._out: set[int] = set()  # learners that a person has taken out
        self._states: list[State] = []
        self._sent: dict[RolloutName, tuple[int, ...]] = {}
        self._acting: dict[int, tuple[int, int]] = {}  # by learner: server life and version that act
        self._dead: defaultdict[int, int] = defaultdict(lambda: -1)  # by learner: the newest incarnation that is fenced
        self._made_of: defaultdict[int, frozenset[RolloutName]] = defaultdict(frozenset)  # by learner: what acts
        self.learned_at: defaultdict[int, float] = defaultdict(lambda: -1.0)

    def break_(self, text: str) -> None:
        """Note a violation."""
        self.broken.append(f"{self._now():.3f} s: {text}")
        self._trace("!", text)

    def state(self, learner: int, version: int, held: frozenset[RolloutName] = frozenset()) -> State:
        """New weights."""
        state = State(len(self._states), learner, version, held)
        self._states.append(state)
        return state

    def read(self, weights: Mapping[str, Array]) -> State:
        """The state that weights are of."""
        return self._states[int(weights["state"][0])]

    def sent(self, rollout: Rollout) -> None:
        """The server has given a rollout to a learner."""
        name = RolloutName(rollout.life, rollout.learner, rollout.incarnation, rollout.seq)
        if name in self._sent:
            self.break_(f"{name} was sent twice")
        if rollout.incarnation <= self._dead[rollout.learner]:
            self.break_(f"{name} was sent to a dead incarnation")
        self._sent[name] = rollout.batch.robots

    def credit(self) -> None:
        """No learner is owed more answers than its credit; by the ledger, not by the session."""
        held: defaultdict[int, int] = defaultdict(int)
        for name in self.ledger.outstanding():
            held[name.learner] += 1
        for learner, count in held.items():
            if count > self._credit:
                self.break_(f"learner {learner} holds {count} rollouts; its credit is {self._credit}")

    def learned(self, before: State, name: RolloutName, robots: tuple[int, ...], version: int) -> State:
        """A learner has made new weights out of `before` and a rollout."""
        if self._sent.get(name) != robots:
            self.break_(f"learner {before.learner} learned from {name}, which wasn't sent to it like that")
        if name in before.held:
            self.break_(f"learner {before.learner} was trained twice on {name}")
        return self.state(before.learner, version, before.held | {name})

    def acts(self, policy: Policy, life: int, robots: tuple[int, ...], group: tuple[int, ...]) -> None:
        """A policy acts from now on, for `robots`, in server life `life`."""
        state = self.read(policy.weights)
        who = f"policy {policy.version} of learner {policy.learner}/{policy.incarnation}"
        if policy.incarnation <= self._dead[policy.learner]:
            self.break_(f"{who} acts, though that incarnation is dead")
        if policy.life != life:
            self.break_(f"{who} acts in server life {life}; it is for {policy.life}")
        if robots != group or state.learner != policy.learner:
            self.break_(f"{who} acts for robots {robots}; its own are {group}")
        before = self._acting.get(policy.learner, (-1, -1))
        if (life, policy.version) <= before:
            self.break_(f"{who} acts after {before[1]} (server life {before[0]})")
        self._acting[policy.learner] = life, policy.version
        self._made_of[policy.learner] = state.held
        # A restart doesn't wait long for a server that isn't heard to say what it had accepted.
        # What a server had sent when it died is lost, and its learners go on with it in them. With more credit a policy
        # that is lost takes its rollout's name with it; and on a link that repeats or reorders messages, as ZeroMQ does
        # not, a rollout may be taken in after the hello by which the server knew it as lost.
        lost = [name for name in state.held - self.ledger.learned if name.life == life]
        if lost and self._exact:
            self.break_(f"{who} is made of {min(lost)}, which was counted lost")
        for seq in policy.rollouts:
            name = RolloutName(life, policy.learner, policy.incarnation, seq)
            if name not in state.held:
                self.break_(f"{who} names {name} and isn't made of it")
        if policy.rollouts:
            self.learned_at[policy.learner] = self._now()

    def person(self, verb: str, learner: int) -> None:
        """A person has killed or revived a learner."""
        if verb == "kill":
            self._out.add(learner)
        else:
            self._out.discard(learner)

    def up(self, learner: int, incarnation: int) -> None:
        """A learner's process has come so far as to say hello; one that was forked too late to be held doesn't."""
        if learner in self._out:
            self.break_(f"learner {learner}/{incarnation} came back, though a person had taken it out")

    def round_done(self) -> None:
        """A round is over."""
        self.rounds += 1
        self.balance()

    def fence(self, learner: int, incarnation: int) -> None:
        """The server knows that this incarnation and all before it are dead."""
        self._dead[learner] = max(self._dead[learner], incarnation)

    def balance(self) -> None:
        """The ledger, as far as it is."""
        balance = self.ledger.balance()
        if not balance.balanced:
            self.break_(f"the ledger doesn't balance: residual {balance.residual}, {list(balance.violations)}")

    def undone(self, child: Child) -> None:
        """What the ledger has as trained, and not undone, is what that learner's acting weights are made of."""
        assert child.learner is not None
        figures, robots = self.ledger.balance().robots, self._groups[child.learner]
        kept = self._made_of[child.learner] & self.ledger.learned
        for robot in robots:
            made_of = sum(robot in self._sent[name] for name in kept)
            counted = figures[robot].trained - figures[robot].undone if robot in figures else 0
            if counted != made_of:
                self.break_(f"robot {robot} has {counted} rollouts trained and not undone; its policy has {made_of}")

    def budget(self, child: Child) -> None:
        """Restarts are granted or asked for; those granted are within the budget, and given back in time only."""
        budget, book = child.budget, self._budgets.setdefault(child.name, _Book())
        seen = (budget, child.phase, child.restarts)
        if seen == book.seen:
            return
        book.seen = seen
        book.granted += sum(at not in book.used for at in budget.used)
        book.asked += budget.calm != book.calm
        early = [at for at in book.used if at not in budget.used and self._now() - at <= budget.window_s]
        book.used, book.calm = budget.used, budget.calm
        used = len(budget.used)
        if early:
            self.break_(f"{child.name} got restarts of {early} back, which aren't {budget.window_s:g} s old")
        if used > self._allowed or (child.phase is Phase.FAILED and used != self._allowed):
            self.break_(f"{child.name} ({child.phase.value}) has used {used} restarts; allowed are {self._allowed}")
        if child.restarts > book.granted + book.asked:
            self.break_(
                f"{child.name} was restarted {child.restarts} times: {book.granted} granted, {book.asked} asked"
            )

    def drained(self) -> None:
        """The run is over: nothing is in flight."""
        left = self.ledger.outstanding()
        if left:
            self.break_(f"{len(left)} rollouts are in flight after the drain, {left[0]} first")
