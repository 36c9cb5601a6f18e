"""Messages as frames, and back: a small msgpack header first, then the arrays' bytes (codec.py). No sockets here.

The header is {"fleet": protocol version, "kind": ..., "fields": {...}, "arrays": [[name, dtype, shape], ...]}. Which
fields a kind has is read off its dataclass, whose constructor then checks them; anything more or less is refused.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, get_args

import msgpack
import numpy as np

from fleet.core.checks import DTYPES, MAX_ARRAYS, MAX_ITEMS, MAX_TEXT, MessageError, shown
from fleet.core.codec import BadFrame, Buffer, pack, unpack
from fleet.core.messages import PROTOCOL_VERSION, Message, Policy, Rollout, Welcome
from fleet.core.spec import Array, RolloutBatch, WorldSpec

MAX_HEADER = 256 * 1024
MAX_FRAMES = 2 + MAX_ARRAYS
MAX_MESSAGE = 2**30
"""Bytes of one message, all frames together: a rollout of many robots that share one learner is the largest."""

_KINDS: Mapping[str, type[Message]] = {kind.__name__.lower(): kind for kind in get_args(Message)}
# A dict and no set, so that a message has the same bytes in every process.
_FIELDS: Mapping[type, Mapping[str, None]] = {kind: {f.name: None for f in fields(kind)} for kind in _KINDS.values()}
_HEADER = frozenset({"fleet", "kind", "fields", "arrays"})
_BATCH = tuple(f.name for f in fields(RolloutBatch) if f.name != "robots")
_SPEC = ("robots", "worlds", "observation_size", "observation_dtype", "actions")
_TUPLES = ("robots", "rollouts")


def kind_of(message: Message) -> str:
    """The word by which a message's kind is counted."""
    return type(message).__name__.lower()


def encode(message: Message) -> list[bytes | memoryview]:
    """The frames of a message. Large contiguous arrays aren't copied, so they must not change until these have left.

    Raises MessageError for what can't be sent: too large, or text that isn't Unicode.
    """
    values = {name: getattr(message, name) for name in _FIELDS[type(message)]}
    described, frames = pack(_take_arrays(message, values))
    header = {"fleet": PROTOCOL_VERSION, "kind": kind_of(message), "fields": values, "arrays": described}
    try:
        packed = msgpack.packb(header)
    except (TypeError, ValueError, OverflowError) as error:
        raise MessageError(f"{kind_of(message)} can't be sent: {error}") from error
    if len(packed) > MAX_HEADER:
        raise MessageError(f"{kind_of(message)} has a header of {len(packed)} bytes; allowed are {MAX_HEADER}")
    return [packed, *frames]


def decode(frames: Sequence[Buffer]) -> Message:
    """The message in `frames`, its arrays read-only views of them. Raises BadFrame, and nothing else, if it is none."""
    if not 1 <= len(frames) <= MAX_FRAMES:
        raise BadFrame("frames", f"{len(frames)} frames; allowed are 1 to {MAX_FRAMES}")
    kind, values, described = _header(frames[0])
    arrays = unpack(described, frames[1:])
    try:
        _put_arrays(kind, values, arrays)
        if values.keys() != _FIELDS[kind].keys():
            raise BadFrame("fields", f"{kind.__name__} has fields {shown(sorted(values))}")
        return kind(**values)
    except MessageError as error:
        raise BadFrame("fields", str(error)) from error


def _header(frame: Buffer) -> tuple[type[Message], dict[str, Any], list[object]]:
    """The kind, the fields and the arrays' descriptions, with the outer schema checked."""
    header = _unpack(frame)
    if type(header) is not dict or "fleet" not in header:
        raise BadFrame("header", f"the header is {shown(header)}; allowed is a table with the protocol version")
    version = header["fleet"]
    if type(version) is not int or version != PROTOCOL_VERSION:
        raise BadFrame("protocol", f"protocol version {shown(version)}; this is version {PROTOCOL_VERSION}")
    if header.keys() != _HEADER:
        raise BadFrame("header", f"the header has {shown(sorted(header))} keys; allowed are {sorted(_HEADER)}")
    kind = _KINDS.get(header["kind"]) if type(header["kind"]) is str else None
    if kind is None:
        raise BadFrame("kind", f"kind {shown(header['kind'])}; allowed are {', '.join(_KINDS)}")
    if type(header["fields"]) is not dict or type(header["arrays"]) is not list:
        raise BadFrame("header", "fields must be a table and arrays a list")
    return kind, header["fields"], header["arrays"]


