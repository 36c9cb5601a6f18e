"""Where a run begins: afresh, from its own newest snapshot, or from the policies of another run.

Reads snapshots; for a resumed run it also takes back, in the run directory, all that came after the snapshot.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from env_server.worlds import survey
from fleet.core.checkpoint import CheckpointError, load_arrays, save_arrays
from fleet.core.config import Config
from fleet.core.config.compare import differences
from fleet.core.config.load import load_config
from fleet.core.errors import BadInput
from fleet.core.files import write_atomic
from fleet.core.jsonl import read_jsonl
from fleet.core.ledger_file import Ledger, resolve_outstanding
from fleet.core.rundir import RunDirectory
from fleet.core.snapshots import LearnerStore, Snapshot, SnapshotStore, learner_file
from fleet.core.spec import Array
from fleet.core.start import Origin

_NETWORK = ("network.hidden", "network.activation", "network.share_trunk")

_CENTRAL = (
    *("mapping", "learner.algorithm", "learner.actors", "learner.advantage", "world.robots"),
    *("network.critic_hidden", "network.observation_scaling"),
)
"""What centralized learners have in common when one starts from another; and what `_NETWORK` has."""


class Teacher(NamedTuple):
    """A policy of another run: all of a checkpoint's `file`, or of packed learners' what is in that `place` of it."""

    file: Path
    place: int | None


@dataclass(frozen=True)
class Beginning:
    """How each learner comes to life (those not named: fresh), the world's snapshot, and the server's life.

    `teachers`: of learners whose checkpoint has yet to be put together (`hand_over`), one policy per place in it; a
    learner that isn't packed has one.
    """

    origins: Mapping[int, tuple[Origin, str | None]] = field(default_factory=dict)
    snapshot: Path | None = None
    life: int = 0
    teachers: Mapping[int, Sequence[Teacher]] = field(default_factory=dict)


def newest_snapshot(directory: RunDirectory) -> Snapshot:
    """The snapshot that a run goes on from. Raises BadInput if there is none, or if it or a file of it is damaged."""
    found = SnapshotStore(directory.snapshots).get("newest")
    for name in found.manifest["files"]:
        if name.endswith(".safetensors"):
            load_arrays(found.folder / name)
    return found


def from_other_run(source: Path, config: Config) -> Beginning:
    """Each robot starts from the policies in the newest snapshot of the run in `source`.

    A robot takes over from the same robot there, counted round where that fleet is smaller; robots that share weights
    from their first one's. A centralized learner takes over all of another such. Raises BadInput if there is no
    snapshot, or if its networks aren't of this run's shape.
    """
    directory = RunDirectory.open(source)
    snapshot = newest_snapshot(directory)
    theirs = load_config(directory.config)
    assert theirs.world.robots is not None
    assert config.world.robots is not None
    if config.central or theirs.central:
        return _from_central(snapshot.folder / learner_file(0), theirs, config)
    known = {
        robot: Teacher(snapshot.folder / learner_file(learner), place if theirs.packed else None)
        for learner, robots in enumerate(theirs.groups(theirs.world.robots))
        for place, robot in enumerate(robots)
    }
    teachers: dict[int, list[Teacher]] = {}
    for learner, robots in enumerate(config.groups(config.world.robots)):
        alone = robots if config.packed else robots[:1]
        teachers[learner] = [known[robot % theirs.world.robots] for robot in alone]
        for file, _ in teachers[learner]:
            if not file.exists():
                raise CheckpointError(f"{file}: missing; learner {learner} has no policy to start from")
    # one for all: the learners of a run have networks of one shape
    _check_networks(file, theirs, config)
    if config.packed or theirs.packed:
        return Beginning(teachers=teachers)
    return Beginning({learner: ("init", str(teacher.file)) for learner, (teacher,) in teachers.items()})


def _from_central(file: Path, theirs: Config, ours: Config) -> Beginning:
    """The beginning of a centralized learner from the one that left `file`. Raises BadInput unless it is alike."""
    for item in differences(theirs, ours):
        if item.key in _CENTRAL:
            raise BadInput(
                f"{file}: its {item.key} is {item.saved}, this run's {item.wanted}; allowed is only the same where one "
                "is centralized, since such a learner is taken over whole"
            )
    if not file.exists():
        raise CheckpointError(f"{file}: missing; learner 0 has no policy to start from")
    _check_networks(file, theirs, ours)
    return Beginning({0: ("init", str(file))})


def hand_over(beginning: Beginning, config: Config, directory: RunDirectory) -> Beginning:
    """The same with the checkpoints that learners start from written into the run's folder.

    Raises CheckpointError if the disk doesn't take one.
    """
    origins = dict(beginning.origins)
    files: dict[Path, dict[str, Array]] = {}
    for learner, teachers in beginning.teachers.items():
        named = dict.fromkeys(file for file, _ in teachers)
        files = {file: files[file] if file in files else _networks(file) for file in named}
        places = [_place(files[file], place) for file, place in teachers]
        arrays = {name: np.stack([one[name] for one in places]) for name in places[0]} if config.packed else places[0]
        target = directory.inherited / learner_file(learner)
        target.parent.mkdir(exist_ok=True)
        save_arrays(target, arrays, {})
        origins[learner] = ("init", str(target))
    return replace(beginning, origins=origins, teachers={})


def _networks(file: Path) -> dict[str, Array]:
    """What a start from other policies reads of a checkpoint: all but the optimizer's and the memory."""
    return {name: array for name, array in load_arrays(file)[0].items() if not name.startswith(("adam.", "replay."))}


