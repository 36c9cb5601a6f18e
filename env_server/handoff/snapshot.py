"""The handoff task's state as plain arrays by name, and the way back, in which every number is checked first."""

from collections.abc import Mapping

import numpy as np

from env_server.arguments import check_alike, check_generators, check_ranges
from env_server.errors import WorldError
from env_server.handoff.state import Pairs
from env_server.warehouse.snapshot import check_bodies
from env_server.warehouse.state import NOTHING, Layout, State
from fleet.core.spec import Array

_OF_ROBOTS = ("cell", "heading", "clock", "rng", "body", "left_at", "deliveries")
_OF_PAIRS = ("loaded", "target", "blocked")


def read_state(state: State, pairs: Pairs) -> dict[str, Array]:
    """Copies of all arrays that decide the future."""
    return {name: array.copy() for name, array in _kept(state, pairs).items()}


def write_state(state: State, layout: Layout, pairs: Pairs, given: Mapping[str, Array]) -> None:
    """Copy `given` into `state` and `pairs`, all of it or nothing; the derived arrays are left to the caller.

    Raises WorldError if a name, shape or type isn't this world's, or a number can't be.
    """
    kept = _kept(state, pairs)
    check_alike(given, kept)
    cells = layout.blocked.size
    ranges = {
        "cell": (NOTHING, cells),
        "heading": (0, 4),
        "clock": (0, layout.max_steps),
        "body": (0, 3),
        "left_at": (NOTHING, cells),
        "loaded": (0, 2),
        "target": (0, cells),
        "blocked": (0, pairs.blocked_steps + 1),
    }
    check_ranges(given, ranges)
    check_generators(given["rng"])
    check_bodies(layout, given)
    _check_sides(pairs, given)
    _check_targets(pairs, given)
    for name, array in kept.items():
        array[...] = given[name]


def _kept(state: State, pairs: Pairs) -> dict[str, Array]:
    robots = {name: getattr(state, name) for name in _OF_ROBOTS}
    return robots | {name: getattr(pairs, name) for name in _OF_PAIRS}


def _check_sides(pairs: Pairs, given: Mapping[str, Array]) -> None:
    """Nobody gets through the wall, nor comes back from being towed on its other side."""
    for name in ("cell", "left_at"):
        for side, allowed in enumerate(pairs.sides):
            if not np.isin(given[name][:, side::2], [NOTHING, *allowed]).all():
                raise WorldError(f"a broken state: {name} has a robot on the other side of the wall")


def _check_targets(pairs: Pairs, given: Mapping[str, Array]) -> None:
    """Each robot's target goes with its load."""
    target, robot = given["target"], np.arange(pairs.point.size)
    at_end = (target[:, :, None] == pairs.ends).any(axis=2)
    for_point = given["loaded"] != robot % 2
    if np.where(for_point, target != pairs.point, ~at_end).any():
        raise WorldError("a broken state: target doesn't go with loaded")
