"""A soak's faults by kind, from the records of its runs: how many, how many mended, what was lost, how long. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

_LEAST_S = 60.0


@dataclass
class Tally:
    """One kind's. Times are the worst, in seconds from the strike; None where none was seen."""

    struck: int = 0
    missed: int = 0
    """Had nobody to strike: its robot was away by another fault."""
    mended: int = 0
    given_up: int = 0
    """Its robot was over its restart budget and stays out, as it should."""
    lost: int = 0
    """Agent-steps."""
    suspect_s: float | None = None
    declare_s: float | None = None
    recover_s: float | None = None


class _Session:
    """One supervisor's part of the record: strikes are numbered anew in each."""

    def __init__(self, into: dict[str, Tally]) -> None:
        self._into = into
        self._kinds: dict[int, str] = {}
        self._seen: set[tuple[int, str]] = set()
        self._lives: dict[tuple[str, int], int] = {}

    def take(self, event: Mapping[str, Any]) -> None:
        """Count one event."""
        number, name = event.get("number"), event["event"]
        if name == "missed":
            self._into.setdefault(_named(event), Tally()).missed += 1
        elif name == "inject" and number not in self._kinds:
            self._kinds[event["number"]] = _named(event)
            self._into.setdefault(_named(event), Tally()).struck += 1
        elif number in self._kinds:
            self._follow(event, event["number"])
        elif name == "fenced":
            self._lost(event["details"])

    def _follow(self, event: Mapping[str, Any], number: int) -> None:
        counted = self._into[self._kinds[number]]
        if "incarnation" in event:
            self._lives[event["process"], event["incarnation"]] = number
        for step in ("suspect", "declare", "recover"):
            # of a fault that ends several lives in a row, the first is what was struck
            if event.get("inject") is not None and event.get(step) is not None and self._first(number, step):
                worst = getattr(counted, f"{step}_s") or 0.0
                setattr(counted, f"{step}_s", max(worst, event[step] - event["inject"]))
        if event["event"] in ("recover", "mended") and self._first(number, "mended"):
            counted.mended += 1
        elif event["event"] == "failed":
            counted.given_up += 1

    def _lost(self, details: Mapping[str, Any]) -> None:
        number = self._lives.get((f"learner-{details['learner']}", details["incarnation"]))
        if number is not None:
            self._into[self._kinds[number]].lost += int(details["lost"])

    def _first(self, number: int, what: str) -> bool:
        before = len(self._seen)
        self._seen.add((number, what))
        return len(self._seen) > before


def tally(events: Iterable[Mapping[str, Any]], into: dict[str, Tally]) -> dict[str, Tally]:
    """Add one run's record to `into`, by kind; a process of the run is named in it, as in "kill env_server"."""
    session = _Session(into)
    for event in events:
        if event["event"] == "start":
            session = _Session(into)
        session.take(event)
    return into


def _named(event: Mapping[str, Any]) -> str:
    target = event.get("target", "robots")
    return str(event["kind"]) if target == "robots" else f"{event['kind']} {target}"


def slope(samples: Iterable[tuple[float, int]], skip_s: float = 40.0) -> float | None:
    """Bytes per second that one process's memory grows by: the median slope between any two samples (Theil-Sen).

    `samples` are seconds and bytes. The first `skip_s` of its life don't count: buffers fill then. None unless there is
    a minute more, since of many short lives the steepest is always steep.
    """
    given = list(samples)
    kept = [(at, size) for at, size in given if at >= given[0][0] + skip_s]
    if len(kept) < 2 or kept[-1][0] - kept[0][0] < _LEAST_S:
        return None
    at, size = (np.array(column, float) for column in zip(*kept, strict=True))
    first, second = np.triu_indices(len(kept), k=1)
    return float(np.median((size[second] - size[first]) / (at[second] - at[first])))
