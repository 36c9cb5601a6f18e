"""A checkpoint comes back exactly, or is refused with what is wrong; a kill inside a save leaves a whole one."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from fleet.core.checkpoint import CheckpointError, expect, load_arrays, save_arrays
from fleet.core.errors import BadInput
from fleet.core.files import sweep_temporaries
from fleet.core.spec import Array

DTYPES = ["bool", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"]
META = {"version": 7, "generator": 2**127 + 1, "rate": 0.1, "name": 'sha256":"é', "deep": [1, {"a": None}]}


def some_arrays() -> dict[str, Array]:
    rng = np.random.default_rng(1)
    return {
        "actor.0.weight": rng.random((3, 4, 5)).astype(np.float32),
        "transposed": np.arange(6.0).reshape(2, 3).T,
        "strided": np.arange(10, dtype=np.int16)[::3],
        "scalar": np.array(3.5),
        "nothing": np.zeros((0, 4), np.uint8),
        **{f"all.{dtype}": np.array([0, 1, 1]).astype(dtype) for dtype in DTYPES},
    }


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "a.safetensors"
    save_arrays(path, some_arrays(), META)
    return path


def test_arrays_and_meta_come_back_exactly(saved: Path) -> None:
    arrays, meta = load_arrays(saved)
    assert meta == META
    assert arrays.keys() == some_arrays().keys()
    for name, wanted in some_arrays().items():
        assert arrays[name].dtype == wanted.dtype
        assert arrays[name].shape == wanted.shape
        assert arrays[name].tobytes() == wanted.tobytes()
        assert arrays[name].flags.writeable


def test_only_its_owner_reads_it_and_nothing_else_is_left(saved: Path) -> None:
    assert saved.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in saved.parent.iterdir()] == ["a.safetensors"]


def test_equal_content_gives_equal_bytes(saved: Path) -> None:
    other = saved.with_name("b.safetensors")
    for _ in range(5):
        save_arrays(other, dict(reversed(some_arrays().items())), META)
        assert other.read_bytes() == saved.read_bytes()


def test_safetensors_itself_reads_it(saved: Path) -> None:
    assert safetensors.numpy.load_file(saved).keys() == some_arrays().keys()


def test_any_flipped_bit_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_arrays(path, {"w": np.arange(8, dtype=np.float32)}, {"version": 1})
    whole = path.read_bytes()
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 1 << position % 8
        path.write_bytes(changed)
        with pytest.raises(CheckpointError, match=r"a\.safetensors"):
            load_arrays(path)


def test_any_truncation_or_trailing_byte_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_arrays(path, {"w": np.arange(8, dtype=np.float32)}, {})
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"a\.safetensors"):
            load_arrays(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(CheckpointError, match="sha256"):
        load_arrays(path)


class Trap:
    """Unpickled, it would leave a file behind."""

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, ("trapped", "w")


def nested(depth: int) -> bytes:
    return (8 + depth).to_bytes(8, "little") + b"[" * depth


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (pickle.dumps(Trap()), "pickle"),
        (b"PK\3\4" + bytes(200), "pickle"),
        (b"\xff" * 200, "claims a header"),
        ((2**40).to_bytes(8, "little") + b"{" * 200, "claims a header"),
        ((300).to_bytes(8, "little") + b"[" * 400, "no JSON"),
        (nested(100_000), "claims a header"),
        ((100_000).to_bytes(8, "little") + b"[" * 100_000, "no JSON"),
        (safetensors.numpy.save({"w": np.zeros(100)}, {"fleet": "x" * 100}), "not a checkpoint of this project"),
        (safetensors.numpy.save({"w" * 200: np.zeros(100)}), "not a checkpoint of this project"),
    ],
)
def test_what_is_no_checkpoint_is_refused(
    tmp_path: Path, content: bytes, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=said) as caught:
        load_arrays(path)
    assert str(path) in str(caught.value)
    assert not (tmp_path / "trapped").exists()


def test_symlinks_folders_pipes_and_missing_files_are_refused(saved: Path) -> None:
    link, pipe = saved.with_name("link"), saved.with_name("pipe")
    link.symlink_to(saved)
    os.mkfifo(pipe)
    for path, said in [(link, "symlink"), (pipe, "regular file"), (saved.parent, "regular"), (saved / "x", "opened")]:
        with pytest.raises(CheckpointError, match=said):
            load_arrays(path)


def test_saving_over_a_symlink_replaces_the_link_and_not_its_target(saved: Path) -> None:
    target, link = saved.with_name("target"), saved.with_name("link")
    target.write_text("precious")
    link.symlink_to(target)
    save_arrays(link, {}, {})
    assert target.read_text() == "precious"
    assert load_arrays(link) == ({}, {})


@pytest.mark.parametrize(
    ("arrays", "meta"),
    [
        ({"w": np.array([object()])}, {}),
        ({"w": np.array(["text"])}, {}),
        ({"w": np.zeros(2, ">f4")}, {}),
        ({"w": np.zeros(2, complex)}, {}),
        ({"w": np.zeros(2, [("a", "f4")])}, {}),
        ({}, {"rate": float("nan")}),
        ({}, {"thing": object()}),
    ],
)
def test_what_cannot_be_kept_is_refused_and_the_old_file_stays(saved: Path, arrays, meta) -> None:
    before = saved.read_bytes()
    with pytest.raises(CheckpointError, match=r"a\.safetensors"):
        save_arrays(saved, arrays, meta)
    assert saved.read_bytes() == before


def test_a_folder_that_is_not_there_or_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckpointError, match="No such file"):
        save_arrays(tmp_path / "none" / "a.safetensors", {}, {})
    save_arrays(tmp_path / "a.safetensors", {}, {"version": 1})

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(CheckpointError, match="No space left"):
        save_arrays(tmp_path / "a.safetensors", {}, {"version": 2})
    assert load_arrays(tmp_path / "a.safetensors")[1] == {"version": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.safetensors"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"w": None}, "lacks w"),
        ({"x": np.zeros(1)}, "has unexpected x"),
        ({"w": None, "W": np.zeros((2, 3), np.float32)}, "lacks w and has unexpected W"),
        ({"w": np.zeros((3, 2), np.float32)}, r"w is float32 \(3, 2\), but float32 \(2, 3\)"),
        ({"w": np.zeros((2, 3), np.float64)}, r"w is float64 \(2, 3\)"),
    ],
)
def test_other_tensors_than_expected_are_named(changes: dict[str, Array | None], said: str) -> None:
    like = {"w": np.zeros((2, 3), np.float32), "b": np.zeros(3, np.float32)}
    expect(dict(like), like, "here")
    got = {name: array for name, array in (like | changes).items() if array is not None}
    with pytest.raises(CheckpointError, match=f"^here: {said}"):
        expect(got, like, "here")


@pytest.mark.slow
def test_200_kills_inside_a_save_leave_only_whole_checkpoints(tmp_path: Path) -> None:
    script = Path(__file__).with_name("killing.py")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, str(script), "checkpoint", str(tmp_path / "learner-0"), "200"],
        capture_output=True, text=True, timeout=120, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    counted = json.loads(done.stdout)
    assert counted["loaded"] >= 200
    # Kills between writing and renaming did happen, or this test shows nothing; the store swept what they left.
    assert counted["temporaries"] > 0
    sweep_temporaries(tmp_path / "learner-0")
    assert len(list((tmp_path / "learner-0").iterdir())) in (2, 3)
