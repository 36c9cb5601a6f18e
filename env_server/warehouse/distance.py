"""Shortest-path distances to any cell of a floor, in steps, and the room in which fields of them are kept (kept.py).

The floor's walls and highways come in once; dispatch asks for a field whenever a robot's target changes, and the dense
reward and the way in the observation read it in every step. A field holds the distance *to* its target from every cell.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from actors.view import FloorView
from actors.ways import neighbours_of, wrong_way
from env_server.warehouse.compiled import compiled
from env_server.warehouse.state import I32, NOTHING, U8

U16 = npt.NDArray[np.uint16]

FREE, LOADED = 0, 1  # families: an unloaded robot passes under shelves, a loaded one keeps to the highways
FAR = 65535  # no way at all; longer ways than FAR - 1 read FAR - 1
DEFAULT_BOUND = 2 << 30


class Distances(NamedTuple):
    """The fields kept, which target each is for, and what decides which of them makes room for the next."""

    neighbours: I32  # (cells, 4) up, down, left, right; NOTHING over the edge or where blocked
    costs: U8  # (cells, 4) what a loaded robot's step from one highway cell to the next counts, by side
    highway: U8  # (cells,) 1 where no shelf can stand
    timed: bool  # distances count quarter turns, and so depend on the heading
    fields: U16  # (C, cells), timed (C, cells * 4): of each heading
    field_of: I32  # (2, cells) field of a family and target cell, NOTHING if not kept
    holds: I32  # (C,) family * cells + target of each field
    users: I32  # (C,) robots on their way by this field; it stays while there is one
    recent: U8  # (C,) asked for since the hand last passed: stays one more turn
    hand: I32  # (1,) where the search for room goes on
    frontier: I32  # as wide as a field: scratch of the search
    queued: U8  # the same: whether a place is in `frontier`
    complete: bool  # whether every target has room, so that nothing is ever thrown out


def capacity(places: int, targets: int, in_use: int, bound: int = DEFAULT_BOUND) -> int:
    """Fields of so many `places` to make room for.

    All `targets` within `bound` bytes, else what fits, but more than are `in_use`.
    """
    return min(targets, max(bound // (2 * places), in_use + 1))


def distance_bytes(places: int, targets: int, in_use: int, bound: int = DEFAULT_BOUND) -> int:
    """What the fields take once all of them are filled."""
    return 2 * places * capacity(places, targets, in_use, bound)


def make_distances(
    blocked: npt.NDArray[np.bool_],
    highway: npt.NDArray[np.bool_],
    targets: int,
    in_use: int,
    bound: int = DEFAULT_BOUND,
    against: int = 0,
    timed: bool = False,
) -> Distances:
    """Distances on the floor `blocked`, `highway`, bool (H, W).

    `targets` is how many different (family, cell) pairs can ever be asked for, `in_use` how many at once (robots x
    copies). On a floor where nothing is lifted every open cell is a highway and only FREE is asked for. `against` is
    what a loaded robot's step against its lane counts more than 1 (see `actors.ways.wrong_way`), at most 254.
    """
    cells, neighbours = blocked.size, neighbours_of(blocked)
    places = poses(timed) * cells
    room = capacity(places, targets, in_use, bound)
    return Distances(
        neighbours=neighbours,
        costs=(1 + against * wrong_way(FloorView(blocked, highway), neighbours)).astype(np.uint8),
        highway=highway.reshape(-1).astype(np.uint8),
        timed=timed,
        fields=np.zeros((room, places), np.uint16),
        field_of=np.full((2, cells), NOTHING, np.int32),
        holds=np.full(room, NOTHING, np.int32),
        users=np.zeros(room, np.int32),
        recent=np.zeros(room, np.uint8),
        hand=np.zeros(1, np.int32),
        frontier=np.zeros(places, np.int32),
        queued=np.zeros(places, np.uint8),
        complete=room >= targets,
    )


def poses(timed: bool) -> int:
    """How many distances a field has for each cell."""
    return 4 if timed else 1


@compiled
def measure(d: Distances, family: int, target: int, out: U16) -> None:
    """Write the distance to `target` from every cell into `out` (cells,)."""
    out[:] = FAR
    out[target] = 0
    d.frontier[0] = target
    if family == FREE:
        _spread(d, out, 1)
        return
    # First along the highways. Then into what lies beside them, so that no way leads through a slot where one leads
    # around it: a robot that has just loaded stands in a slot, and one in a pocket may have come through an empty one.
    _spread(d, out, _drive_back(d, out))


@compiled
def _drive_back(d: Distances, out: U16) -> int:
    """From the target, first in `frontier`, back along the highways; how many cells are reached.

    Leaves them in `frontier`, nearest first. Looks at each cell until it holds: hardly any is looked at twice.
    """
    head, count, room = 0, 1, d.frontier.size
    while count > 0:
        here = d.frontier[head]
        head, count = (head + 1) % room, count - 1
        d.queued[here] = 0
        for side in range(4):
            there = d.neighbours[here, side]
            if there < 0 or d.highway[there] == 0:
                continue
            cost = min(out[here] + d.costs[there, side ^ 1], FAR - 1)  # from there one comes by the opposite side
            count = lower(d, out, there, cost, head, count)
    for cell in range(out.size):
        if out[cell] != FAR:
            d.frontier[count] = cell
            count += 1
    _sort(d.frontier, count, out)
    return count


@compiled
def lower(d: Distances, out: U16, place: int, cost: int, head: int, count: int) -> int:
    """Have `place` looked at again if `cost` is less than was known; how many then wait in the ring from `head` on."""
    if cost >= out[place]:
        return count
    out[place] = cost
    if d.queued[place] == 1:
        return count
    d.queued[place] = 1
    d.frontier[(head + count) % d.frontier.size] = place
    return count + 1


@compiled
def _sort(cells: I32, count: int, keys: U16) -> None:
    """Put the first `count` of `cells` in order of their keys, by shellsort: compiled code here makes no arrays."""
    gap = count // 2
    while gap > 0:
        for i in range(gap, count):
            cell, k = cells[i], i
            while k >= gap and keys[cells[k - gap]] > keys[cell]:
                cells[k] = cells[k - gap]
                k -= gap
            cells[k] = cell
        gap //= 2


@compiled
def _spread(d: Distances, out: U16, reached: int) -> None:
    """Go on from the `reached` cells in `frontier`, nearest first, into new ones."""
    head, tail = 0, reached
    while head < tail:
        here = d.frontier[head]
        head += 1
        steps = out[here] + 1
        if steps == FAR:
            steps = FAR - 1
        for side in range(4):
            there = d.neighbours[here, side]
            if there >= 0 and out[there] == FAR:
                out[there] = steps
                d.frontier[tail] = there
                tail += 1


def nearest_of(d: Distances, places: I32) -> I32:
    """Number in `places` (cells on the highway) of the one nearest to each cell for a loaded robot, int32 (cells,).

    Of equally near ones the first; NOTHING where none can be reached.
    """
    nearest = np.full(d.highway.size, NOTHING, np.int32)
    _spread_nearest(d, places, nearest)
    return nearest


@compiled
def _spread_nearest(d: Distances, places: I32, nearest: I32) -> None:
    """Fill `nearest` (cells,), which is all NOTHING, by one search from all `places` at once."""
    for number in range(places.size):
        nearest[places[number]] = number
        d.frontier[number] = places[number]
    head, tail = 0, places.size
    while head < tail:
        here = d.frontier[head]
        head += 1
        if d.highway[here] == 0:
            continue
        for side in range(4):
            there = d.neighbours[here, side]
            if there >= 0 and nearest[there] == NOTHING:
                nearest[there] = nearest[here]
                d.frontier[tail] = there
                tail += 1
