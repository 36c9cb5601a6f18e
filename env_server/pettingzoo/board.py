"""The memory that the world and its workers share: what was done in every copy, and what came of it.

The world makes it as an anonymous file and hands its descriptor on; each worker writes the columns of its own copies.
"""

import mmap
import os
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt

_ALIGNED = 64  # bytes: where each array begins


@dataclass(frozen=True)
class Board:
    """Robot-major arrays, as in `env_server.protocol.Step`; `obs` and `final_obs` f32 (N, E, D), the rest (N, E)."""

    obs: npt.NDArray[np.float32]
    final_obs: npt.NDArray[np.float32]
    rewards: npt.NDArray[np.float32]
    actions: npt.NDArray[np.uint8]
    terminated: npt.NDArray[np.bool_]
    truncated: npt.NDArray[np.bool_]
    gone: npt.NDArray[np.bool_]

    @classmethod
    def on(cls, descriptor: int, robots: int, worlds: int, features: int) -> Self:
        """The board in the file `descriptor`, which is made large enough; what is new of it is zeros."""
        layout = _layout(robots, worlds, features)
        size = sum(_room(shape, dtype) for shape, dtype in layout.values())
        if os.fstat(descriptor).st_size < size:
            os.ftruncate(descriptor, size)
        memory = mmap.mmap(descriptor, size)
        arrays: dict[str, npt.NDArray[Any]] = {}
        begin = 0
        for name, (shape, dtype) in layout.items():
            arrays[name] = np.ndarray(shape, dtype, memory, begin)
            begin += _room(shape, dtype)
        return cls(**arrays)

    def columns(self, first: int, after: int) -> Self:
        """The same of the copies from `first` up to `after`: views."""
        return type(self)(**{field.name: getattr(self, field.name)[:, first:after] for field in fields(self)})


def _layout(robots: int, worlds: int, features: int) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    flat, deep = (robots, worlds), (robots, worlds, features)
    types = {
        "rewards": np.float32,
        "actions": np.uint8,
        "terminated": np.bool_,
        "truncated": np.bool_,
        "gone": np.bool_,
    }
    seen = {name: (deep, np.dtype(np.float32)) for name in ("obs", "final_obs")}
    return {**seen, **{name: (flat, np.dtype(kind)) for name, kind in types.items()}}


def _room(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Bytes of such an array, up to where the next may begin."""
    size = int(np.prod(shape)) * dtype.itemsize
    return -(-size // _ALIGNED) * _ALIGNED
