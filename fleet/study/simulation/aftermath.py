"""What the record of a simulated run must show, once it is over: every fault with its times, in order."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from fleet.control.care.child import Child

Line = tuple[float, str, str, Mapping[str, Any]]
"""Simulated seconds, event, process, details."""

MENDED_S = 12.0
"""Two reminders: within this time after its link is healed a learner has answered one."""
_MOMENTS = ("inject", "suspect", "declare", "recover")
_FATAL = ("kill", "raise", "crash_loop", "freeze", "zombie", "bad_checkpoint", "hang", "exit")


def out_of_order(events: Sequence[Line]) -> list[str]:
    """Faults whose times don't follow each other."""
    wrong = []
    for at, event, process, details in events:
        moments = [details[name] for name in _MOMENTS if name in details]
        if event in ("declare", "recover") and any(earlier > later for earlier, later in pairwise(moments)):
            wrong.append(f"{event} of {process} at {at:.3f} s has its times out of order: {dict(details)}")
    return wrong


def wrongly_given_up(events: Sequence[Line], calm_since: float) -> list[str]:
    """Learners restarted because they don't answer, long after their links have been healed: a reminder should do."""
    return [
        f"{process} was given up as unreachable at {at:.3f} s, though its link was healed at {calm_since:.3f} s"
        for at, event, process, _ in events
        if event == "unreachable" and 0 <= calm_since < at - MENDED_S
    ]


def missing(events: Sequence[Line], children: Mapping[str, Child]) -> list[str]:
    """What the record doesn't show yet of faults that ended a learner's process."""
    shown = {(event, details.get("number")) for _, event, _, details in events}
    left = {process for _, event, process, details in events if event == "inject" and details["kind"] == "leave"}
    absent = []
    for at, process, number in _deadly(events):
        child = children[process]
        if process in left:
            continue
        if ("declare", number) not in shown:
            absent.append(f"nobody declared what fault {number} did to {process} at {at:.3f} s")
        elif ("recover", number) not in shown and child.wanted and not child.held:
            absent.append(f"{process} doesn't recover in the record from fault {number} of {at:.3f} s")
    return absent


def _deadly(events: Sequence[Line]) -> Iterator[tuple[float, str, int]]:
    """Seconds, process and number of each fault that there was a living process for.

    A person's kill of one that was struck before, and is held for that, does nothing more to it.
    """
    alive: set[str] = set()
    struck: set[str] = set()
    for at, event, process, details in events:
        if event == "spawn":
            alive.add(process)
            struck.discard(process)
        elif event in ("exit", "set_aside"):
            alive.discard(process.partition("~")[0])
        elif event == "inject" and details["target"] == "robots" and details["kind"] in _FATAL and process in alive:
            if not (details.get("strike", {}).get("held") and process in struck):
                yield at, process, details["number"]
            struck.add(process)
