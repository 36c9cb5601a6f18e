"""A warehouse's state as plain arrays by name, and the way back, in which every number is checked before it is used.

Compiled code doesn't check its indices, so a state from a file must not get that far with a number out of range.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from env_server.arguments import check_alike, check_generators, check_ranges
from env_server.errors import WorldError
from env_server.warehouse.state import NOTHING, TOWED, UNKEPT, Layout, State
from fleet.core.spec import Array

UNBOUNDED = np.iinfo(np.int32).max
KEPT = tuple(name for name in State._fields if name not in UNKEPT)


def read_state(state: State) -> dict[str, Array]:
    """Copies of all arrays that decide the future."""
    return {name: getattr(state, name).copy() for name in KEPT}


def write_state(state: State, layout: Layout, requests: int, given: Mapping[str, Array]) -> None:
    """Copy `given` into `state`, all of it or nothing; the derived arrays are left to the caller.

    `requests` is how many different things can be in the queue. Raises WorldError if a name, shape or type isn't this
    world's, or a number can't be.
    """
    check_alike(given, {name: getattr(state, name) for name in KEPT})
    _check(layout, requests, given)
    for name in KEPT:
        getattr(state, name)[...] = given[name]


def _check(layout: Layout, requests: int, given: Mapping[str, Array]) -> None:
    cells, shelves, goals = layout.blocked.size, layout.slots.size, layout.goals.size
    ranges = {
        "cell": (NOTHING, cells),
        "heading": (0, 4),
        "carrying": (NOTHING, shelves),
        "has_delivered": (0, 2),
        "shelf_cell": (0, cells),
        "queue": (0, requests),
        "clock": (0, layout.max_steps),
        "body": (0, 3),
        "order": (NOTHING, requests),
        "leg": (0, 4),
        "station": (NOTHING, goals),
        "home": (NOTHING, cells),
        "still": (0, UNBOUNDED),
        "closest": (0, UNBOUNDED),
        "waited": (0, UNBOUNDED),
        "age": (0, UNBOUNDED),
        "left_at": (NOTHING, cells),
    }
    check_ranges(given, ranges)
    check_generators(given["rng"])
    check_bodies(layout, given)
    _check_shelves(layout, given)
    _check_orders(given)


def check_bodies(layout: Layout, given: Mapping[str, Array]) -> None:
    """Raise WorldError unless every robot of a state stands alone on a free cell or is towed."""
    cell = _whole(given["cell"])
    towed = np.broadcast_to(given["body"] == TOWED, cell.shape)
    if ((cell == NOTHING) != towed).any() or (_whole(given["left_at"])[towed] == NOTHING).any():
        raise WorldError("a broken state: a robot is off the floor only if towed, and then was taken from a cell")
    if (layout.blocked[cell[~towed]] != 0).any():
        raise WorldError("a broken state: a robot stands on a blocked cell")
    if not _distinct(cell):
        raise WorldError("a broken state: two robots in a cell")


def _check_shelves(layout: Layout, given: Mapping[str, Array]) -> None:
    cell, carrying, shelf_cell = _whole(given["cell"]), _whole(given["carrying"]), _whole(given["shelf_cell"])
    if not _distinct(carrying) or not _distinct(shelf_cell):
        raise WorldError("a broken state: two shelves in a cell, or a shelf carried twice")
    e, n = np.nonzero(carrying != NOTHING)
    if (shelf_cell[e, carrying[e, n]] != cell[e, n]).any():
        raise WorldError("a broken state: a carried shelf isn't where its robot is")
    if layout.slots.size and not _distinct(_whole(given["queue"])):
        raise WorldError("a broken state: a shelf is requested twice")


def _check_orders(given: Mapping[str, Array]) -> None:
    idle = given["leg"] == 0
    for name in ("order", "station", "home"):
        if ((given[name] == NOTHING) != idle).any():
            raise WorldError(f"a broken state: {name} doesn't go with leg")


def _whole(array: Array) -> npt.NDArray[np.int64]:
    return array.astype(np.int64)


def _distinct(rows: npt.NDArray[np.int64]) -> bool:
    """Whether no row holds a number twice, NOTHING aside."""
    ordered = np.sort(rows, axis=1)
    return not ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] != NOTHING)).any()
