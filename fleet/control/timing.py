"""How patient the supervisor is, apart from what `[control]` sets. The tests give it less time."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Seconds.

    `stop`: how long a clean stop may take before what remains is killed; `leave`: how long learners may take once the
    server is gone; `kill`: how long killing is waited for; `left`: how soon after a learner's exit with 0 the run has
    to turn out to be ending, or it was a death; `tick`: the loop's longest wait; `display`: between two calls of
    `on_status`; `trim`: between two looks at the logs' sizes.
    """

    stop: float = 4.0
    leave: float = 2.0
    kill: float = 0.9
    left: float = 1.0
    tick: float = 0.25
    display: float = 0.25
    trim: float = 10.0