def _unpack(frame: Buffer) -> object:
    if len(frame) > MAX_HEADER:
        raise BadFrame("header", f"a header of {len(frame)} bytes; allowed are {MAX_HEADER}")
    try:
        return msgpack.unpackb(
            frame,
            raw=False,
            strict_map_key=True,
            object_pairs_hook=_table,
            max_str_len=4 * MAX_TEXT,
            max_bin_len=0,
            max_ext_len=0,
            max_array_len=MAX_ITEMS,
            max_map_len=MAX_ITEMS,
        )
    # msgpack names no base class: truncated, trailing bytes, too deep, not UTF-8, over a limit are all of these.
    except (ValueError, TypeError, msgpack.UnpackException, RecursionError, MemoryError) as error:
        raise BadFrame("header", f"not a msgpack header: {type(error).__name__}") from error


def _table(pairs: Sequence[tuple[object, object]]) -> dict[str, object]:
    table: dict[str, object] = {}
    for key, value in pairs:
        if type(key) is not str or key in table:
            raise BadFrame("header", f"key {shown(key)} is no text or comes twice")
        table[key] = value
    return table


def _take_arrays(message: Message, values: dict[str, Any]) -> Mapping[str, Array]:
    """Move what travels as arrays out of `values`, and what msgpack doesn't know into what it does."""
    match message:
        case Rollout(batch=batch):
            values["batch"] = list(batch.robots)
            return {name: getattr(batch, name) for name in _BATCH}
        case Policy(weights=weights):
            del values["weights"]
            return weights
        case Welcome(spec=spec):
            values["spec"] = [getattr(spec, name) for name in _SPEC]
            values["spec"][_SPEC.index("observation_dtype")] = str(spec.observation_dtype)
            return {"bound": spec.bound}
    return {}


def _put_arrays(kind: type[Message], values: dict[str, Any], arrays: dict[str, Array]) -> None:
    """The inverse of `_take_arrays`, in place."""
    for name in _TUPLES:
        if name in values:
            values[name] = _tuple(name, values[name])
    builder = _BUILDERS.get(kind)
    if builder is not None:
        builder(values, arrays)
    elif arrays:
        raise BadFrame("array", f"{kind.__name__} has no arrays")


def _put_batch(values: dict[str, Any], arrays: dict[str, Any]) -> None:
    if arrays.keys() != set(_BATCH):
        raise BadFrame("array", f"a rollout has arrays {shown(list(arrays))}; allowed are {', '.join(_BATCH)}")
    values["batch"] = RolloutBatch(robots=_tuple("batch", values.get("batch")), **arrays)


def _put_weights(values: dict[str, Any], arrays: dict[str, Any]) -> None:
    if "weights" in values:
        raise BadFrame("fields", "weights travel as arrays")
    values["weights"] = arrays


def _put_spec(values: dict[str, Any], arrays: dict[str, Any]) -> None:
    numbers = values.get("spec")
    if type(numbers) is not list or len(numbers) != len(_SPEC) or arrays.keys() != {"bound"}:
        raise BadFrame("fields", f"spec is {shown(numbers)} with {len(arrays)} arrays")
    given = dict(zip(_SPEC, numbers, strict=True))
    code = given["observation_dtype"]
    if type(code) is not str or code not in DTYPES:
        raise BadFrame("fields", f"spec.observation_dtype is {shown(code)}; allowed are {', '.join(DTYPES)}")
    values["spec"] = WorldSpec(**{**given, "observation_dtype": np.dtype(DTYPES[code])}, **arrays)


def _tuple(name: str, value: object) -> tuple[Any, ...]:
    if type(value) is not list:
        raise BadFrame("fields", f"{name} is {shown(value)}; allowed are lists")
    return tuple(value)


_BUILDERS: Mapping[type, Callable[[dict[str, Any], dict[str, Any]], None]] = {
    Rollout: _put_batch,
    Policy: _put_weights,
    Welcome: _put_spec,
}
