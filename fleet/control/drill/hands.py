"""What the drill acts through: the few things it asks of Care, of the supervisor, of the record and of the links.

Each is a protocol, so that the drill's decisions can be tested without a process, a socket or a clock.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from fleet.control.care.child import Child, How, Injury
from fleet.core.messages import Inject


class Infrastructure(Protocol):
    """What the fault drill can do to the run's own processes. Each is done at once; recovery follows of itself."""

    def kill_server(self, injury: Injury) -> None:
        """SIGKILL the environment server."""

    def freeze_server(self, injury: Injury) -> None:
        """SIGSTOP the environment server, until its silence gives it away."""

    def pause_server(self) -> None:
        """SIGSTOP the environment server for a while."""

    def unpause_server(self) -> None:
        """SIGCONT it."""

    def kill_zygote(self, injury: Injury) -> None:
        """SIGKILL the zygote."""

    def freeze_zygote(self, injury: Injury) -> None:
        """SIGSTOP the zygote, until its silence gives it away."""

    def kill_self(self) -> None:
        """SIGKILL the supervisor."""


class Caring(Protocol):
    """What is done to one learner. `now` is monotonic seconds."""

    def take_down(self, child: Child, how: How, injury: Injury, now: float) -> None:
        """Send the signal at once; what follows is as for any death, and carries the injury's number."""

    def note_injury(self, child: Child, injury: Injury) -> None:
        """It does something to itself: should it die of that, this is why."""

    def forget_injury(self, child: Child, number: int) -> None:
        """That is over, and a later death is none of its."""

    def hold(self, child: Child) -> None:
        """Keep it away: it is not started (again) before `bring_back`."""

    def bring_back(self, child: Child, now: float) -> None:
        """No longer held: started at once, at no cost to its budget."""

    def pause(self, child: Child) -> None:
        """SIGSTOP."""

    def unpause(self, child: Child) -> None:
        """SIGCONT."""

    def dismiss(self, child: Child, now: float) -> None:
        """It leaves for good."""


class Recording(Protocol):
    """Where it is written down; a `Record`."""

    def since(self, moment: float) -> float:
        """A monotonic time as seconds since the run began."""

    def event(self, name: str, process: str, **details: Any) -> None:
        """One line of events.jsonl."""


@dataclass(frozen=True)
class Hands:
    """All of it. `to_server` queues; `to_learner` sends at once, and is False if that learner can't be reached."""

    care: Caring
    powers: Infrastructure
    record: Recording
    to_server: Callable[[Inject], None]
    to_learner: Callable[[Child, Inject], bool]
