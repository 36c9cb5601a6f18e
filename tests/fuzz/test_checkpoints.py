"""Checkpoints from anyone: load_arrays gives what was saved or raises CheckpointError, whatever the file holds."""

import contextlib
import hashlib
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fleet.core.checkpoint import CheckpointError, expect, load_arrays, save_arrays
from fleet.core.snapshots import LearnerStore, SnapshotStore
from tests.fuzz.profile import quick
from tests.fuzz.samples import JUNK as ALL_JUNK

JUNK = [junk for junk in ALL_JUNK if not isinstance(junk, bytes)]

ARRAYS = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros(3, np.float64), "n": np.array(7, np.int64)}
META = {"version": 3, "nested": {"a": [1, None]}}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("c") / "v00000003.safetensors"


@pytest.fixture(scope="module")
def whole(path: Path) -> bytes:
    save_arrays(path, ARRAYS, META)
    return path.read_bytes()


def refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        load_arrays(path)
    assert str(path) in str(caught.value)


def loads_or_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        arrays, meta = load_arrays(path)
    except CheckpointError:
        return
    assert all(type(array) is np.ndarray and array.flags.writeable for array in arrays.values())
    assert type(meta) is dict


def with_header(whole: bytes, change: Callable[[dict[str, Any]], object], body: bytes | None = None) -> bytes:
    """With another header and the right hash: as somebody would write it who knows the format."""
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    kept = json.loads(header["__metadata__"]["fleet"])
    header["__metadata__"]["fleet"] = kept
    change(header)
    kept = header["__metadata__"].get("fleet")
    if isinstance(kept, dict):
        header["__metadata__"]["fleet"] = json.dumps({**kept, "sha256": "0" * 64}, separators=(",", ":"))
    text = json.dumps(header, separators=(",", ":")).encode()
    return hashed(len(text).to_bytes(8, "little") + text + (whole[8 + length :] if body is None else body))


def hashed(content: bytes) -> bytes:
    at = content.find(b"0" * 64)
    if at < 0:
        return content
    return content[:at] + hashlib.sha256(content).hexdigest().encode() + content[at + 64 :]


def unhashed(whole: bytes) -> bytes:
    at = whole.index(b'sha256\\":\\"') + len(b'sha256\\":\\"')
    return whole[:at] + b"0" * 64 + whole[at + 64 :]


@quick
@given(st.integers(0, 2**32))
def test_a_changed_byte_is_always_found(path: Path, whole: bytes, seed: int) -> None:
    """Broken by hashing the arrays' bytes alone: a changed name or shape then goes unseen."""
    random = Random(seed)
    changed = bytearray(whole)
    for _ in range(random.randrange(1, 4)):
        at = random.randrange(len(whole))
        changed[at] ^= 1 << random.randrange(8)
    if bytes(changed) != whole:
        refused(path, bytes(changed))


@quick
@given(st.integers(0, 2**32))
def test_a_cut_swapped_or_lengthened_file_is_always_found(path: Path, whole: bytes, seed: int) -> None:
    """Broken by leaving the ValueError out around the header's JSON: what is cut inside it then is json's own error."""
    random = Random(seed)
    a, b = sorted(random.randrange(len(whole) + 1) for _ in range(2))
    ways = [whole[:a], whole[a:], whole[:a] + whole[b:], whole + whole[a:b] or b"x", whole[a:] + whole[:a], whole * 2]
    content = random.choice(ways)
    if content != whole:
        refused(path, content)


@quick
@given(st.binary(max_size=400))
@example(b"")
@example(b"\0" * 8)
@example(b"\xff" * 8)
@example((2**63).to_bytes(8, "little") + b"{}")
@example(pickle.dumps({"w": 1}, 2))
@example(pickle.dumps({"w": 1}, 5))
@example(b"PK\3\4" + bytes(100))
@example((16 * 2**20 + 1).to_bytes(8, "little") + b"{" * 100)
def test_any_bytes(path: Path, content: bytes) -> None:
    refused(path, content)


@quick
@given(st.integers(0, 2**32))
def test_a_changed_file_with_the_right_hash(path: Path, whole: bytes, seed: int) -> None:
    """Broken by catching only SafetensorError around the load: what the header says then escapes as a KeyError."""
    random = Random(seed)
    changed = bytearray(unhashed(whole))
    for _ in range(random.randrange(1, 4)):
        at = random.randrange(8, len(changed))
        changed[at] = random.choice(b'0123456789{}[]",:abF\\\xff\0') if random.random() < 0.8 else random.randrange(256)
    loads_or_is_refused(path, hashed(bytes(changed)))


def entry(name: str, **change: Any) -> Callable[[dict[str, Any]], object]:
    return lambda header: header[name].update(change)


def kept(**change: Any) -> Callable[[dict[str, Any]], object]:
    return lambda header: header["__metadata__"]["fleet"].update(change)


