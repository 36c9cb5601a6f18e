"""Arrays and a little JSON in one safetensors file, with the hash of every byte of it.

What learners save and come back with, and what a run snapshot keeps of the world. Loading one can't run code. The hash
stands at a fixed place near the file's start; it is taken over the whole file with 64 zeros in that place.
"""

import errno
import hashlib
import json
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from fleet.core.errors import BadInput
from fleet.core.files import write_atomic
from fleet.core.spec import Array

_DTYPES = frozenset(["|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8"])
_KEY = "fleet"
_ZEROS = "0" * 64
_LENGTH = 8  # a safetensors file starts with its header's length, u64 little-endian
_PREFIX = f'{{"__metadata__":{{"{_KEY}":"{{\\"sha256\\":\\"'.encode()
_START = _LENGTH + len(_PREFIX)
_MAX_HEADER = 16 * 1024 * 1024
_FORMAT = 1


class CheckpointError(BadInput):
    """A checkpoint can't be written, or the file handed in isn't one that this project wrote, whole and unchanged."""


class SaveError(CheckpointError):
    """The disk didn't take a checkpoint, which is as it was. Whoever can do without one goes on."""


def save_arrays(
    path: Path, arrays: Mapping[str, Array], meta: Mapping[str, Any], *, half: Callable[[], None] | None = None
) -> None:
    """Write `arrays` (bool, integers, floats; any shape) and `meta` (JSON) to `path`, readable by its owner alone.

    Atomic: a kill leaves the file that was there or the new one. Equal content gives equal bytes. `half` is called when
    half of it is written. Raises CheckpointError; SaveError if it is the disk that failed.
    """
    content = _serialize(path, arrays, meta)
    content[_START : _START + 64] = hashlib.sha256(content).hexdigest().encode()
    try:
        write_atomic(path, [memoryview(content)], 0o600, half=half)
    except OSError as error:
        raise SaveError(f"{path}: can't be written: {error.strerror}") from error


def load_arrays(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """What `save_arrays` wrote, as fresh writable arrays. Raises CheckpointError, naming the file and what is wrong."""
    content = _read(path)
    header = _header(path, content)
    stated = content[_START : _START + 64]
    actual = hashlib.sha256(content[:_START])
    actual.update(_ZEROS.encode())
    actual.update(memoryview(content)[_START + 64 :])
    if actual.hexdigest().encode() != stated:
        raise CheckpointError(f"{path}: its content doesn't match its sha256; it has been changed since it was written")
    try:
        kept = json.loads(header["__metadata__"][_KEY])
        format_, meta = kept["format"], dict(kept["meta"])
        arrays = safetensors.numpy.load(content)
    except (ValueError, KeyError, TypeError, RecursionError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"{path}: not a checkpoint of this project: {error!r}") from error
    if format_ != _FORMAT:
        raise CheckpointError(f"{path}: checkpoint format {format_!r}; this version reads {_FORMAT}")
    return dict(arrays), meta


def expect(arrays: Mapping[str, Array], like: Mapping[str, Array], source: Path | str) -> None:
    """Check that `arrays` have exactly the names, shapes and dtypes of `like`, or raise CheckpointError."""
    missing, extra = sorted(like.keys() - arrays.keys()), sorted(arrays.keys() - like.keys())
    if missing or extra:
        parts = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has unexpected {', '.join(extra)}"] * bool(extra)
        raise CheckpointError(f"{source}: {' and '.join(parts)}")
    for name, wanted in like.items():
        got = arrays[name]
        if got.shape != wanted.shape or got.dtype != wanted.dtype:
            raise CheckpointError(
                f"{source}: {name} is {got.dtype} {got.shape}, but {wanted.dtype} {wanted.shape} is wanted here"
            )


def _serialize(path: Path, arrays: Mapping[str, Array], meta: Mapping[str, Any]) -> bytearray:
    plain = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    for name, array in plain.items():
        if array.dtype.str not in _DTYPES:
            raise CheckpointError(f"{path}: {name} is {array.dtype}; allowed are bool, integers, 16 to 64 bit floats")
    try:
        # One metadata entry, because safetensors orders several at random and equal content must give equal bytes.
        kept = {"sha256": _ZEROS, "format": _FORMAT, "meta": dict(meta)}
        text = json.dumps(kept, separators=(",", ":"), allow_nan=False)
        content = bytearray(safetensors.numpy.save(plain, {_KEY: text}))
    except (TypeError, ValueError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"{path}: can't be written: {error}") from error
    if content[_LENGTH : _START + 64] != _PREFIX + _ZEROS.encode():
        raise CheckpointError(f"{path}: can't be written: this safetensors version lays out its header differently")
    if int.from_bytes(content[:_LENGTH], "little") > _MAX_HEADER:
        raise CheckpointError(f"{path}: can't be written: names and meta take over {_MAX_HEADER} bytes")
    return content


def _read(path: Path) -> bytes:
    """All bytes of a regular file that isn't a symlink."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        reason = "it is a symlink" if error.errno == errno.ELOOP else error.strerror
        raise CheckpointError(f"{path}: can't be opened: {reason}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise CheckpointError(f"{path}: not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def _header(path: Path, content: bytes) -> dict[str, Any]:
    """The parsed header, once its length is known to be sane."""
    if not content:
        raise CheckpointError(f"{path}: is empty")
    if content[:2] == b"PK" or (content[0] == 0x80 and content[1:2] in (b"\2", b"\3", b"\4", b"\5")):
        raise CheckpointError(f"{path}: is a pickle or an archive of pickles, which are never loaded")
    length = int.from_bytes(content[:_LENGTH], "little")
    if not _START + 64 <= length + _LENGTH <= len(content) or length > _MAX_HEADER:
        raise CheckpointError(
            f"{path}: claims a header of {length} bytes in a file of {len(content)}; no checkpoint, or truncated"
        )
    try:
        header = json.loads(content[_LENGTH : _LENGTH + length])
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: its header is no JSON; no checkpoint, or it has been changed") from error
    if not isinstance(header, dict) or not content.startswith(_PREFIX, _LENGTH):
        raise CheckpointError(f"{path}: not a checkpoint of this project, or its header has been changed")
    return header
