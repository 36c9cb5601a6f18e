"""Which checkpoints a run keeps: each learner's own (what a restarted learner comes back with) and the run's snapshots.

A run snapshot is one round's folder whose manifest was renamed into place last; a folder without one is none.
"""

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleet.core.checkpoint import CheckpointError, SaveError, load_arrays, save_arrays
from fleet.core.files import sweep_temporaries, sync_folder, write_atomic
from fleet.core.jsonl import plain
from fleet.core.spec import Array

_CHECKPOINT = re.compile(r"v([0-9]{8,})\.safetensors")
_ROUND = re.compile(r"round-([0-9]{8,})")
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Checkpoint:
    """A learner's state at `version`. `note` says which newer ones were passed over and why; empty if none were."""

    version: int
    path: Path
    arrays: dict[str, Array]
    meta: dict[str, Any]
    note: str = ""


class LearnerStore:
    """The newest `keep` checkpoints of one learner, `vNNNNNNNN.safetensors` each, in a folder of their own."""

    def __init__(self, folder: Path, keep: int = 2) -> None:
        """Look at `folder`, which need not exist yet. That changes nothing, so others may while the learner saves."""
        self.folder = folder
        self._keep = keep
        self._swept = False

    def path(self, version: int) -> Path:
        """Where that version's checkpoint is or would be."""
        return self.folder / f"v{version:08d}.safetensors"

    def versions(self) -> list[int]:
        """What is there, ascending."""
        if not self.folder.is_dir():
            return []
        found = (_CHECKPOINT.fullmatch(entry.name) for entry in self.folder.iterdir())
        return sorted(int(match[1]) for match in found if match)

    def save(
        self,
        version: int,
        arrays: Mapping[str, Array],
        meta: Mapping[str, Any],
        *,
        half: Callable[[], None] | None = None,
    ) -> Path:
        """Write one, then drop what is over the number kept. Raises CheckpointError, and then all is as it was.

        That is a SaveError if it is the disk that failed. `half` is called when half of it is written. Only for the
        learner itself: the first save sweeps what its earlier lives left half written.
        """
        path = self.path(version)
        self._sweep()
        save_arrays(path, arrays, meta, half=half)
        for old in self.versions()[: -self._keep]:
            self.path(old).unlink(missing_ok=True)
        return path

    def _sweep(self) -> None:
        if self._swept:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            sweep_temporaries(self.folder)
        except OSError as error:
            raise SaveError(f"{self.folder}: can't be made: {error.strerror}") from error
        self._swept = True

    def load(self, version: int) -> Checkpoint:
        """That one. Raises CheckpointError."""
        path = self.path(version)
        arrays, meta = load_arrays(path)
        return Checkpoint(version, path, arrays, meta)

    def newest(self) -> Checkpoint | None:
        """The newest that loads; None if there is none at all. Raises CheckpointError if there are some and none loads.

        A corrupt one is set aside as `last.corrupt`, to be looked at, so that it doesn't count as one of those kept.
        Not to be called while the learner lives.
        """
        passed_over = []
        for version in reversed(self.versions()):
            try:
                found = self.load(version)
            except CheckpointError as error:
                passed_over.append(str(error))
                self.path(version).replace(self.folder / "last.corrupt")
                continue
            note = f"went back to version {version}: {'; '.join(passed_over)}" if passed_over else ""
            return Checkpoint(version, found.path, found.arrays, found.meta, note)
        if passed_over:
            raise CheckpointError("; ".join(passed_over))
        return None

    def drop_after(self, version: int) -> None:
        """Remove what is newer than `version`: the run went back before it, so nobody may come back with it."""
        for newer in self.versions():
            if newer > version:
                self.path(newer).unlink()


@dataclass(frozen=True)
class Snapshot:
    """A committed run snapshot."""

    round: int
    folder: Path
    manifest: dict[str, Any]

    @property
    def score(self) -> float | None:
        """What its evaluation found, if it had one."""
        evaluation = self.manifest.get("evaluation")
        score = evaluation.get("score") if isinstance(evaluation, dict) else None
        return float(score) if isinstance(score, int | float) and abs(score) <= sys.float_info.max else None