HEADERS: dict[str, Callable[[dict[str, Any]], object]] = {
    "an object array": entry("w", dtype="O"),
    "a dtype of no name": entry("w", dtype="F999"),
    "bfloat16": entry("w", dtype="BF16", shape=[4, 3]),
    "float8": entry("w", dtype="F8_E4M3", shape=[8, 3]),
    "a swapped shape that doesn't fit": entry("w", shape=[2, 4]),
    "a negative shape": entry("w", shape=[-2, -3]),
    "an overflowing shape": entry("w", shape=[2**62, 4]),
    "a shape that is text": entry("w", shape="23"),
    "offsets beyond the file": entry("w", data_offsets=[0, 10**9]),
    "offsets backwards": entry("w", data_offsets=[24, 0]),
    "offsets that overlap": entry("w", data_offsets=[8, 32]),
    "no offsets": lambda header: header["w"].pop("data_offsets"),
    "an older version": kept(format=0),
    "a future version": kept(format=2),
    "no version": lambda header: header["__metadata__"]["fleet"].pop("format"),
    "true as the version": kept(format=[1]),
    "meta that is none": kept(meta=None),
    "meta that is a list": kept(meta=[1, 2]),
    "meta nested too deep": kept(meta={"a": json.loads("[" * 900 + "]" * 900)}),
    "another project's": lambda header: header["__metadata__"].update(fleet="x"),
    "no metadata": lambda header: header["__metadata__"].pop("fleet"),
    "metadata that is no text": lambda header: header["__metadata__"].update(other=3),
}


@pytest.mark.parametrize("change", HEADERS.values(), ids=HEADERS.keys())
def test_a_header_that_lies_with_the_right_hash(
    path: Path, whole: bytes, change: Callable[[dict[str, Any]], object]
) -> None:
    """Broken by leaving the KeyError, then the TypeError, out of what is caught."""
    loads_or_is_refused(path, with_header(whole, change))


def test_a_header_nested_without_end_is_refused(path: Path, whole: bytes) -> None:
    text = whole[8 : whole.index(b'"}') + 2] + b',"x":' + b"[" * 200_000
    refused(path, hashed(unhashed(len(text).to_bytes(8, "little") + text)))


OTHERS: dict[str, dict[str, Any]] = {
    "extra": {**ARRAYS, "x": ARRAYS["b"]},
    "missing": {"w": ARRAYS["w"], "b": ARRAYS["b"]},
    "renamed": {"W": ARRAYS["w"], "b": ARRAYS["b"], "n": ARRAYS["n"]},
    "swapped shape": {**ARRAYS, "w": ARRAYS["w"].reshape(3, 2)},
    "swapped dtype": {**ARRAYS, "w": ARRAYS["w"].astype(np.int32)},
    "flat": {**ARRAYS, "n": np.array([7], np.int64)},
    "empty": {},
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_other_tensors_load_but_are_not_taken(tmp_path: Path, other: dict[str, Any]) -> None:
    """Broken by looking for missing names only. Every learner's restore asks `expect`."""
    save_arrays(tmp_path / "x", other, META)
    with pytest.raises(CheckpointError):
        expect(load_arrays(tmp_path / "x")[0], ARRAYS, tmp_path / "x")


def test_what_is_no_file_is_refused(tmp_path: Path, whole: bytes) -> None:
    """Broken by opening without O_NOFOLLOW, and without O_NONBLOCK: the pipe then hangs."""
    (tmp_path / "real").write_bytes(whole)
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "folder", "pipe", "missing", "x" * 300):
        with pytest.raises(CheckpointError):
            load_arrays(tmp_path / name)
    load_arrays(tmp_path / "real")


@pytest.mark.parametrize("name", ["../up", "a" * 300, "nowhere/x"])
def test_what_cannot_be_written_is_said(tmp_path: Path, name: str) -> None:
    if name == "../up":
        (tmp_path / "in").write_bytes(b"")
        name = "in/x"
    with pytest.raises(CheckpointError, match="can't be written"):
        save_arrays(tmp_path / name, ARRAYS, META)


MANIFESTS: list[Any] = [
    *[b"", b"{", b"\xff", b"[" * 100_000, b'{"a":' * 100_000],
    *JUNK,
    10**400,
    "x" * 300,
    *[{"files": junk} for junk in JUNK],
    *[{"files": {"manifest.json": junk}} for junk in JUNK],
    *[{"files": {name: 1}} for name in ("../../x", "/etc/passwd", "x" * 300, "a\0b", "")],
    *[{"files": {}, "evaluation": junk} for junk in JUNK],
    *[{"files": {}, "evaluation": {"score": junk}} for junk in [*JUNK, 10**400]],
]


@pytest.mark.parametrize("manifest", MANIFESTS, ids=range(len(MANIFESTS)))
def test_a_snapshots_manifest_as_anything(tmp_path: Path, manifest: object) -> None:
    """Broken by catching only OSError and ValueError in SnapshotStore: `files` as a number then is a TypeError."""
    folder = tmp_path / "round-00000001"
    folder.mkdir()
    content = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
    (folder / "manifest.json").write_bytes(content)
    store = SnapshotStore(tmp_path)
    for snapshot in store.snapshots():
        assert snapshot.score is None or type(snapshot.score) is float
    for selector in ("newest", "best", 1, "1"):
        with contextlib.suppress(CheckpointError):
            store.get(selector)


def test_names_that_are_no_versions_are_passed_over(tmp_path: Path) -> None:
    for name in (
        "v1.safetensors",
        "v00000001.safetensors.bak",
        "last.corrupt",
        "v-0000001.safetensors",
        "v٠٠٠٠٠٠٠٠.safetensors",
    ):
        (tmp_path / name).write_bytes(b"junk")
    assert LearnerStore(tmp_path).newest() is None
