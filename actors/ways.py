"""The cost of the way to any target, turns counted, on a floor with one-way lanes: what the planner steers by.

Two families of ways: FREE for unloaded robots, which pass under shelves, and LOADED for those that keep to the
highways. A field holds the cost *to* its target from every cell and heading; it is measured when first asked for.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from actors.compiled import compiled, inner
from actors.view import DOWN, LEFT, NOTHING, RIGHT, UP, FloorView

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]
U16 = npt.NDArray[np.uint16]
Flags = npt.NDArray[np.bool_]

FREE, LOADED = 0, 1
CLOSED = 0  # as the cost of an edge: no way there
FARTHEST = 65535  # costs are cut off here
UNDER_LOAD = 100  # more for a loaded robot into a cell where shelves stand: nowhere but at the end of its way
AROUND = 200  # more through a robot that won't move: only if there is no other way
ROOM_BYTES = 256 << 20


class Kept(NamedTuple):
    """Which fields there are: `holds` (rows, 2) their variant and family * cells + target, `row_of` the reverse."""

    holds: I64
    hand: I64  # (1,) the row that makes room next
    row_of: I32  # (variants, 2 * cells)


class Search(NamedTuple):
    """Scratch of a search over cell * 4 + heading: those to look at, in a ring, and whether each is among them."""

    queue: I32
    queued: U8


class Ways:
    """Cost fields of a floor, kept while there is room; the oldest make room first.

    `against` is what a cell costs more that a loaded robot enters against the direction of its lane.
    """

    def __init__(self, floor: FloorView, robots: int, against: int) -> None:
        cells = floor.blocked.size
        room = max(ROOM_BYTES // (8 * cells), robots)
        self.neighbours = neighbours_of(floor.blocked)
        self.costs = edge_costs(floor, self.neighbours, against)
        self.fields: U16 = np.zeros((room, 4 * cells), np.uint16)  # untouched rows take no memory
        self._search = Search(np.zeros(4 * cells, np.int32), np.zeros(4 * cells, np.uint8))
        self._kept = self._nothing_kept(1)
        self._stalled: I32 | None = None

    def watch(self, stalled: I32) -> Sequence[int]:
        """For each copy the variant of the fields to ask for: the same for all, while nobody is in the way anywhere.

        `stalled` int32 (E, N) are the cells where robots stand that won't move, NOTHING for the others.
        """
        before, copies = self._stalled, len(stalled)
        self._stalled = stalled if (stalled != NOTHING).any() else None
        if (before is None) != (self._stalled is None):
            self._kept = self._nothing_kept(1 if self._stalled is None else copies)
        elif before is not None:
            for copy in np.flatnonzero((stalled != before).any(axis=1)):
                self._kept.row_of[copy] = NOTHING
                self._kept.holds[self._kept.holds[:, 0] == copy] = NOTHING
        return [0] * copies if self._stalled is None else range(copies)

    def rows(self, variant: int, loaded: Flags, target: I32, out: I32) -> None:
        """Write the row of `fields` for each robot (N,) into `out`, NOTHING without a target. Good until called again.

        `variant` is what `watch` said.
        """
        still = np.zeros(0, np.int32) if self._stalled is None else self._stalled[variant]
        _find_rows(
            variant, loaded, target, still, out, self.neighbours, self.costs, self.fields, self._kept, self._search
        )

    def _nothing_kept(self, variants: int) -> Kept:
        rows, states = self.fields.shape
        return Kept(
            holds=np.full((rows, 2), NOTHING, np.int64),
            hand=np.zeros(1, np.int64),
            row_of=np.full((variants, states // 2), NOTHING, np.int32),
        )


def edge_costs(floor: FloorView, neighbours: I32, against: int) -> U8:
    """What it costs to leave a cell by a side, uint8 (2 families, cells, 4 sides); CLOSED where nobody can."""
    costs = np.zeros((2, *neighbours.shape), np.uint8)
    is_open = neighbours != NOTHING
    costs[FREE] = np.where(is_open, 1, CLOSED)
    costs[LOADED] = np.where(is_open, np.where(floor.highway.reshape(-1)[neighbours], 1, 1 + UNDER_LOAD), CLOSED)
    costs[LOADED][wrong_way(floor, neighbours)] += against
    return costs


def wrong_way(floor: FloorView, neighbours: I32) -> Flags:
    """Edges against the traffic, bool (cells, 4). Lanes are one-way by turns: the first right, the next left, ...

    A lane is a row or column of highway that is closed in from one side or from both. Rows and columns take turns by
    themselves, and each half of a road two cells wide has its own direction.
    """
    highway = floor.highway & ~floor.blocked
    flat = highway.reshape(-1)
    wrong = np.zeros(neighbours.shape, np.bool_)
    for axis, (back, forth) in enumerate(((UP, DOWN), (LEFT, RIGHT))):  # columns, then rows
        lane = _columns(highway) if axis == 0 else _columns(highway.T).T
        number = np.cumsum(lane.any(axis=axis)) % 2
        runs_forth = np.broadcast_to(np.expand_dims(number, axis) == 1, highway.shape).reshape(-1)
        lane = lane.reshape(-1)
        for side, is_wrong in ((back, runs_forth), (forth, ~runs_forth)):
            there = neighbours[:, side]
            wrong[:, side] = is_wrong & flat & (there != NOTHING) & flat[there] & (lane | lane[there])
    return wrong


def _columns(highway: Flags) -> Flags:
    """Cells from which highway goes on up or down, but not both to the left and to the right."""
    padded = np.pad(highway, 1)
    goes_on = padded[:-2, 1:-1] | padded[2:, 1:-1]
    open_sideways = padded[1:-1, :-2] & padded[1:-1, 2:]
    lanes: Flags = highway & goes_on & ~open_sideways
    return lanes


def neighbours_of(blocked: Flags) -> I32:
    """The cell on each side, int32 (cells, 4); NOTHING over the edge and where blocked."""
    numbers = np.arange(blocked.size, dtype=np.int32).reshape(blocked.shape)
    walled = np.pad(np.where(blocked, np.int32(NOTHING), numbers), 1, constant_values=NOTHING)
    sides = [walled[:-2, 1:-1], walled[2:, 1:-1], walled[1:-1, :-2], walled[1:-1, 2:]]
    return np.ascontiguousarray(np.stack(sides, axis=-1).reshape(-1, 4))


@compiled
def _find_rows(
    variant: int,
    loaded: Flags,
    target: I32,
    still: I32,
    out: I32,
    neighbours: I32,
    costs: U8,
    fields: U16,
    kept: Kept,
    search: Search,
) -> None:
    cells = neighbours.shape[0]
    for n in range(target.size):
        out[n] = NOTHING
        if target[n] < 0:
            continue
        family = int(loaded[n])
        key = family * cells + target[n]
        if kept.row_of[variant, key] < 0:
            row = kept.hand[0]
            kept.hand[0] = (row + 1) % fields.shape[0]
            if kept.holds[row, 0] >= 0:
                kept.row_of[kept.holds[row, 0], kept.holds[row, 1]] = NOTHING
            kept.holds[row, 0], kept.holds[row, 1] = variant, key
            kept.row_of[variant, key] = row
            _measure(target[n], costs[family], neighbours, still, search, fields[row])
        out[n] = kept.row_of[variant, key]


@inner
def _measure(target: int, costs: U8, neighbours: I32, still: I32, search: Search, out: U16) -> None:
    """Write the cost to `target` from every cell and heading into `out` (cells * 4,), looking at each until it holds.

    Costs differ little, so hardly any state is looked at twice, and a queue in order of cost would take longer.
    """
    out[:] = FARTHEST
    head, count = 0, 4
    for heading in range(4):
        out[target * 4 + heading] = 0
        search.queue[heading], search.queued[target * 4 + heading] = target * 4 + heading, 1
    while count > 0:
        state = search.queue[head]
        search.queued[state] = 0
        head, count = (head + 1) % search.queue.size, count - 1
        cell, heading = state // 4, state % 4
        for way in range(3):
            if way < 2:  # a quarter turn into this heading from one of the two beside it
                before, cost = cell * 4 + ((heading ^ 2) & 2 | way), out[state] + 1
            else:  # straight on into this cell
                behind = neighbours[cell, heading ^ 1]
                if behind < 0:
                    continue
                before, cost = behind * 4 + heading, out[state] + costs[behind, heading]
                for k in range(still.size):
                    if still[k] == cell:
                        cost += AROUND
            if cost < out[before]:
                out[before] = cost
                if search.queued[before] == 0:
                    search.queued[before] = 1
                    search.queue[(head + count) % search.queue.size] = before
                    count += 1
