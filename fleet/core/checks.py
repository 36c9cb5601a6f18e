"""What a field of a message may hold. Used by the messages' constructors on both sides: what is sent, and what came in.

Every check raises MessageError, which names the field, the value received and the values allowed.
"""

import math
import re
from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from fleet.core.errors import FleetError
from fleet.core.spec import Array, RolloutBatch, WorldSpec

MAX_COUNT = 2**62
"""Above any sequence number, round, version or byte count; one more still fits an int64."""
MAX_ITEMS = 1024
"""Longest list or table in a header; msgpack reserves that many places per container before it reads them."""
MAX_TEXT = 16_384
MAX_DEPTH = 6
MAX_ARRAYS = 64
MAX_DIMENSIONS = 5
DTYPES: Mapping[str, np.dtype[Any]] = {
    "bool": np.dtype("|b1"),
    "uint8": np.dtype("|u1"),
    "int8": np.dtype("|i1"),
    "int16": np.dtype("<i2"),
    "int32": np.dtype("<i4"),
    "int64": np.dtype("<i8"),
    "float16": np.dtype("<f2"),
    "float32": np.dtype("<f4"),
    "float64": np.dtype("<f8"),
}
CODES: Mapping[np.dtype[Any], str] = {dtype: code for code, dtype in DTYPES.items()}

RUN = re.compile(r"[0-9a-f]{32}")
WORD = re.compile(r"[a-z][a-z0-9_]{0,63}")
KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./:-]{0,63}")
PROCESS = re.compile(r"supervisor|zygote|env_server|learner-(?:0|[1-9][0-9]{0,5})|cli-[0-9a-f]{16}")


class MessageError(FleetError):
    """A message that must not be sent, or that came in and must not be used."""


def integer(name: str, value: object, low: int = 0, high: int = MAX_COUNT) -> None:
    """A true int (no bool, no numpy scalar) in [low, high]."""
    if type(value) is not int:
        raise MessageError(f"{name} is {shown(value)}; allowed are whole numbers {low} to {high}")
    if not low <= value <= high:
        raise MessageError(f"{name} is {shown(value)}; allowed are {low} to {high}")


def number(name: str, value: object) -> None:
    """A finite float, not negative."""
    if not isinstance(value, float) or not math.isfinite(value) or value < 0:
        raise MessageError(f"{name} is {shown(value)}; allowed are finite floats from 0")


def flag(name: str, value: object) -> None:
    """True or false, and no number."""
    if type(value) is not bool:
        raise MessageError(f"{name} is {shown(value)}; allowed are true and false")


def text(name: str, value: object, limit: int = MAX_TEXT) -> None:
    """A string of at most `limit` characters."""
    if type(value) is not str:
        raise MessageError(f"{name} is {shown(value)}; allowed are strings")
    if len(value) > limit:
        raise MessageError(f"{name} has {len(value)} characters; allowed are at most {limit}")


def matches(name: str, value: object, pattern: re.Pattern[str]) -> None:
    """A string that `pattern` matches as a whole."""
    if type(value) is not str or pattern.fullmatch(value) is None:
        raise MessageError(f"{name} is {shown(value)}; allowed is what matches {pattern.pattern}")


def ascending(name: str, value: object, high: int = MAX_COUNT, least: int = 0) -> None:
    """A tuple of at least `least` whole numbers 0 to `high`, each larger than the one before, so that none repeats."""
    if type(value) is not tuple or not least <= len(value) <= MAX_ITEMS:
        raise MessageError(f"{name} is {shown(value)}; allowed are tuples of {least} to {MAX_ITEMS} numbers")
    for item in value:
        integer(f"a number in {name}", item, 0, high)
    if any(a >= b for a, b in pairwise(value)):
        raise MessageError(f"{name} is {shown(value)}; allowed are ascending numbers without repeats")


def table(name: str, value: object, kinds: tuple[type, ...]) -> None:
    """A dict of bounded names to values of `kinds`. Floats may be NaN or infinite: they are figures to be shown."""
    if type(value) is not dict or len(value) > MAX_ITEMS:
        raise MessageError(f"{name} is {shown(value)}; allowed are dicts of at most {MAX_ITEMS} entries")
    for key, item in value.items():
        matches(f"a key of {name}", key, KEY)
        plain(f"{name}.{key}", item, depth=1, kinds=kinds)


def plain(name: str, value: object, depth: int = MAX_DEPTH, kinds: tuple[type, ...] = ()) -> None:
    """Data as JSON knows it, at most `depth` levels deep. `kinds` narrows it to those types, if given."""
    if depth < 1:
        raise MessageError(f"{name} is nested deeper than {MAX_DEPTH} levels")
    if kinds and not (type(value) in kinds or (float in kinds and isinstance(value, float))):
        raise MessageError(f"{name} is {shown(value)}; allowed are {', '.join(kind.__name__ for kind in kinds)}")
    match value:
        case None | bool() | float():
            return
        case int():
            integer(name, value, -MAX_COUNT)
        case str():
            text(name, value)
        case list() | dict() if len(value) > MAX_ITEMS:
            raise MessageError(f"{name} has {len(value)} entries; allowed are at most {MAX_ITEMS}")
        case list():
            for item in value:
                plain(name, item, depth - 1)
        case dict():
            for key, item in value.items():
                text(f"a key of {name}", key, 256)
                plain(name, item, depth - 1)
        case _:
            raise MessageError(f"{name} is {shown(value)}; allowed is data as JSON knows it")


