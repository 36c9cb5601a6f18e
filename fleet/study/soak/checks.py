"""The invariants of a run, judged from outside: from its folder, and from which processes there are. Changes nothing.

Every check gives sentences about what is broken; an empty list is a run in which it holds.
"""

import json
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil

from fleet.core.checkpoint import CheckpointError, load_arrays
from fleet.core.config import Config
from fleet.core.errors import FleetError
from fleet.core.jsonl import read_jsonl
from fleet.core.ledger_file import audit
from fleet.core.rundir import RunDirectory
from fleet.core.snapshots import LearnerStore, SnapshotStore


def ledger_now(directory: RunDirectory) -> list[str]:
    """At any moment nothing is in the ledger twice, and everything is somewhere."""
    if not directory.ledger.exists():
        return []
    balance = audit(directory.ledger)
    broken = [f"ledger: {text}" for text in balance.violations]
    return broken + ([f"ledger: residual {balance.residual}"] if balance.residual else [])


def ledger_at_end(directory: RunDirectory) -> list[str]:
    """After a clean end nothing is in flight any more."""
    broken = ledger_now(directory)
    open_ = audit(directory.ledger).total.unresolved if directory.ledger.exists() else 0
    return broken + ([f"ledger: {open_} agent-steps still in flight after the end"] if open_ else [])


def checkpoints(directory: RunDirectory, learners: int) -> list[str]:
    """Every learner's newest checkpoint can be had (a damaged one has one before it), every whole snapshot loads."""
    broken = []
    for learner in range(learners):
        store = LearnerStore(directory.learner(learner))
        versions = store.versions()
        if versions and not any(_loads(store, version) for version in versions):
            broken.append(f"learner {learner} has checkpoints {versions}, and none loads")
    try:
        snapshot = SnapshotStore(directory.snapshots).get("newest")
        for file in snapshot.folder.glob("*.safetensors"):
            load_arrays(file)
    except FleetError as error:
        if any(directory.snapshots.glob("round-*/manifest.json")):
            broken.append(f"snapshot: {error}")
    return broken


def _loads(store: LearnerStore, version: int) -> bool:
    try:
        store.load(version)
    except CheckpointError:
        return False
    return True


def survivors(pids: Iterable[int]) -> list[int]:
    """Those of `pids` that still run."""
    alive = []
    for pid in pids:
        try:
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                alive.append(pid)
        except psutil.NoSuchProcess:
            continue
    return alive


def leftovers(directory: RunDirectory, sockets: Path | None) -> list[str]:
    """After the end there is no control.json, no half-written file, and no folder of sockets."""
    left = list(directory.path.rglob(".*.tmp"))
    left += [path for path in (directory.path / "control.json", sockets) if path is not None and path.exists()]
    return [f"left behind: {path}" for path in left]


def budget(events: Iterable[Mapping[str, Any]], config: Config) -> list[str]:
    """No process had more restarts within the window than it is allowed. Who was brought back by plan isn't counted."""
    allowed, window = config.control.restarts, config.control.restart_window_s
    at: dict[str, list[float]] = {}
    for event in events:
        if event["event"] == "restart" and not event.get("brought_back"):
            at.setdefault(event["process"], []).append(event["at"])
    return [
        f"{process} was restarted more than {allowed} times within {window:g} s"
        for process, times in at.items()
        if any(last - first <= window for first, last in zip(times, times[allowed:], strict=False))
    ]


def order(events: Iterable[Mapping[str, Any]]) -> list[str]:
    """In every line that tells them, inject <= suspect <= declare <= recover."""
    broken = []
    for event in events:
        told = [
            (name, event[name]) for name in ("inject", "suspect", "declare", "recover") if event.get(name) is not None
        ]
        for (before, first), (after, second) in pairwise(told):
            if first > second:
                broken.append(f"{event['process']}: {before} at {first} comes after {after} at {second}")
    return broken


def events_of(directory: RunDirectory) -> list[dict[str, Any]]:
    """The run's record so far; a line that is just being written is left out."""
    return read_jsonl(directory.events) if directory.events.exists() else []


def pids_of(directory: RunDirectory) -> dict[str, int]:
    """Who runs, as the supervisor says it."""
    try:
        return dict(json.loads((directory.path / "processes.json").read_text()))
    except (OSError, ValueError):
        return {}
