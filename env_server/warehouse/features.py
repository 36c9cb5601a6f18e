"""The way to the target: what dispatch appends to RWARE's observation. The kernel writes it for each robot and step.

All of it is turned with the robot, as its actions are: sides come in the order ahead, left, right, behind. In order:

    at  number               magnitude  meaning
    0   fetch, deliver, return       1  leg of the order, one of the three set; none without an order
    3   at the target                1  1 in the target cell: to fetch or return, TOGGLE now
    4   distance          height+width  what is left of the shortest way, cut off there and at what the type holds:
                                        steps, and `world.against` more for each cell against a loaded robot's lane
    5   ahead, leftward  longer side-1  the target's cell as the crow flies
    7   still                   STILL  steps since it last moved, cut off there
    8   waited                 WAITED  steps since it was nearer to the target than ever on this leg, cut off there
    9   then for each of the four sides:
        way                          1  1 nearer to the target, -1 open but not nearer, 0 closed to this robot; in
                                        time, 1 is only a side by which no other is sooner there
        near                     SIGHT  SIGHT // steps to the first robot in a straight line, 0 if none in SIGHT steps
        intent                       1  that robot's shortest way leads towards this one 1, elsewhere -1; 0 if it has
                                        none or is offline, so that it won't drive off by itself
        loaded                       1  that robot carries a shelf, so it can't give way under shelves
        returning                    1  that shelf is on its way back
    29  with `way = "time"`, then for each of the four sides:
        detour          LONGEST_DETOUR  how much later the target is reached by it, with nobody in the way; 0 without
                                        an order

RWARE's window tells where neighbours stand and face, but not whether they are loaded or where they want to go, and in a
single lane a robot that looks one cell ahead sees the other one when it is too late to wait outside.
"""

import numpy as np
import numpy.typing as npt

from env_server.warehouse.blocks import BLOCK, backwards, copy_four, eight_bytes, zero_bytes
from env_server.warehouse.compiled import compiled
from env_server.warehouse.dispatch import (
    LOADED_SIGN,
    LONGEST_DETOUR,
    RETURNING_SIGN,
    SIGHT,
    STILL,
    UNDER_WAY_SIGN,
    Dispatch,
)
from env_server.warehouse.observe import ROBOT_BITS, SHELF_BIT
from env_server.warehouse.state import (
    DELIVER,
    DOWN,
    FETCH,
    LEFT,
    NOTHING,
    ONLINE,
    RETURN,
    RIGHT,
    UP,
    Layout,
    State,
)

WAITED = 50  # steps; time enough for whoever is in the way to leave the longest aisle
PER_SIDE = 5
SIDES_AT = 9
WAY_SIZE = SIDES_AT + 4 * PER_SIDE
Row = npt.NDArray[np.int8] | npt.NDArray[np.int16]

# By heading, which side is ahead, left, right and behind.
SIDES = np.array([[UP, LEFT, RIGHT, DOWN], [DOWN, RIGHT, LEFT, UP], [LEFT, DOWN, UP, RIGHT], [RIGHT, UP, DOWN, LEFT]])
DOWNWARD, RIGHTWARD = (
    np.array([-1, 1, 0, 0]),
    np.array([0, 0, -1, 1]),
)  # rows and columns that a step to each side makes
_FIRST = np.array([-BLOCK, 1, -BLOCK, 1])  # where the eight cells to each side begin in their row or column
_ROBOTS, _SHELVES = (np.uint64(bits * 0x0101010101010101) for bits in (ROBOT_BITS, SHELF_BIT))  # of eight cells


def way_size(timed: bool) -> int:
    """How many numbers are appended."""
    return WAY_SIZE + (4 if timed else 0)


def way_bounds(height: int, width: int, timed: bool = False) -> npt.NDArray[np.float32]:
    """Largest magnitude of each number, f32 (way_size(timed),), at least 1."""
    largest = np.iinfo(np.int8 if max(height, width) <= np.iinfo(np.int8).max else np.int16).max
    offset = max(height, width, 2) - 1
    side = [1, SIGHT, 1, 1, 1]
    detours = [LONGEST_DETOUR] * (way_size(timed) - WAY_SIZE)
    return np.array(
        [1, 1, 1, 1, min(height + width, largest), offset, offset, STILL, WAITED, *side * 4, *detours], np.float32
    )