def array(name: str, value: object, shape: tuple[int | None, ...], dtypes: Collection[str]) -> None:
    """A numpy array of one of `dtypes` (native little-endian) and of `shape`, where None stands for any length."""
    if type(value) is not np.ndarray:
        raise MessageError(f"{name} is {shown(value)}; allowed are numpy arrays")
    if CODES.get(value.dtype) not in dtypes:
        raise MessageError(f"{name} has dtype {value.dtype.str}; allowed are {', '.join(dtypes)}")
    if value.shape != shape and not _fits(value.shape, shape):
        allowed = ", ".join("any" if want is None else str(want) for want in shape)
        raise MessageError(f"{name} has shape {value.shape}; allowed is ({allowed})")


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(want in (None, got) for want, got in zip(wanted, shape, strict=True))


def finite(name: str, value: Array) -> None:
    """No NaN and no infinity. Whole-number arrays pass at once."""
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        raise MessageError(f"{name} holds NaN or infinity; allowed are finite numbers")


def weights(value: object) -> None:
    """Named f32 or f16 arrays, finite and not empty."""
    if type(value) is not dict or not 1 <= len(value) <= MAX_ARRAYS:
        raise MessageError(f"weights are {shown(value)}; allowed are dicts of 1 to {MAX_ARRAYS} arrays")
    for name, item in value.items():
        matches("a name in weights", name, KEY)
        dimensions = getattr(item, "ndim", 0)
        if dimensions > MAX_DIMENSIONS:
            raise MessageError(f"{name} has {dimensions} dimensions; allowed are at most {MAX_DIMENSIONS}")
        array(name, item, (None,) * dimensions, ("float16", "float32"))
        if item.size == 0:
            raise MessageError(f"{name} has shape {item.shape}; allowed are arrays with at least one element")
        finite(name, item)


def world_spec(value: object) -> None:
    """A spec whose numbers can be true."""
    if type(value) is not WorldSpec:
        raise MessageError(f"spec is {shown(value)}; allowed is a WorldSpec")
    integer("spec.robots", value.robots, 1, MAX_ITEMS)
    integer("spec.worlds", value.worlds, 1, 2**31)
    integer("spec.observation_size", value.observation_size, 1, 2**31)
    integer("spec.actions", value.actions, 1, 256)
    if value.observation_dtype not in DTYPES.values():
        raise MessageError(f"spec.observation_dtype is {value.observation_dtype}; allowed are {', '.join(DTYPES)}")
    array("spec.bound", value.bound, (value.observation_size,), ("float32",))
    finite("spec.bound", value.bound)
    if bool((value.bound <= 0).any()):
        raise MessageError("spec.bound holds a number that isn't above 0")


def batch(value: object) -> None:
    """A rollout whose arrays agree with each other in R, T, E, D and K (see RolloutBatch)."""
    if type(value) is not RolloutBatch:
        raise MessageError(f"batch is {shown(value)}; allowed is a RolloutBatch")
    ascending("batch.robots", value.robots, MAX_ITEMS - 1, least=1)
    array("obs", value.obs, (len(value.robots), None, None, None), DTYPES)
    _, after, worlds, size = value.obs.shape
    if after < 2 or worlds < 1 or size < 1:
        raise MessageError(f"obs has shape {value.obs.shape}; allowed are (R, T+1, E, D) with T, E and D at least 1")
    flat = (len(value.robots), after - 1, worlds)
    array("actions", value.actions, flat, ("uint8",))
    array("log_probs", value.log_probs, flat, ("float32",))
    array("rewards", value.rewards, flat, ("float32",))
    array("terminated", value.terminated, flat, ("bool",))
    array("truncated", value.truncated, flat, ("bool",))
    cut = int(np.count_nonzero(value.truncated & ~value.terminated))
    array("final_obs", value.final_obs, (cut, size), DTYPES)
    if value.final_obs.dtype != value.obs.dtype:
        raise MessageError(f"final_obs has dtype {value.final_obs.dtype}; allowed is that of obs, {value.obs.dtype}")
    for name in ("obs", "log_probs", "rewards", "final_obs"):
        finite(name, getattr(value, name))


def batch_in(value: RolloutBatch, spec: WorldSpec, robots: Collection[int]) -> None:
    """`value` is a rollout of that world by some of those robots, and its actions are in the world's space."""
    if not set(value.robots) <= set(robots):
        raise MessageError(f"batch.robots is {shown(value.robots)}; allowed are {shown(tuple(robots))}")
    array("obs", value.obs, (None, None, spec.worlds, spec.observation_size), DTYPES)
    if value.obs.dtype != spec.observation_dtype:
        raise MessageError(f"obs has dtype {value.obs.dtype}; allowed is {spec.observation_dtype}")
    if int(value.actions.max()) >= spec.actions:
        raise MessageError(f"actions hold {int(value.actions.max())}; allowed are 0 to {spec.actions - 1}")


def shown(value: object) -> str:
    """A value as an error message shows it: bounded, whatever a stranger sent."""
    if isinstance(value, (str, bytes)):
        return repr(value) if len(value) <= 64 else f"{value[:64]!r}... ({len(value)} long)"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**64:
        return f"a whole number of {value.bit_length()} bits"
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    if isinstance(value, (tuple, list, dict)):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}"