def _place(arrays: Mapping[str, Array], place: int | None) -> Mapping[str, Array]:
    return arrays if place is None else {name: array[place] for name, array in arrays.items()}


def _check_networks(file: Path, theirs: Config, ours: Config) -> None:
    """Raise BadInput unless the policy in `file`, learned under `theirs`, can go on under `ours`."""
    for item in differences(theirs, ours):
        if item.key in _NETWORK:
            raise BadInput(
                f"{file}: its {item.key} is {item.saved}, this run's {item.wanted}; allowed is only the same"
            )
    scaling = theirs.network.observation_scaling
    if ours.network.observation_scaling == "running" and scaling != "running":
        raise BadInput(
            f'{file}: its network.observation_scaling is "{scaling}", so it has no running statistics to start from; '
            'allowed here are "none" and "range"'
        )
    arrays = load_arrays(file)[0]
    # a joint policy's inputs are not what one robot sees, but its checkpoint has the scaling of that
    seen = arrays["obs.mean"].shape[-1] if "obs.mean" in arrays else arrays["actor.0.weight"].shape[-2]
    wanted, world = survey(ours.world).observation_size, theirs.world
    if seen != wanted:
        settings = ("sensor_range", "window", "way", "dispatch", "kind")
        said = ", ".join(f"world.{name} = {getattr(world, name)}" for name in settings)
        raise BadInput(
            f"{file}: it sees {seen} numbers ({said}), the robots of this run see {wanted}; allowed is only the same"
        )


def from_own_snapshot(directory: RunDirectory, snapshot: Snapshot) -> Beginning:
    """Go back to `snapshot` in a run whose lock the caller holds: what came later is taken back and accounted for."""
    versions = {int(learner): version for learner, version in snapshot.manifest["versions"].items()}
    resolve_outstanding(directory.ledger, "server_died")
    ledger = Ledger(directory.ledger)
    for learner, version in versions.items():
        after = -1 if version is None else version
        ledger.undone(learner, after)
        LearnerStore(directory.learner(learner)).drop_after(after)
    last = ledger.last_life()
    ledger.close()
    SnapshotStore(directory.snapshots).drop_after(snapshot.round)
    _drop_later_rounds(directory.metrics, snapshot.round)
    origins: dict[int, tuple[Origin, str | None]] = {
        learner: ("resume", str(snapshot.folder / learner_file(learner)))
        for learner, version in versions.items()
        if version is not None
    }
    return Beginning(origins, snapshot.folder, directory.next_life(last))


def check_rounds_left(directory: RunDirectory, snapshot: Snapshot, rounds: int) -> None:
    """Raise BadInput if the snapshot has all the rounds asked for."""
    if snapshot.round >= rounds:
        raise BadInput(
            f"{directory.path} has done {snapshot.round} rounds and run.rounds = {rounds}; ask for more with --rounds"
        )


def _drop_later_rounds(metrics: Path, round_: int) -> None:
    if metrics.exists():
        kept = [line for line in read_jsonl(metrics) if line.get("round", 0) <= round_]
        write_atomic(metrics, [json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in kept])
