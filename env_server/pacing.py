"""When the next round may start: a pure decision over what the environment server knows of its learners."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto


class Standing(Enum):
    """One learner as pacing sees it."""

    READY = auto()  # has the credit for the next rollout; in lockstep: has answered every one
    BUSY = auto()  # alive, with a rollout unanswered
    ABSENT = auto()  # starting or restarting: no policy from this incarnation yet
    GONE = auto()  # will not come back


@dataclass(frozen=True)
class Pace:
    """The run's settings: `quorum` is a share in (0, 1], `patience_s` in seconds."""

    lockstep: bool
    quorum: float
    patience_s: float

    def may_start(self, learners: Iterable[Standing], waited_s: float, started: bool) -> bool:
        """Whether the round may start after waiting `waited_s`; `started` says whether any round has run yet.

        lockstep: every learner that isn't gone has published; one that is restarting is waited for `patience_s` long,
        one that is alive as long as it takes. free: a quorum of the learners that are alive has credit, and a restart
        is not waited for, except before the first round, when all are starting. With nobody ready the world does not
        spin.
        """
        standing = [learner for learner in learners if learner is not Standing.GONE]
        ready = standing.count(Standing.READY)
        if not ready:
            return False
        absent = standing.count(Standing.ABSENT)
        if self.lockstep:
            patient = waited_s < self.patience_s or not started
            return Standing.BUSY not in standing and not (absent and patient)
        counted = len(standing) if not started else len(standing) - absent
        return ready >= self.quorum * counted
