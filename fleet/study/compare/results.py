"""The folder of a comparison: what was asked for, and a file for each cell that is done.

`comparison.json` holds the terms that all cells share. More schemes, tasks and seeds may be asked for later; other
terms would make figures that can't stand in one table, and are refused.
"""

import json
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fleet.core.errors import BadInput, FleetError
from fleet.core.files import write_atomic
from fleet.core.jsonl import plain

TERMS = "comparison.json"
Found = dict[str, Any]


class Results:
    """The results in `folder`, which is made if it isn't there. Raises BadInput if it holds others'."""

    def __init__(self, folder: Path, terms: Mapping[str, Any]) -> None:
        self.folder = folder
        wanted = plain(terms)
        try:
            (folder / "cells").mkdir(parents=True, exist_ok=True)
            (folder / "runs").mkdir(exist_ok=True)
        except OSError as error:
            raise BadInput(f"--out {folder}: can't be made: {error.strerror}") from error
        if not (folder / TERMS).exists():
            self._write(folder / TERMS, wanted)
            return
        kept = _read(folder / TERMS)
        different = sorted(key for key in {*kept, *wanted} if kept.get(key) != wanted.get(key))
        if different:
            said = "; ".join(f"{key} is {kept.get(key)} there, {wanted.get(key)} here" for key in different)
            raise BadInput(f"--out {folder}: a comparison on other terms: {said}; name another folder")

    @property
    def runs(self) -> Path:
        """Where cells train."""
        return self.folder / "runs"

    def get(self, name: str, settings: str) -> Found | None:
        """The result of the cell `name`, or None if it has none; one that failed is to be tried again.

        Raises BadInput if it was got with other settings than `settings` (a config's text).
        """
        path = self._path(name)
        if not path.exists():
            return None
        found = _read(path)
        if found.get("settings") != settings:
            raise BadInput(f"{path}: got with other settings than these; name another folder, or remove the file")
        return found if found["status"] == "done" else None

    def keep(self, name: str, settings: str, make: Callable[[], Found]) -> Found:
        """Make the cell's result and write it down. What fails is written down as failed, and raises nothing.

        Not even a fault of our own does: it would be met again and again, and no cell after it ever be done.
        """
        try:
            found = {"status": "done", **make()}
        except FleetError as error:
            found = {"status": "failed", "error": str(error)}
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            found = {"status": "failed", "error": said, "traceback": traceback.format_exc()}
        kept: Found = plain({**found, "settings": settings}, digits=7)  # what is read again later
        self._write(self._path(name), kept)
        return kept

    def _path(self, name: str) -> Path:
        return self.folder / "cells" / f"{name}.json"

    def _write(self, path: Path, value: Any) -> None:
        try:
            write_atomic(path, [json.dumps(value, indent=1).encode(), b"\n"])
        except OSError as error:
            raise FleetError(f"{path}: can't be written: {error.strerror}") from error


def _read(path: Path) -> Found:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"{path}: can't be read: {error}") from None
    if not isinstance(found, dict):
        raise BadInput(f"{path}: got {type(found).__name__}, wanted an object")
    return found
