"""The snapshots that the environment server takes, in the middle of what the learners do."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from actors.stacked import StackedPolicy
from env_server import snapshot
from env_server.collect import Collector
from env_server.snapshot import load_last, restore_world, take_snapshot
from env_server.worlds import make_world
from fleet.core.checkpoint import CheckpointError
from fleet.core.config import Config
from fleet.core.config.write import to_toml
from fleet.core.precision import Precision, rounded
from fleet.core.rundir import RunDirectory
from fleet.core.snapshots import LearnerStore, SnapshotStore, link_into

TABLES = {
    "run": {"pacing": "free"},
    "world": {"layout": "x.x.g\n.....", "robots": 1, "worlds": 2},
    "network": {"hidden": [4]},
}
CONFIG = Config.model_validate(TABLES)


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    with RunDirectory.create(tmp_path / "run", to_toml(CONFIG), []) as made:
        return made


@pytest.fixture
def collector() -> Collector:
    world = make_world(CONFIG.world)
    made = Collector(world, StackedPolicy(world.spec, CONFIG.network), seed=1, steps=4)
    made.reset()
    return made


def save(store: LearnerStore, *versions: int) -> None:
    for version in versions:
        store.save(version, {"w": np.zeros(1, np.float32)}, {"version": version})


def test_a_checkpoint_that_its_learner_drops_just_then_is_no_failure(
    directory: RunDirectory, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LearnerStore(directory.learner(0))
    save(store, 1, 2)

    def slow_link(folder: Path, file: Path, name: str) -> Path:
        if file == store.path(1):
            save(store, 3)
        return link_into(folder, file, name)

    monkeypatch.setattr(snapshot, "link_into", slow_link)
    take_snapshot(directory, CONFIG, 20, collector, {0: 1}, 160, {})
    found = SnapshotStore(directory.snapshots).get(20)
    assert found.manifest["versions"] == {"0": 3}
    assert not found.manifest["exact"]
    assert restore_world(found.folder, collector) == (20, 160)


def test_a_checkpoint_that_cannot_be_linked_for_another_reason_is_one(
    directory: RunDirectory, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(LearnerStore(directory.learner(0)), 1)

    def full(folder: Path, file: Path, name: str) -> Path:
        raise CheckpointError("no space")

    monkeypatch.setattr(snapshot, "link_into", full)
    with pytest.raises(CheckpointError, match="no space"):
        take_snapshot(directory, CONFIG, 20, collector, {0: 1}, 160, {})


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_robots_of_a_silent_pack_act_with_their_own_part_of_its_last_checkpoint(
    directory: RunDirectory, precision: Precision
) -> None:
    spec = replace(make_world(CONFIG.world).spec, robots=3)
    made, wanted = (StackedPolicy(spec, CONFIG.network) for _ in range(2))
    rng = np.random.default_rng(0)
    seen = spec.observation_size
    shapes: dict[str, tuple[int, ...]] = {"actor.0.weight": (seen, 4), "actor.0.bias": (4,), "obs.mean": (seen,)}
    shapes |= {"actor.1.weight": (4, spec.actions), "actor.1.bias": (spec.actions,), "obs.scale": (seen,)}
    arrays = {name: rng.normal(size=(2, *shape)).astype(np.float32) for name, shape in shapes.items()}
    LearnerStore(directory.learner(0)).save(1, {**arrays, "adam.m": np.zeros((2, 9), np.float32)}, {"version": 1})
    load_last(directory, [0], ((0, 1), (2,)), made, precision)
    for robot in (0, 1):
        wanted.load([robot], rounded({name: array[robot] for name, array in arrays.items()}, precision))
    obs, drawn = rng.normal(size=(3, 2, seen)), rng.random((3, 2))
    np.testing.assert_array_equal(made.act(obs, drawn)[1], wanted.act(obs, drawn)[1])
