"""What comes in on the control link apart from heartbeats: the run's figures, and `fleet status` and `fleet stop`."""

import time
from collections.abc import Callable, Mapping

from fleet.control.status import Figure, Pace, ProcessStatus, Status, build_status
from fleet.core.config import Config
from fleet.core.messages import Command, Event, Message, Progress, Reply

ONLINE = "online"
"""The environment server's event, with details learner and incarnation: that incarnation's first policy is in use."""

DRAINING = "draining"
"""The environment server's event before it tells the learners to stop: one that exits with 0 isn't missed then."""

_VERBS = ("status", "stop")


class Desk:
    """Keeps the last figures and answers commands; `table` gives the rows of the processes.

    After each message see whether `stop_asked`, `draining` and `take_online` have changed.
    """

    def __init__(self, run: str, config: Config, table: Callable[[], list[ProcessStatus]]) -> None:
        self._run, self._config, self._table = run, config, table
        self.figures: Mapping[str, Figure] = {}
        self.stop_asked = False
        self.draining = False
        self._online: list[tuple[int, int]] = []
        self._pace = Pace()
        self._began = time.monotonic()

    def take(self, message: Message, now: float, phase: str) -> Reply | None:
        """Note a message; the answer, if it is a command."""
        if isinstance(message, Progress):
            self.figures = message.figures
            round_, rounds = message.figures.get("round"), self._config.run.rounds
            if isinstance(round_, int):
                self._pace.at(now, round_)
                self.draining = self.draining or round_ >= rounds
        elif isinstance(message, Event):
            self._note(message)
        elif isinstance(message, Command):
            return self._obey(message, now, phase)
        return None

    def take_online(self) -> list[tuple[int, int]]:
        """Learner and incarnation of those whose first policy has come into use since the last call."""
        online, self._online = self._online, []
        return online

    def status(self, now: float, phase: str) -> Status:
        """The run as it is now."""
        assert self._config.world.robots is not None
        return build_status(
            self.figures,
            self._table(),
            phase=phase,
            rounds=self._config.run.rounds,
            robots=self._config.world.robots,
            elapsed_s=now - self._began,
            eta_s=self._pace.eta_s(now, self._config.run.rounds),
        )

    def _note(self, message: Event) -> None:
        if message.name == DRAINING:
            self.draining = True
        learner, incarnation = message.details.get("learner"), message.details.get("incarnation")
        if message.name == ONLINE and isinstance(learner, int) and isinstance(incarnation, int):
            self._online.append((learner, incarnation))

    def _obey(self, command: Command, now: float, phase: str) -> Reply:
        if command.verb == "stop":
            self.stop_asked = True
            return Reply(self._run, True, "stopping", {})
        if command.verb == "status":
            status = self.status(now, phase)
            return Reply(self._run, True, status.phase, status.as_dict())
        return Reply(self._run, False, f"unknown command {command.verb!r}; allowed are {', '.join(_VERBS)}", {})