class SnapshotStore:
    """The run's snapshots, a folder `round-NNNNNNNN` each: the newest `keep` of them and the best."""

    def __init__(self, folder: Path, keep: int = 2) -> None:
        """Look at `folder`, which need not exist yet."""
        self.folder = folder
        self._keep = keep
        self._begun: Path | None = None

    def begin(self, round_: int) -> Path:
        """An empty folder for the files of round `round_`. Raises CheckpointError if committed or impossible."""
        folder = self._path(round_)
        if (folder / MANIFEST).exists():
            raise CheckpointError(f"{folder}: is a snapshot already")
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        except OSError as error:
            raise CheckpointError(f"{folder}: can't be made: {error.strerror}") from error
        self._begun = folder
        return folder

    def commit(self, round_: int, manifest: Mapping[str, Any]) -> Snapshot:
        """Make round `round_`'s folder a snapshot; its manifest names its files and sizes. Raises CheckpointError."""
        folder = self._path(round_)
        files = {entry.name: entry.stat().st_size for entry in sorted(folder.iterdir())}
        full = plain({"round": round_, **manifest, "files": files})
        try:
            write_atomic(folder / MANIFEST, [json.dumps(full, indent=1).encode()])
            sync_folder(self.folder)
        except OSError as error:
            raise CheckpointError(f"{folder}: can't be committed: {error.strerror}") from error
        self._begun = None
        return Snapshot(round_, folder, full)

    def snapshots(self) -> list[Snapshot]:
        """All that are committed and whole, oldest first."""
        found = []
        for round_ in self._rounds():
            try:
                found.append(self._load(round_))
            except CheckpointError:
                continue
        return found

    def newest(self) -> Snapshot | None:
        """The one of the latest round."""
        return max(self.snapshots(), key=lambda snapshot: snapshot.round, default=None)

    def best(self) -> Snapshot | None:
        """The one whose manifest["evaluation"]["score"] is highest, the newest of equals; None without evaluations."""
        scored = [(found.score, found.round, found) for found in self.snapshots() if found.score is not None]
        return max(scored, key=lambda item: item[:2])[2] if scored else None

    def get(self, selector: str | int) -> Snapshot:
        """The snapshot "newest", "best" or of that round. Raises CheckpointError, listing what there is.

        Unlike `newest()` this doesn't pass over one that is damaged, but says what is wrong with it.
        """
        rounds, best = self._rounds(), self.best()
        if selector == "best" and best:
            return best
        if selector == "newest" and rounds:
            return self._load(rounds[-1])
        if str(selector).isdecimal() and int(selector) in rounds:
            return self._load(int(selector))
        there = f"there are rounds {', '.join(map(str, rounds))}" if rounds else "there are none"
        evaluated = f"best is {best.round}" if best else "none has been evaluated"
        raise CheckpointError(f"{self.folder}: no snapshot {selector!r}; {there}; {evaluated}")

    def prune(self) -> None:
        """Remove all but the newest `keep` and the best, and folders that never became snapshots."""
        whole = self.snapshots()
        best = self.best()
        kept = {snapshot.folder for snapshot in whole[-self._keep :]} | ({best.folder} if best else set())
        for folder in self._folders():
            if folder not in kept and folder != self._begun:
                _remove(folder)

    def drop_after(self, round_: int) -> None:
        """Remove the snapshots of later rounds: the run goes on from `round_`, so they are no part of it."""
        for later in self._rounds():
            if later > round_:
                _remove(self._path(later))

    def _path(self, round_: int) -> Path:
        return self.folder / f"round-{round_:08d}"

    def _folders(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return [entry for entry in self.folder.iterdir() if _ROUND.fullmatch(entry.name) and entry.is_dir()]

    def _rounds(self) -> list[int]:
        """Rounds whose folder has a manifest, ascending."""
        committed = (folder.name for folder in self._folders() if (folder / MANIFEST).exists())
        return sorted(int(name.removeprefix("round-")) for name in committed)

    def _load(self, round_: int) -> Snapshot:
        """Round `round_`'s, once its manifest is read and every file it names is there in its size."""
        folder = self._path(round_)
        try:
            manifest = json.loads((folder / MANIFEST).read_bytes())
            files = dict(manifest["files"])
            sizes = {name: _size(folder / name) for name in files}
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise CheckpointError(f"{folder / MANIFEST}: can't be used: {error!r:.200}") from error
        for name, size in files.items():
            if sizes[name] != size:
                raise CheckpointError(f"{folder / name}: missing or not of {size} bytes as its manifest says")
        return Snapshot(round_, folder, manifest)


def learner_file(learner: int) -> str:
    """The name of a learner's checkpoint inside a snapshot's folder."""
    return f"learner-{learner}.safetensors"


def link_into(snapshot: Path, file: Path, name: str) -> Path:
    """Have `file` as `name` in the snapshot's folder: a hard link, or a copy where links can't be made.

    Safe because a checkpoint is only ever replaced by rename, never written in place. Raises CheckpointError.
    """
    target = snapshot / name
    try:
        try:
            os.link(file, target, follow_symlinks=False)
        except OSError:
            write_atomic(target, [file.read_bytes()], 0o600)
    except OSError as error:
        raise CheckpointError(f"{file}: can't be put into {snapshot}: {error.strerror}") from error
    return target


def _size(file: Path) -> int | None:
    """Bytes of a file; None if it is none. Raises OSError if its name can't be one."""
    return file.stat().st_size if file.is_file() else None


def _remove(folder: Path) -> None:
    """Remove a snapshot so that a kill halfway leaves no snapshot, rather than half of one."""
    (folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
