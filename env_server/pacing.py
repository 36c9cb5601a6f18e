"""When the next round may start: a pure decision over what the environment server knows of its learners."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto


class Standing(Enum):
    """One learner as pacing sees it."""

    READY = auto()  # has the credit for the next rollout; in lockstep: has answered every one
    BUSY = auto()  # alive, with a rollout unanswered
    ABSENT = auto()  # starting or restarting: no policy from this incarnation yet
    AWAY = auto()  # not expected before a fault is over: its learner is out, or all its robots' bodies are; or frozen
    GONE = auto()  # will not come back


_NOT_WAITED_FOR = (Standing.AWAY, Standing.GONE)
_ROUNDING = 1e-9  # 0.7 x 10 is a little less than 7


@dataclass(frozen=True)
class Pace:
    """The run's settings: `quorum` is a share in (0, 1], `patience_s` in seconds."""

    lockstep: bool
    quorum: float
    patience_s: float

    def may_start(self, learners: Iterable[Standing], waited_s: float, started: bool, returning: bool = False) -> bool:
        """Whether the round may start after waiting `waited_s`; `started` says whether any round has run yet.

        lockstep: every learner that isn't away or gone has published; one that is restarting is waited for `patience_s`
        long, one that is alive as long as it takes. free: a quorum of the learners that are alive has credit, and a
        restart is not waited for, except before the first round, when all are starting.

        With nobody ready the world does not spin, but for one case: all are away or gone, and `returning`, that is
        somebody's absence ends with a round. Only rounds bring that round about.
        """
        known = list(learners)
        standing = [learner for learner in known if learner not in _NOT_WAITED_FOR]
        if not standing:
            return returning and Standing.AWAY in known
        ready = standing.count(Standing.READY)
        if not ready:
            return False
        absent = standing.count(Standing.ABSENT)
        if self.lockstep:
            patient = waited_s < self.patience_s or not started
            return Standing.BUSY not in standing and not (absent and patient)
        counted = len(standing) if not started else len(standing) - absent
        # Rounded down, or a fleet of fewer than ten would wait for its slowest with a quorum of 0.9.
        return ready >= math.floor(self.quorum * counted + _ROUNDING)
