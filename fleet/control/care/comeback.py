"""What a restarted learner comes back with: which of its checkpoints, once it is dead.

Reads and sweeps that learner's folder. It never comes back with what was counted lost: a checkpoint newer than the last
policy that the server accepted from it holds exactly that.
"""

from dataclasses import dataclass
from pathlib import Path

from fleet.control.care.child import Child
from fleet.core.checkpoint import CheckpointError
from fleet.core.snapshots import Checkpoint, LearnerStore


@dataclass(frozen=True)
class Comeback:
    """Its checkpoint, or None: as it came to life at first. `note`: what isn't as it should be; "" if all is."""

    path: Path | None
    note: str = ""


def choose(store: LearnerStore, child: Child) -> Comeback:
    """Damage what an injury says is to be damaged, remove what it may not come back with, and find the newest rest."""
    injury = child.injury
    if injury is not None and injury.damage is not None:
        _damage(store, injury.damage)
        injury.damage = None
    wanted = None if injury is None else injury.checkpoint
    found, notes = _named(store, wanted)
    if found is None:
        found, note = _newest(store, child)
        notes += note
    store.drop_after(-1 if found is None else found.version)  # a later death must not bring back what is undone now
    return Comeback(None if found is None else found.path, "; ".join(notes))


def _named(store: LearnerStore, version: int | None) -> tuple[Checkpoint | None, list[str]]:
    if version is None:
        return None, []
    try:
        return store.load(version), []
    except CheckpointError as error:
        return None, [f"version {version}, which the plan names, can't be had: {error}"]


def _newest(store: LearnerStore, child: Child) -> tuple[Checkpoint | None, list[str]]:
    """The newest that loads and holds nothing that was counted lost, as far as that is known."""
    incarnation, accepted = child.fenced
    if incarnation >= child.incarnation - 1:
        store.drop_after(max(accepted, child.accepted))
    try:
        found = store.newest()
    except CheckpointError as error:
        return None, [f"no checkpoint can be used: {error}"]
    return found, [found.note] if found is not None and found.note else []


def _damage(store: LearnerStore, how: str) -> None:
    """Cut the newest checkpoint in half ("truncate"), or "flip" a bit in the middle of it; nothing if there is none."""
    for version in store.versions()[-1:]:
        path = store.path(version)
        content = bytearray(path.read_bytes())
        middle = len(content) // 2
        if how == "truncate":
            del content[middle:]
        elif content:
            content[middle] ^= 1
        path.unlink()  # a snapshot may hold the same file by another name, and is not to be damaged with it
        path.touch(0o600)
        path.write_bytes(content)
