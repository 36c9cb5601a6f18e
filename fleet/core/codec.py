"""Arrays as frames, and back, without needless copies. Used by the wire only.

A description (name, dtype, shape) of each array travels in the header; the bytes are raw, little-endian. Large arrays
have a frame each and are neither copied to be sent nor when they come in; small ones share the first frame, because a
frame costs more than copying them. What comes in is believed only after the dtype is on the list and the shapes' sizes
equal the frames' lengths.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from fleet.core.checks import CODES, DTYPES, MAX_ARRAYS, MAX_DIMENSIONS, MessageError, shown
from fleet.core.errors import FleetError
from fleet.core.spec import Array

Buffer: TypeAlias = "bytes | bytearray | memoryview"
Description: TypeAlias = tuple[str, str, list[int]]
Reason = Literal["frames", "size", "header", "protocol", "kind", "fields", "array", "run", "sender", "life", "sequence"]

SMALL = 65_536
"""Arrays of fewer bytes share a frame. pyzmq copies frames below this size in any case."""

_MAX_DIMENSION = 2**31
_MAX_ELEMENTS = 2**40


class _Described(NamedTuple):
    name: str
    dtype: np.dtype[Any]
    shape: list[int]
    size: int


class BadFrame(FleetError):  # noqa: N818 - reads as what it is in `raise BadFrame(...)`
    """What came over the wire is no message of ours. `reason` is one of a few words, to be counted by."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: Reason = reason


def pack(arrays: Mapping[str, Array]) -> tuple[list[Description], list[bytes | memoryview]]:
    """The arrays' descriptions and frames. A large contiguous array's frame is a view of its own memory.

    Such an array must not change until the frame has left. Raises MessageError for a dtype that isn't allowed.
    """
    descriptions: list[Description] = []
    small: list[Array] = []
    large: list[bytes | memoryview] = []
    for name, array in arrays.items():
        code = CODES.get(array.dtype)
        if code is None:
            raise MessageError(f"{name} has dtype {array.dtype.str}; allowed are {', '.join(DTYPES)}")
        descriptions.append((name, code, list(array.shape)))
        if array.nbytes < SMALL:
            small.append(array)
        else:
            large.append(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    small.sort(key=_widest_first)
    return descriptions, [b"".join([array.tobytes() for array in small]), *large] if small else large


def unpack(descriptions: Sequence[object], frames: Sequence[Buffer]) -> dict[str, Array]:
    """The arrays in `frames`, by name: read-only views that keep the frames alive. Raises BadFrame."""
    if len(descriptions) > MAX_ARRAYS:
        raise BadFrame("array", f"{len(descriptions)} arrays; allowed are at most {MAX_ARRAYS}")
    believed = [_described(description) for description in descriptions]
    small = sorted((one for one in believed if one.size < SMALL), key=_widest_first)
    large = [one for one in believed if one.size >= SMALL]
    if len(frames) != len(large) + bool(small):
        raise BadFrame("frames", f"{len(frames)} frames of arrays; the header describes {len(large) + bool(small)}")
    found: dict[str, Array] = {}
    shared, start = frames[0] if small else b"", 0
    if len(shared) != sum(one.size for one in small):
        raise BadFrame("array", f"{len(shared)} bytes of small arrays; described are {sum(one.size for one in small)}")
    for one in small:
        found[one.name] = _view(one, shared, start)
        start += one.size
    for one, frame in zip(large, frames[bool(small) :], strict=True):
        if len(frame) != one.size:
            raise BadFrame("array", f"{one.name!r} has {len(frame)} bytes; {one.dtype} of {one.shape} has {one.size}")
        found[one.name] = _view(one, frame, 0)
    if len(found) != len(believed):
        raise BadFrame("array", "two arrays have the same name")
    return {one.name: found[one.name] for one in believed}


def _widest_first(array: Array | _Described) -> int:
    """The order inside the shared frame: by falling item size each array starts where its own has to."""
    return -array.dtype.itemsize


def _view(one: _Described, frame: Buffer, start: int) -> Array:
    """One array in `frame`. Copied only if it isn't aligned there: ZeroMQ packs frames under 8 KB together."""
    array: Array = np.ndarray(one.shape, one.dtype, frame, start)
    if one.dtype.kind == "b" and one.size and int(array.view(np.uint8).max()) > 1:
        raise BadFrame("array", f"{one.name!r} holds a byte above 1; a bool is 0 or 1")
    if not array.flags.aligned:
        array = array.copy()
    array.flags.writeable = False
    return array


def _described(description: object) -> _Described:
    """Name, dtype, shape and size in bytes; the size is exact, as Python's whole numbers don't overflow."""
    if type(description) is not list or len(description) != 3:
        raise BadFrame("array", f"an array is described by {shown(description)}; allowed is [name, dtype, shape]")
    name, code, shape = description
    if type(name) is not str or len(name) > 64:
        raise BadFrame("array", f"an array is named {shown(name)}")
    if type(code) is not str or code not in DTYPES:
        raise BadFrame("array", f"{name!r} has dtype {shown(code)}; allowed are {', '.join(DTYPES)}")
    if type(shape) is not list or len(shape) > MAX_DIMENSIONS:
        raise BadFrame("array", f"{name!r} has shape {shown(shape)}; allowed are at most {MAX_DIMENSIONS} dimensions")
    lengths: list[Any] = shape
    for length in lengths:
        if type(length) is not int or not 0 <= length <= _MAX_DIMENSION:
            raise BadFrame("array", f"{name!r} has a dimension of {shown(length)}; allowed are 0 to {_MAX_DIMENSION}")
    # A 0 among them must not hide a product that overflows in numpy.
    if 0 in lengths and math.prod(filter(None, lengths)) > _MAX_ELEMENTS:
        raise BadFrame("array", f"{name!r} has shape {lengths}, which is too large")
    dtype = DTYPES[code]
    return _Described(name, dtype, lengths, math.prod(lengths) * dtype.itemsize)
