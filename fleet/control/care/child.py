"""What the supervisor knows of each process of the run, and what it wants of it."""

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Literal

from fleet.control.care.advance import Advance
from fleet.control.care.liveness import Vitals
from fleet.control.care.restarts import Budget
from fleet.control.status import ProcessStatus
from fleet.core.faults.kinds import Kind
from fleet.core.start import Origin

SERVER = "env_server"
ZYGOTE = "zygote"


class Phase(Enum):
    """Where a process is in its life."""

    WAITING = "waiting"  # for its time to be started
    STARTING = "starting"  # ordered or running, not heard yet
    UP = "up"
    LEFT = "left"  # exited with 0 unasked: a death, unless the run turns out to be draining
    AWAY = "away"  # held: it comes back when it is brought back, and not before
    ENDED = "ended"
    FAILED = "failed"  # over its budget; it does not come back


How = Literal["kill", "freeze", "zombie"]


@dataclass
class Injury:
    """What was done to a process on purpose, by the strike of that `number`, at `injected` (monotonic).

    Whatever comes of it (suspect, declare, recover) is recorded with both. The rest says how the process comes back;
    `doomed`, `kills` and `damage` are used up on the way.
    """

    number: int
    kind: Kind
    injected: float
    held: bool = False
    """It stays away until it is brought back, which uses no restart budget."""
    doomed: int = 0
    """How many of its next incarnations raise in their constructor."""
    kills: int = 1
    """`take_down("kill")` is the first; each replacement is killed right after its spawn until as many were made."""
    damage: str | None = None
    """Its newest checkpoint is damaged before it comes back: "truncate" to half, or "flip" a byte in the middle."""
    checkpoint: int | None = None
    """The version it comes back with, if that is on disk."""
    accepted: int | None = None
    """The last version that the server had accepted from it at that moment, if known."""
    hit: int = -1
    """Which incarnation it struck; filled in when it does."""


@dataclass
class Fault:
    """One death, of that incarnation, with the monotonic times at which it came to light.

    `number` and `injected` are those of the injury it came of, if it came of one.
    """

    cause: str
    incarnation: int
    suspect: float
    declare: float | None = None
    number: int | None = None
    injected: float | None = None
    said: bool = False
    """The record has that it was declared."""

    def of(self, injury: Injury) -> "Fault":
        """The same death, come of that injury."""
        suspect = max(self.suspect, injury.injected)
        return replace(self, suspect=suspect, number=injury.number, injected=injury.injected, said=False)


@dataclass
class Child:
    """A learner (`learner` is its number), the environment server or the zygote (None).

    `wanted` is the one desired state: it is set before anything else, and nothing is started or kept against it.
    `held` comes next: nothing that is held is started. `frozen`: of a learner, that its robots never learn. Times are
    monotonic seconds.
    """

    name: str
    learner: int | None
    budget: Budget
    incarnation: int = 0
    wanted: bool = True
    held: bool = False
    frozen: bool = False
    phase: Phase = Phase.WAITING
    due: float = 0.0
    leave_by: float | None = None
    origin: Origin = "fresh"
    checkpoint: str | None = None
    pid: int | None = None
    vitals: Vitals | None = None
    advance: Advance | None = None
    suspected_at: float | None = None
    fault: Fault | None = None
    earlier: dict[int, Fault] = field(default_factory=dict)
    """Faults of other injuries, by number, that this one came upon before they were over."""
    injury: Injury | None = None
    unnoticed: list[Injury] = field(default_factory=list)
    """What else would have ended this incarnation, had another injury not come upon it before anybody noticed."""
    kills: int = 0
    """How many of its next incarnations are killed right after their spawn."""
    zombie: bool = False
    """It is stopped, and lives on beside its replacement for a moment."""
    free: bool = False
    """Its next restart uses no budget: somebody brings it back."""
    fenced: tuple[int, int] = (-1, -1)
    """The newest incarnation that the server has fenced, and the version it had accepted by then."""
    fence_by: float = 0.0
    accepted: int = -1
    """The newest version known to have been accepted from it."""
    online: int = -1
    """Which incarnation's first policy has come into use last."""
    unanswered: tuple[int, int] | None = None
    """Since the server complained that it answers nothing: for which thing, and heartbeats without work or progress."""
    restarts: int = 0
    progress: int = 0
    memory: int = 0
    busy_s: float = 0.0

    def gone(self) -> None:
        """It has no process any more."""
        self.pid = self.vitals = self.advance = None

    @property
    def dead(self) -> int:
        """Its newest incarnation that is dead; -1: none."""
        alive = self.phase in (Phase.WAITING, Phase.STARTING, Phase.UP, Phase.AWAY) and not self.declared
        return self.incarnation - 1 if alive else self.incarnation

    @property
    def declared(self) -> bool:
        """Whether this incarnation has been declared dead while its process was still there."""
        fault = self.fault
        return fault is not None and fault.incarnation == self.incarnation and fault.declare is not None

    @property
    def due_next(self) -> float | None:
        """When something is to be done about this learner, unless something happens before."""
        if self.phase is Phase.UP and self.leave_by is None:
            return None  # nearly all, nearly always
        if self.phase is Phase.LEFT:
            return self.due
        if self.phase is Phase.WAITING:
            known = self.fenced[0] >= self.incarnation - 1
            return self.due if known else max(self.due, self.fence_by)
        return self.leave_by if self.running else None

    @property
    def running(self) -> bool:
        """Whether it has a process, as far as we know."""
        return self.pid is not None

    def open_fault(self, cause: str, suspect: float) -> Fault:
        """A death has come to light. One that it has come upon is remembered until both are over.

        What was suspected of something else before is suspected of an injury since that was done.
        """
        before, fault = self.fault, Fault(cause, self.incarnation, suspect)
        for injury in self.unnoticed:
            self.earlier[injury.number] = fault.of(injury)
        self.unnoticed = []
        self.fault = fault = fault if self.injury is None else fault.of(self.injury)
        if before is not None and before.number != fault.number:
            self.earlier[-1 if before.number is None else before.number] = before
        return fault

    def status(self) -> ProcessStatus:
        """Its row of the display."""
        return ProcessStatus(
            self.name,
            self.pid,
            self.phase.value,
            self.incarnation,
            self.restarts,
            self.progress,
            self.memory if self.running else 0,
            self.busy_s,
        )
