"""`--single-process`: the reference run, with the same display, interruption and summary as a supervised one."""

import os
import time
from collections.abc import Mapping
from dataclasses import replace

from fleet.control.care.record import Record
from fleet.control.ending import Outcome, summarize
from fleet.control.signals import Inbox
from fleet.control.status import Figure, OnStatus, Pace, Status, build_status
from fleet.core.config import Config
from fleet.core.ledger_file import resolve_outstanding
from fleet.core.platform import memory
from fleet.core.rundir import RunDirectory
from fleet.core.start import LearnerStart
from fleet.study.origin import Beginning
from fleet.study.reference import SingleProcess


def run_alone(
    directory: RunDirectory, config: Config, beginning: Beginning, on_status: OnStatus | None = None
) -> Outcome:
    """Train in this process; SIGINT and SIGTERM end it after the round they come in."""
    starts = {
        learner: LearnerStart(directory.run, str(directory.path), learner, 0, "", "", origin, checkpoint)
        for learner, (origin, checkpoint) in beginning.origins.items()
    }
    record = Record(directory)
    record.processes({"single_process": os.getpid()})
    outcome = Outcome("failed", "the run broke off")
    shown = _Shown(config, on_status)
    try:
        with Inbox() as inbox:
            shown.starting()
            reference = SingleProcess(directory, config, starts, beginning.snapshot, beginning.life)
            done = reference.run(lambda figures: shown.show(figures) and not inbox.take())
        outcome = Outcome("done", "all rounds done") if done else Outcome("interrupted", "asked to stop")
    finally:
        record.processes({})
        record.close()
        balance = resolve_outstanding(directory.ledger, outcome.loss)
        record.summary(summarize(outcome, shown.figures, [], balance))
    return outcome


class _Shown:
    """Hands each round's figures on as a `Status`."""

    def __init__(self, config: Config, on_status: OnStatus | None) -> None:
        assert config.world.robots is not None
        self.figures: Mapping[str, Figure] = {}
        self._rounds, self._robots, self._frozen = config.run.rounds, config.world.robots, config.learners.frozen
        self._on_status = on_status
        self._pace = Pace()
        self._began = time.monotonic()

    def starting(self) -> None:
        """Nothing has been done yet."""
        if self._on_status is not None:
            self._on_status(self._status(time.monotonic(), "starting"))

    def show(self, figures: Mapping[str, Figure]) -> bool:
        """Whether the run is to go on."""
        self.figures = dict(figures)
        now = time.monotonic()
        self._pace.at(now, int(figures["round"]))
        return self._on_status is None or self._on_status(self._status(now, "running")) is not False

    def _status(self, now: float, phase: str) -> Status:
        status = build_status(
            self.figures,
            (),
            phase=phase,
            rounds=self._rounds,
            robots=self._robots,
            elapsed_s=now - self._began,
            eta_s=self._pace.eta_s(now, self._rounds),
            frozen=self._frozen,
        )
        own = memory(os.getpid())
        return replace(status, memory_bytes=own.uss if own else 0)
