"""The stores keep the newest and the best, never count half a one, and fall back from a corrupt one and say so."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fleet.core.checkpoint import CheckpointError, load_arrays, save_arrays
from fleet.core.errors import BadInput
from fleet.core.snapshots import LearnerStore, SnapshotStore, link_into


def filled(folder: Path, versions: range, keep: int = 2) -> LearnerStore:
    store = LearnerStore(folder, keep)
    for version in versions:
        store.save(version, {"w": np.full(3, version)}, {"version": version})
    return store


def test_a_learner_store_keeps_the_newest(tmp_path: Path) -> None:
    store = filled(tmp_path / "learner-0", range(8, 13))
    assert store.versions() == [11, 12]
    newest = store.newest()
    assert newest is not None
    assert (newest.version, newest.meta, newest.note) == (12, {"version": 12}, "")
    assert newest.arrays["w"].tolist() == [12, 12, 12]
    assert newest.path.name == "v00000012.safetensors"
    assert LearnerStore(tmp_path / "new").newest() is None


def test_a_corrupt_newest_falls_back_and_says_so(tmp_path: Path) -> None:
    store = filled(tmp_path, range(1, 4))
    store.path(3).write_bytes(store.path(3).read_bytes()[:-1])
    found = store.newest()
    assert found is not None
    assert found.version == 2
    assert "went back to version 2" in found.note
    assert "v00000003" in found.note
    # The corrupt one doesn't take the place of a good one.
    store.save(4, {}, {})
    assert store.versions() == [2, 4]
    assert (tmp_path / "last.corrupt").exists()


def test_when_none_loads_each_is_named(tmp_path: Path) -> None:
    store = filled(tmp_path, range(1, 3))
    for version in (1, 2):
        store.path(version).write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"(?s)v00000002.*empty.*v00000001.*empty"):
        store.newest()


def test_a_named_version_is_loaded_or_refused(tmp_path: Path) -> None:
    store = filled(tmp_path, range(1, 3))
    assert store.load(1).meta == {"version": 1}
    with pytest.raises(CheckpointError, match="v00000009"):
        store.load(9)


def test_versions_after_the_one_gone_back_to_are_dropped(tmp_path: Path) -> None:
    store = filled(tmp_path, range(1, 6), keep=5)
    store.drop_after(3)
    assert store.versions() == [1, 2, 3]


def test_temporaries_are_swept_and_strangers_are_left(tmp_path: Path) -> None:
    (tmp_path / ".v00000001.safetensors.77-0123abcd.tmp").touch()
    (tmp_path / "notes.tmp").touch()
    (tmp_path / "v1.safetensors").touch()
    store = LearnerStore(tmp_path)
    assert store.versions() == []
    assert len(list(tmp_path.iterdir())) == 3  # looking sweeps nothing: the learner may be saving
    store.save(2, {}, {})
    assert {entry.name for entry in tmp_path.iterdir()} == {"notes.tmp", "v00000002.safetensors", "v1.safetensors"}


def commit(store: SnapshotStore, round_: int, score: float | None = None) -> None:
    folder = store.begin(round_)
    save_arrays(folder / "world.safetensors", {"round": np.array(round_)}, {})
    store.commit(round_, {} if score is None else {"evaluation": {"score": score}})


def test_snapshots_newest_and_best(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path / "snapshots", keep=2)
    assert store.newest() is store.best() is None
    for round_, score in [(20, 1.0), (40, 7.0), (60, None), (80, float("nan")), (100, 3.0)]:
        commit(store, round_, score)
    newest, best = store.newest(), store.best()
    assert newest is not None
    assert best is not None
    assert (newest.round, best.round, best.score) == (100, 40, 7.0)
    assert newest.manifest["files"].keys() == {"world.safetensors"}
    assert newest.folder.name == "round-00000100"
    store.prune()
    assert [snapshot.round for snapshot in store.snapshots()] == [40, 80, 100]
    assert len(list((tmp_path / "snapshots").iterdir())) == 3


def test_the_newest_of_equally_good_is_best(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path)
    for round_ in (1, 2, 3):
        commit(store, round_, 5.0 - (round_ == 3))
    best = store.best()
    assert best is not None
    assert best.round == 2


def test_a_folder_without_manifest_is_no_snapshot(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path)
    commit(store, 1)
    left = store.begin(2)
    (left / "half").touch()
    again = SnapshotStore(tmp_path)
    assert [snapshot.round for snapshot in again.snapshots()] == [1]
    assert list(again.begin(2).iterdir()) == []
    again.prune()  # not the one just begun
    assert left.is_dir()
    SnapshotStore(tmp_path).prune()
    assert not left.exists()


def test_a_round_is_committed_once(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path)
    commit(store, 1)
    with pytest.raises(CheckpointError, match="already"):
        store.begin(1)


def test_selecting_a_snapshot(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path)
    with pytest.raises(BadInput, match="no snapshot 'newest'; there are none"):
        store.get("newest")
    commit(store, 5)
    with pytest.raises(BadInput, match="no snapshot 'best'; there are rounds 5; none has been evaluated"):
        store.get("best")
    commit(store, 10, 1.0)
    assert [store.get(selector).round for selector in ("newest", "best", 5, "5", "00010")] == [10, 10, 5, 5, 10]
    for selector in (7, "../5", "-5", "", "round-00000005", "²"):
        with pytest.raises(BadInput, match="there are rounds 5, 10; best is 10"):
            store.get(selector)


@pytest.mark.parametrize("damage", ["shorter", "missing", "manifest", "list", "no files", "escape"])
def test_a_damaged_newest_is_named_when_asked_for_and_passed_over_otherwise(tmp_path: Path, damage: str) -> None:
    store = SnapshotStore(tmp_path)
    commit(store, 1)
    commit(store, 2)
    folder = tmp_path / "round-00000002"
    match damage:
        case "shorter":
            (folder / "world.safetensors").write_bytes(b"x")
        case "missing":
            (folder / "world.safetensors").unlink()
        case "manifest":
            (folder / "manifest.json").write_text("{")
        case "list":
            (folder / "manifest.json").write_text("[]")
        case "no files":
            (folder / "manifest.json").write_text("{}")
        case "escape":
            (folder / "manifest.json").write_text(json.dumps({"files": {"../round-00000001/manifest.json": 1}}))
    with pytest.raises(BadInput, match="round-00000002"):
        store.get("newest")
    newest = store.newest()
    assert newest is not None
    assert newest.round == 1


def test_a_removal_cut_short_leaves_no_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SnapshotStore(tmp_path, keep=1)
    for round_ in (1, 2):
        commit(store, round_)
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    store.prune()
    assert [entry.name for entry in (tmp_path / "round-00000001").iterdir()] == ["world.safetensors"]
    assert [snapshot.round for snapshot in store.snapshots()] == [2]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "snapshots").touch()
    with pytest.raises(CheckpointError, match="can't be made"):
        SnapshotStore(tmp_path / "snapshots").begin(1)


def test_later_rounds_are_dropped(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path)
    for round_ in (1, 2, 3):
        commit(store, round_)
    store.drop_after(1)
    assert [entry.name for entry in tmp_path.iterdir()] == ["round-00000001"]


def test_a_learners_file_is_linked_and_outlives_its_store(tmp_path: Path) -> None:
    learner = filled(tmp_path / "learner-3", range(1, 2))
    store = SnapshotStore(tmp_path / "snapshots")
    folder = store.begin(1)
    target = link_into(folder, learner.path(1), "learner-3.safetensors")
    assert target.stat().st_nlink == 2
    store.commit(1, {})
    for version in range(2, 5):
        learner.save(version, {}, {})
    assert load_arrays(target)[1] == {"version": 1}


def test_where_links_cannot_be_made_the_file_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = filled(tmp_path / "learner-3", range(1, 2))

    def across(*_: object, **__: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", across)
    target = link_into(tmp_path, learner.path(1), "copy")
    assert target.stat().st_nlink == 1
    assert load_arrays(target)[1] == {"version": 1}
    with pytest.raises(CheckpointError, match="No such file"):
        link_into(tmp_path, tmp_path / "none", "copy")


@pytest.mark.slow
def test_kills_leave_whole_snapshots_only(tmp_path: Path) -> None:
    script = Path(__file__).with_name("killing.py")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, str(script), "snapshot", str(tmp_path), "50"],
        capture_output=True, text=True, timeout=120, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["newest"] > 20
    store = SnapshotStore(tmp_path / "snapshots", keep=2)
    store.prune()
    assert len(list((tmp_path / "snapshots").iterdir())) in (2, 3)