def make_others(dtype: np.dtype[np.generic]) -> npt.NDArray[np.generic]:
    """What stands for the first robot to a side, four numbers per entry, flat.

    An entry is 16 * the free cells before it + 8 if its way leads here + its sign's upper bits; SIGHT cells: none.
    """
    table = np.zeros((SIGHT + 1, 2, 8, PER_SIDE - 1), dtype)
    table[:SIGHT, :, :, 0] = (SIGHT // np.arange(1, SIGHT + 1))[:, None, None]
    shown = np.arange(8) << 4
    table[:, 0, shown & UNDER_WAY_SIGN > 0, 1] = -1
    table[:, 1, shown & UNDER_WAY_SIGN > 0, 1] = 1
    table[:, :, :, 2] = shown & LOADED_SIGN > 0
    table[:, :, :, 3] = shown & RETURNING_SIGN > 0
    return table.reshape(-1)


@compiled
def write_ways(s: State, d: Dispatch, f: Layout, e: int, others: Row, flat: Row, first: int, stride: int) -> None:
    """Write every online robot's numbers in copy `e`, robot n's from `first + n * stride` of `flat` on.

    `flat` is int8 or int16, flat.
    """
    cells, headings, legs, targets, left = s.cell[e], s.heading[e], s.leg[e], d.target[e], d.left[e]
    still, waited, body = s.still[e], s.waited[e], s.body
    longest = min(f.height + f.width, np.iinfo(flat.dtype).max)
    for n in range(cells.size):
        if body[n] != ONLINE:
            continue
        at, leg = first + n * stride, legs[n]
        flat[at] = leg == FETCH
        flat[at + 1] = leg == DELIVER
        flat[at + 2] = leg == RETURN
        _write_target(f, flat, at + 3, cells[n], headings[n], targets[n], min(left[n], longest))
        flat[at + 7] = min(STILL, still[n])
        flat[at + 8] = min(WAITED, waited[n])
        if d.distances.timed:
            _write_detours(d, e, n, headings[n], flat, at + WAY_SIZE)
    _write_sides(s, d, f, e, others, flat, first + SIDES_AT, stride)


@compiled
def _write_target(f: Layout, flat: Row, at: int, cell: int, heading: int, target: int, left: int) -> None:
    """Whether it is reached, how far it is, and where, as seen in the direction of `heading`; zeros without one."""
    flat[at] = cell == target
    if target == NOTHING:
        target, left = cell, 0
    down, right = f.row[target] - f.row[cell], f.column[target] - f.column[cell]
    leftward = SIDES[heading, 1]
    flat[at + 1] = left
    flat[at + 2] = DOWNWARD[heading] * down + RIGHTWARD[heading] * right
    flat[at + 3] = DOWNWARD[leftward] * down + RIGHTWARD[leftward] * right


@compiled
def _write_detours(d: Dispatch, e: int, n: int, heading: int, flat: Row, at: int) -> None:
    """What each side would cost robot `n`, from `at` on; zeros without a target."""
    for k in range(4):
        flat[at + k] = 0 if d.target[e, n] == NOTHING else d.detour[e, n, SIDES[heading, k]]


@compiled
def _write_sides(s: State, d: Dispatch, f: Layout, e: int, others: Row, flat: Row, first: int, stride: int) -> None:
    """The four sides of every online robot; here and in what is called no branch depends on what a robot sees.

    The cells ahead are read eight at a time, from the rows or the columns of `look`.
    """
    cells, headings, signs, robot_at, look, body = s.cell[e], s.heading[e], d.sign[e], s.robot_at[e], s.look[e], s.body
    reaches, in_row, in_column, width = d.reach, f.seen_at, f.columns_at, f.width
    for n in range(cells.size):
        if body[n] != ONLINE:
            continue
        cell, heading, sign, at = cells[n], headings[n], signs[n], first + n * stride
        row_place, column_place = in_row[cell], in_column[cell]
        for k in range(4):
            side = SIDES[heading, k]
            word = eight_bytes(look, (row_place if side >= LEFT else column_place) + _FIRST[side])
            word = word if side & 1 else backwards(word)
            free, clear = zero_bytes(word & _ROBOTS), zero_bytes(word & _SHELVES)
            loaded, reach = sign & LOADED_SIGN != 0, reaches[cell, side]
            # loaded, it sees as far as the next shelf and what is there
            seen = free < (min(reach, clear + 1) if loaded else reach)
            step = DOWNWARD[side] * width + RIGHTWARD[side]
            theirs = signs[robot_at[cell + (free + 1) * step if seen else cell]] if seen else np.uint8(0)
            # a shelf right ahead is in the way, unless a robot there carries it and may carry it away
            shelf = loaded & (clear == 0) & ((free > 0) | (theirs & LOADED_SIGN == 0))
            flat[at] = 0 if shelf | (reach == 0) else 2 * (sign >> side & 1) - 1
            entry = 16 * (free if seen else SIGHT) + 8 * (theirs >> (side ^ 1) & 1) + (theirs >> 4)
            copy_four(flat, at + 1, others, entry * 4)
            at += PER_SIDE
