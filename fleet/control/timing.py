"""How patient the supervisor is, apart from what `[control]` sets. The tests give it less time."""

from dataclasses import dataclass, replace

_END_S = 0.02  # of a processor, to leave or to be killed, and as much for what runs meanwhile
_ROW_S = 0.0005


@dataclass(frozen=True)
class Timing:
    """Seconds.

    `stop`: how long a clean stop may take before what remains is killed; `leave`: how long learners may take once they
    are told to leave; `kill`: how long killing is waited for; `left`: how soon after a learner's exit with 0 the run
    has to turn out to be ending, or it was a death; `stuck` and `server_stuck`: how long a learner and the environment
    server may always stand still with work in hand; `fence`: how long a restart waits for the server to say what it
    had accepted; `zombie`: how long one that was stopped runs on beside its replacement; `tick`: the loop's longest
    wait; `display`: between two calls of `on_status`; `trim`: between two looks at the logs' sizes.
    """

    stop: float = 4.0
    leave: float = 2.0
    kill: float = 0.9
    left: float = 1.0
    stuck: float = 10.0
    server_stuck: float = 60.0
    fence: float = 2.0
    zombie: float = 2.0
    tick: float = 0.25
    display: float = 0.25
    trim: float = 10.0

    def of_fleet(self, learners: int) -> "Timing":
        """The same for that many learners, which have to share the processors as they all leave at once."""
        together = _END_S * learners
        return replace(
            self,
            stop=self.stop + together,
            leave=self.leave + together,
            kill=self.kill + together,
            display=self.display + _ROW_S * learners,
        )
