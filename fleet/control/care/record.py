"""What the supervisor writes down: events.jsonl, processes.json and, at the end, summary.json of the run directory."""

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from fleet.control.care.child import Child, Fault
from fleet.core.jsonl import BoundedJsonl
from fleet.core.rundir import RunDirectory


class Record:
    """The supervisor's own lines. In each event `at` is in seconds since the run began, `time` is the wall clock's."""

    def __init__(self, directory: RunDirectory) -> None:
        self._directory = directory
        self._events = BoundedJsonl(directory.events)
        self._began = time.monotonic()
        self._pids: Mapping[str, int] | None = None
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
        self._events.append({**at, "event": name, "process": process, **known})

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
        """Keep processes.json as it is now."""
        if pids != self._pids:
            self._directory.update_processes(pids)
            self._pids = dict(pids)

    def summary(self, value: Mapping[str, Any]) -> None:
        """Write summary.json, with how long the run took."""
        self._directory.write_json("summary.json", {**value, "wall_s": round(time.monotonic() - self._began, 3)})

    def close(self) -> None:
        """Let go of the files."""
        self._events.close()
