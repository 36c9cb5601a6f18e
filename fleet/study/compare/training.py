"""A training that goes on where an earlier try stopped, be it in the middle or just before its figures were written."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fleet.control.status import Status
from fleet.core.config import Config
from fleet.core.config.compare import differences
from fleet.core.config.load import load_config
from fleet.core.errors import BadInput, FleetError
from fleet.core.jsonl import read_jsonl
from fleet.core.rundir import RunDirectory
from fleet.core.snapshots import SnapshotStore
from fleet.study.compare.curve import seconds
from fleet.study.run import Finished, resume, run


@dataclass(frozen=True)
class Training:
    """One that a result is made of: what is trained, and in which folder."""

    config: Config
    place: Path


def check_training(wanted: Training) -> None:
    """Raise BadInput if its folder holds a training of another config, whose figures it must not be given."""
    saved = wanted.place / "config.toml"
    different = differences(load_config(saved), wanted.config) if saved.exists() else []
    if different:
        said = "; ".join(f"{item.key} is {item.saved} there, {item.wanted} here" for item in different)
        raise BadInput(f"{wanted.place}: a training of another config: {said}; name another folder, or remove this one")


def seconds_kept(place: Path) -> float:
    """Wall time of the rounds in `place` that count: all if it was ended in order, else those it can go on from."""
    metrics = place / "metrics.jsonl"
    if not metrics.exists():
        return 0.0
    lines = read_jsonl(metrics)
    if (place / "summary.json").exists():
        return seconds(lines)
    newest = SnapshotStore(RunDirectory.open(place).snapshots).newest()
    return 0.0 if newest is None else seconds([line for line in lines if line["round"] <= newest.round])


def train(config: Config, place: Path, look: Callable[[Status], bool]) -> None:
    """Train `config` in the folder `place` to its end, or until `look` answers False; nothing if that is done already.

    Raises FleetError if the run fails, KeyboardInterrupt if a person breaks it off.
    """
    if _is_done(place):
        return
    enough = False

    def look_on(status: Status) -> bool:
        nonlocal enough
        enough = enough or not look(status)
        return not enough

    finished = _start_or_go_on(config, place, look_on)
    if finished.outcome.kind == "interrupted" and not enough:
        raise KeyboardInterrupt
    if finished.outcome.kind == "failed":
        raise FleetError(finished.outcome.reason)


def _is_done(place: Path) -> bool:
    summary = place / "summary.json"
    return summary.exists() and RunDirectory.open(place).read_json(summary.name)["outcome"] == "done"


def _start_or_go_on(config: Config, place: Path, look: Callable[[Status], bool]) -> Finished:
    if (place / "manifest.json").exists():  # written last of what makes it a run's folder
        directory = RunDirectory.open(place)
        newest = SnapshotStore(directory.snapshots).newest()
        left = newest is not None and newest.round < config.run.rounds and not config.world.is_foreign
        if directory.is_running() or left:
            return resume(place, config, on_status=look)
    if place.exists():
        # Broken off with nothing to go on from, or with no round left whose end would bring its figures.
        shutil.rmtree(place)
    return run(config, place, on_status=look)
