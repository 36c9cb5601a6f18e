"""What the supervisor knows of each process of the run, and what it wants of it."""

from dataclasses import dataclass
from enum import Enum

from fleet.control.liveness import Vitals
from fleet.control.restarts import Budget
from fleet.control.status import ProcessStatus
from fleet.core.start import Origin

SERVER = "env_server"
ZYGOTE = "zygote"


class Phase(Enum):
    """Where a process is in its life."""

    WAITING = "waiting"  # for its time to be started
    STARTING = "starting"  # ordered or running, not heard yet
    UP = "up"
    LEFT = "left"  # exited with 0 unasked: a death, unless the run turns out to be draining
    ENDED = "ended"
    FAILED = "failed"  # over its budget; it does not come back


@dataclass
class Fault:
    """One death, of that incarnation, with the monotonic times at which it came to light."""

    cause: str
    incarnation: int
    suspect: float
    declare: float | None = None


@dataclass
class Child:
    """A learner (`learner` is its number) or the environment server (None).

    `wanted` is the one desired state: it is set before anything else, and nothing is started or kept against it.
    """

    name: str
    learner: int | None
    budget: Budget
    incarnation: int = 0
    wanted: bool = True
    phase: Phase = Phase.WAITING
    due: float = 0.0
    origin: Origin = "fresh"
    checkpoint: str | None = None
    pid: int | None = None
    vitals: Vitals | None = None
    suspected_at: float = 0.0
    fault: Fault | None = None
    restarts: int = 0
    progress: int = 0
    memory: int = 0
    busy_s: float = 0.0

    @property
    def running(self) -> bool:
        """Whether it has a process, as far as we know."""
        return self.pid is not None

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
