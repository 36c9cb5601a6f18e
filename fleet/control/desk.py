"""What comes in on the control link apart from heartbeats: the run's figures, and what a person asks.

`fleet status` and `fleet stop` are answered here; what breaks something is handed on to the drill.
"""

import time
from collections.abc import Callable, Mapping

from fleet.control.drill.drill import VERBS, Drill
from fleet.control.status import Figure, Pace, ProcessStatus, Status, build_status
from fleet.core.config import Config
from fleet.core.messages import Command, Event, Message, Progress, Reply

DRAINING = "draining"
"""The environment server's event before it tells the learners to stop: one that exits with 0 isn't missed then."""

_VERBS = ("status", "stop")


class Desk:
    """Keeps the last figures and answers commands; `table` gives the rows of the processes, `drill` breaks things.

    After each message see whether `stop_asked` and `draining` have changed.
    """

    def __init__(self, run: str, config: Config, table: Callable[[], list[ProcessStatus]], drill: Drill) -> None:
        self._run, self._config, self._table, self._drill = run, config, table, drill
        self.figures: Mapping[str, Figure] = {}
        self.stop_asked = False
        self.draining = False
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
            self.draining = self.draining or message.name == DRAINING
        elif isinstance(message, Command):
            return self._obey(message, now, phase)
        return None

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
            away=self._drill.away(),
            faults=self._drill.status(now),
            frozen=self._config.learners.frozen,
        )

    def _obey(self, command: Command, now: float, phase: str) -> Reply:
        if command.verb == "stop":
            self.stop_asked = True
            return Reply(self._run, True, "stopping", {})
        if command.verb == "status":
            status = self.status(now, phase)
            return Reply(self._run, True, status.phase, status.as_dict())
        if command.verb in VERBS:
            return self._drill.command(command.verb, command.arguments, now)
        allowed = ", ".join((*_VERBS, *VERBS))
        return Reply(self._run, False, f"unknown command {command.verb!r}; allowed are {allowed}", {})
