"""A training that goes on where an earlier try stopped, be it in the middle or just before its figures were written."""

import shutil
from collections.abc import Callable
from pathlib import Path

from fleet.control.status import Status
from fleet.core.config import Config
from fleet.core.errors import FleetError
from fleet.core.rundir import RunDirectory
from fleet.core.snapshots import SnapshotStore
from fleet.study.run import Finished, resume, run


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
    if place.exists():
        directory = RunDirectory.open(place)
        if directory.is_running() or SnapshotStore(directory.snapshots).newest() is not None:
            return resume(place, config, on_status=look)
        shutil.rmtree(place)  # broken off before it had anything to go on from
    return run(config, place, on_status=look)
