"""What the supervisor writes down: events.jsonl, processes.json and, at the end, summary.json of the run directory.

A disk that is full costs lines, and not the run: it goes on, and the summary says what is missing.
"""

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from fleet.control.care.child import Child, Fault
from fleet.core.errors import FleetError
from fleet.core.jsonl import BoundedJsonl
from fleet.core.rundir import RunDirectory

_AGAIN_S = 1.0


class RecordError(FleetError):
    """What a run has come to can't be written down."""


class Record:
    """The supervisor's own lines. In each event `at` is in seconds since the run began, `time` is the wall clock's."""

    def __init__(self, directory: RunDirectory) -> None:
        self._directory = directory
        self._events = BoundedJsonl(directory.events)
        self._began = time.monotonic()
        self._pids: Mapping[str, int] | None = None
        self._pids_due = 0.0
        self._missed: dict[str, dict[str, Any]] = {}
        self.counts: Counter[str] = Counter()
        """How many events of each name there have been."""

    def since(self, moment: float) -> float:
        """A monotonic time as seconds since the run began, to the microsecond."""
        return round(moment - self._began, 6)

    def event(self, name: str, process: str, **details: Any) -> None:
        """Write one line of events.jsonl; details that are None are left out."""
        known = {key: value for key, value in details.items() if value is not None}
        at = {"time": round(time.time(), 3), "at": self.since(time.monotonic())}
        self.counts[name] += 1
        try:
            self._events.append({**at, "event": name, "process": process, **known})
        except (OSError, FleetError) as error:
            self.missed(self._directory.events.name, error)

    def missed(self, file: str, error: Exception) -> None:
        """Something could not be written to `file`, and the run goes on without it: for the summary."""
        text = error.strerror if isinstance(error, OSError) else None
        self._missed.setdefault(file, {"times": 0, "error": text or str(error)})["times"] += 1

    def injured(self, child: Child) -> dict[str, Any]:
        """The number of the injury that a process suffers from and when it was done, or neither."""
        injury = child.injury
        return {} if injury is None else {"number": injury.number, "inject": self.since(injury.injected)}

    def times(self, fault: Fault, recover: float | None = None) -> dict[str, Any]:
        """A fault's cause and times for a line about it, and the number of the injury it came of."""
        moments = {"inject": fault.injected, "suspect": fault.suspect, "declare": fault.declare, "recover": recover}
        known = {name: self.since(moment) for name, moment in moments.items() if moment is not None}
        return {"cause": fault.cause, "number": fault.number, **known}

    def processes(self, pids: Mapping[str, int]) -> None:
        """Keep processes.json as it is now; what can't be written is tried again after a second, or at the next change.

        One that is stale until then names processes that are gone, or not yet those that came.
        """
        now = time.monotonic()
        if pids == self._pids and (self._pids_due == 0.0 or now < self._pids_due):
            return
        self._pids, self._pids_due = dict(pids), 0.0
        try:
            self._directory.update_processes(pids)
        except OSError as error:
            self._pids_due = now + _AGAIN_S
            self.missed("processes.json", error)

    def summary(self, value: Mapping[str, Any]) -> None:
        """Write summary.json, with how long the run took and what could not be written. Raises RecordError."""
        missed = {"not_written": self._missed} if self._missed else {}
        wall_s = round(time.monotonic() - self._began, 3)
        try:
            self._directory.write_json("summary.json", {**value, **missed, "wall_s": wall_s})
        except OSError as error:
            path = self._directory.path / "summary.json"
            raise RecordError(f"{path}: can't be written: {error.strerror}; the run: {value.get('reason')}") from error

    def close(self) -> None:
        """Let go of the files."""
        with suppress(OSError):
            self._events.close()
