"""Spaces of Gymnasium as a fleet takes them: any that is flat numbers as f32 features, and actions counted from 0."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from env_server.errors import SetupError, WorldError

F32 = npt.NDArray[np.float32]
MOST_FEATURES, MOST_ACTIONS = 4096, 256
_ENDLESS = 1e9  # a bound beyond it says no more than none: many spaces give the largest float there is


class Reader(NamedTuple):
    """How an agent's observation becomes features: `read` gives f32 (size,), `bound` f32 (size,) is their magnitude."""

    size: int
    bound: F32
    read: Callable[[Any], F32]


def make_reader(space: object, agent: str) -> Reader:
    """Of an observation space: Box is flattened; Discrete and MultiDiscrete are one-hot; MultiBinary stays as it is.

    Raises SetupError for any other, and for more than 4,096 features.
    """
    reader = _reader(space)
    if reader is None:
        raise SetupError(
            f"{agent} observes {space}; allowed are Box, Discrete, MultiDiscrete and MultiBinary (wrap the environment)"
        )
    if reader.size > MOST_FEATURES:
        raise SetupError(
            f"{agent} observes {reader.size:,} numbers ({space}); allowed are {MOST_FEATURES:,}: there is no network "
            "for images here"
        )
    return reader


def first_and_count(space: object, agent: str) -> tuple[int, int]:
    """The lowest action of an action space, and how many there are. Raises SetupError unless Discrete, at most 256."""
    if not isinstance(space, spaces.Discrete):
        raise SetupError(f"{agent} acts in {space}; allowed is Discrete")
    if space.n > MOST_ACTIONS:
        raise SetupError(f"{agent} has {space.n} actions; allowed are 1 to {MOST_ACTIONS}")
    return int(space.start), int(space.n)


def _reader(space: object) -> Reader | None:
    if isinstance(space, spaces.Box):
        return _numbers(int(np.prod(space.shape)), _bound(space))
    if isinstance(space, spaces.MultiBinary):
        size = int(np.prod(space.shape))
        return _numbers(size, np.ones(size, np.float32))
    if isinstance(space, spaces.Discrete):
        return _one_hot(np.array([space.n]), np.array([space.start]))
    if isinstance(space, spaces.MultiDiscrete):
        return _one_hot(space.nvec.reshape(-1), space.start.reshape(-1))
    return None


def _bound(space: spaces.Box) -> F32:
    bound = np.maximum(np.abs(space.low.astype(np.float64)), np.abs(space.high.astype(np.float64))).reshape(-1)
    return np.where((bound > 0) & (bound < _ENDLESS), bound, 1.0).astype(np.float32)


def _numbers(size: int, bound: F32) -> Reader:
    def read(seen: Any) -> F32:
        flat = np.asarray(seen).reshape(-1)
        if flat.size != size:
            raise WorldError(f"an observation of {flat.size} numbers; its space has {size}")
        with np.errstate(over="ignore"):  # what f32 can't hold is infinite, and refused as such
            found = flat.astype(np.float32)
        if not np.isfinite(found).all():
            raise WorldError(f"an observation that isn't finite: {seen}")
        return found

    return Reader(size, bound, read)


def _one_hot(counts: npt.NDArray[Any], starts: npt.NDArray[Any]) -> Reader:
    size = int(counts.sum())
    begins = counts.cumsum() - counts

    def read(seen: Any) -> F32:
        values = np.asarray(seen).reshape(-1) - starts
        if ((values < 0) | (values >= counts)).any():
            raise WorldError(f"an observation outside its space: {seen}")
        found = np.zeros(size, np.float32)
        found[begins + values] = 1.0
        return found

    return Reader(size, np.ones(size, np.float32), read)
