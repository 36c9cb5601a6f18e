"""What every world that steps arrays in place checks of what its caller gives it, before compiled code relies on it."""

from collections.abc import Callable, Mapping
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from env_server.errors import WorldError
from env_server.protocol import Body, Step
from fleet.core.spec import Array, WorldSpec

Window = TypeVar("Window")
BODIES: tuple[Body, ...] = ("online", "stalled", "towed")  # their numbers in a world's arrays


class FlatRows(NamedTuple):
    """An observation array (N, E, D) as one flat view: row (n, e) is at `n * robot_stride + e * copy_stride`."""

    flat: Array
    robot_stride: int  # in items
    copy_stride: int


def flat_rows(out: Array, spec: WorldSpec) -> FlatRows:
    """`out` as compiled code writes it. Raises WorldError if it isn't (N, E, D) of its type with packed rows."""
    shape, item = (spec.robots, spec.worlds, spec.observation_size), spec.observation_dtype.itemsize
    if out.shape != shape or out.dtype != spec.observation_dtype or not out.flags.writeable:
        raise WorldError(f"out is {out.dtype} {out.shape}; allowed is a writable {spec.observation_dtype} {shape}")
    if out.strides[2] != item or min(out.strides) < 0 or any(stride % item for stride in out.strides):
        raise WorldError(f"out has strides {out.strides}; rows must be packed and none may run backwards")
    robot_stride, copy_stride = out.strides[0] // item, out.strides[1] // item
    span = (shape[0] - 1) * robot_stride + (shape[1] - 1) * copy_stride + shape[2]
    return FlatRows(np.lib.stride_tricks.as_strided(out, (span,), (item,)), robot_stride, copy_stride)


class LastSeen(Generic[Window]):
    """Keeps how the caller's array is written, since it is the same one in every step.

    A close look (`look`, which raises WorldError for an array that won't do) costs as much as stepping 100 robots.
    """

    def __init__(self, look: Callable[[Array], Window]) -> None:
        self._look = look
        self._seen: tuple[Array, Window] | None = None

    def __call__(self, out: Array) -> Window:
        """How `out` is written."""
        if self._seen is None or self._seen[0] is not out or not out.flags.writeable:
            self._seen = out, self._look(out)
        return self._seen[1]


def blank_step(spec: WorldSpec) -> Step:
    """The arrays that a world writes each step's outcome into."""
    shape = (spec.robots, spec.worlds)
    return Step(
        rewards=np.zeros(shape, np.float32),
        terminated=np.zeros(shape, np.bool_),
        truncated=np.zeros(shape, np.bool_),
        final_obs=np.zeros((*shape, spec.observation_size), spec.observation_dtype),
    )


def check_actions(actions: Array, spec: WorldSpec) -> None:
    """Raise WorldError unless `actions` is uint8 (N, E)."""
    shape = (spec.robots, spec.worlds)
    if actions.shape != shape or actions.dtype != np.uint8:
        raise WorldError(f"actions are {actions.dtype} {actions.shape}; allowed is uint8 {shape}")


def body_number(robot: int, body: Body, spec: WorldSpec) -> int:
    """The place of `body` in BODIES. Raises WorldError if there is no such body or no such robot."""
    if not 0 <= robot < spec.robots:
        raise WorldError(f"robot {robot}; allowed are 0 to {spec.robots - 1}")
    if body not in BODIES:
        raise WorldError(f"body {body!r}; allowed are {', '.join(BODIES)}")
    return BODIES.index(body)


def check_alike(given: Mapping[str, Array], ours: Mapping[str, Array]) -> None:
    """Raise WorldError unless a state `given` has the arrays of `ours`, by name, shape and type."""
    if set(given) != set(ours):
        odd = sorted(set(given) ^ set(ours))
        raise WorldError(f"not this world's state: missing or unknown arrays {', '.join(odd)}")
    for name, our in ours.items():
        their = given[name]
        if our.shape != their.shape or our.dtype != their.dtype:
            raise WorldError(
                f"not this world's state: {name} is {their.dtype} {their.shape}, allowed is {our.dtype} {our.shape}"
            )


def check_ranges(given: Mapping[str, Array], ranges: Mapping[str, tuple[int, int]]) -> None:
    """Raise WorldError unless each array of a state named in `ranges` holds numbers from the first up to the second."""
    for name, (least, end) in ranges.items():
        array = given[name].astype(np.int64)
        if array.size and (array.min() < least or array.max() >= end):
            raise WorldError(f"a broken state: {name} is {array.min()} to {array.max()}, allowed {least} to {end - 1}")


def check_generators(words: Array) -> None:
    """Raise WorldError if a generator's state among `words` uint64 (E, 4) is all zeros."""
    if (words == 0).all(axis=1).any():
        raise WorldError("a broken state: a generator of zeros, which would give zeros for ever")
