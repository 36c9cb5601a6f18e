"""Run snapshots: the world's state, links to the learners' checkpoints, the manifest last.

A learner writes its checkpoint before it publishes the policy of a round in which a snapshot is due, so in lockstep all
files are there when all policies are. In free pacing a snapshot links what each learner has.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from actors.errors import ActorError
from actors.policy import Policy
from env_server.collect import Collector
from env_server.errors import WorldError
from fleet.core.checkpoint import CheckpointError, load_arrays, save_arrays
from fleet.core.config import Config
from fleet.core.precision import Precision, rounded
from fleet.core.rundir import RunDirectory
from fleet.core.snapshots import LearnerStore, SnapshotStore, learner_file, link_into

log = logging.getLogger(__name__)

WORLD_FILE = "world.safetensors"


def take_snapshot(
    directory: RunDirectory,
    config: Config,
    done: int,
    collector: Collector,
    versions: Mapping[int, int],
    agent_steps: int,
    evaluation: Mapping[str, float],
) -> None:
    """Write the snapshot after `done` rounds. `versions`: the last accepted policy version of each learner.

    Of a foreign world it has the learners alone.
    """
    store = SnapshotStore(directory.snapshots, config.checkpoint.keep)
    folder = store.begin(done)
    linked = {str(k): _link_learner(directory, folder, k, version) for k, version in versions.items()}
    exact = config.run.pacing == "lockstep" and all(_is_exact(config, k, linked[str(k)], versions[k]) for k in versions)
    if config.world.is_foreign:
        exact = False
    else:
        save_arrays(folder / WORLD_FILE, collector.state(), {"round": done})
    manifest: dict[str, Any] = {"agent_steps": agent_steps, "versions": linked, "exact": exact}
    if evaluation:
        manifest["evaluation"] = {**evaluation, "score": evaluation[config.world.scored_by]}
    store.commit(done, manifest)
    store.prune()


def _is_exact(config: Config, learner: int, linked: int | None, version: int) -> bool:
    """Whether what was linked is that version of the learner's policy; of a frozen one, any is."""
    assert config.world.robots is not None
    return linked == version or (linked is not None and learner in config.frozen_learners(config.world.robots))


def _link_learner(directory: RunDirectory, folder: Path, learner: int, version: int) -> int | None:
    """Link learner k's checkpoint of `version`, or its newest; the version linked, None if it has none yet."""
    store = LearnerStore(directory.learner(learner))
    while versions := store.versions():
        chosen = version if version in versions else versions[-1]
        try:
            link_into(folder, store.path(chosen), learner_file(learner))
        except CheckpointError:
            if store.path(chosen).exists():
                raise
            continue  # a learner that isn't waited for has saved newer ones meanwhile, and dropped it
        return chosen
    return None


def restore_world(folder: Path, collector: Collector) -> tuple[int, int]:
    """Put `collector` where the snapshot in `folder` left it; the rounds and agent-steps done by then.

    Raises WorldError if the snapshot is of another world.
    """
    arrays, meta = load_arrays(folder / WORLD_FILE)
    try:
        collector.set_state(arrays)
    except KeyError as error:
        raise WorldError(f"{folder / WORLD_FILE}: no array {error}; not a snapshot of this world") from error
    manifest = SnapshotStore(folder.parent).get(int(meta["round"])).manifest
    return int(meta["round"]), int(manifest["agent_steps"])


def load_last(
    directory: RunDirectory,
    learners: Iterable[int],
    groups: Sequence[tuple[int, ...]],
    actors: Policy,
    precision: Precision,
) -> None:
    """Act for `learners`, who won't publish soon, with the newest checkpoint of each that can be used.

    A server that begins in the middle of a run has none of their policies, and their robots drive on with the last.
    """
    for learner in learners:
        store = LearnerStore(directory.learner(learner))
        for version in reversed(store.versions()):
            try:
                arrays = store.load(version).arrays
                weights = {name: arrays[name] for name in arrays if name in actors.names}
                actors.load(groups[learner], rounded(weights, precision))
                break
            except (CheckpointError, ActorError) as error:
                log.warning("learner %d's robots can't act with version %d: %s", learner, version, error)
