"""The way to the target: what dispatch appends to RWARE's observation. The kernel writes it for each robot and step.

All of it is turned with the robot, as its actions are: sides come in the order ahead, left, right, behind. In order:

    at  number               magnitude  meaning
    0   fetch, deliver, return       1  leg of the order, one of the three set; none without an order
    3   at the target                1  1 in the target cell: to fetch or return, TOGGLE now
    4   distance          height+width  steps left on the shortest way, cut off there and at what the type holds
    5   ahead, leftward  longer side-1  the target's cell as the crow flies
    7   still                   STILL  steps since it last moved, cut off there
    8   waited                 WAITED  steps since it was nearer to the target than ever on this leg, cut off there
    9   then for each of the four sides:
        way                          1  1 nearer to the target, -1 open but not nearer, 0 closed to this robot
        near                     SIGHT  SIGHT // steps to the first robot in a straight line, 0 if none in SIGHT steps
        intent                       1  that robot's shortest way leads towards this one 1, elsewhere -1; 0 if it has
                                        none or is offline, so that it won't drive off by itself
        loaded                       1  that robot carries a shelf, so it can't give way under shelves
        returning                    1  that shelf is on its way back

RWARE's window tells where neighbours stand and face, but not whether they are loaded or where they want to go, and in a
single lane a robot that looks one cell ahead sees the other one when it is too late to wait outside.
"""

import numpy as np
import numpy.typing as npt

from env_server.warehouse.blocks import BLOCK, eight_bytes, zero_bytes_first, zero_bytes_last
from env_server.warehouse.compiled import compiled
from env_server.warehouse.dispatch import LOADED_SIGN, ORDERED_SIGN, RETURNING_SIGN, SIGHT, Dispatch
from env_server.warehouse.observe import ROBOT_BITS, SHELF_BIT
from env_server.warehouse.state import (
    DOWN,
    FETCH,
    I32,
    LEFT,
    NOTHING,
    ONLINE,
    RETURN,
    RIGHT,
    U8,
    UP,
    Layout,
    State,
)

STILL = 10
WAITED = 50  # steps; time enough for whoever is in the way to leave the longest aisle
PER_SIDE = 5
SIDES_AT = 9
WAY_SIZE = SIDES_AT + 4 * PER_SIDE
Row = npt.NDArray[np.int8] | npt.NDArray[np.int16]

# By heading, which side is ahead, left, right and behind; and which of those four each side is.
_SIDES = np.array([[UP, LEFT, RIGHT, DOWN], [DOWN, RIGHT, LEFT, UP], [LEFT, DOWN, UP, RIGHT], [RIGHT, UP, DOWN, LEFT]])
_SLOTS = np.argsort(_SIDES, axis=1)
_DOWN, _RIGHT = np.array([-1, 1, 0, 0]), np.array([0, 0, -1, 1])  # rows and columns that a step to each side makes
_ROBOTS, _SHELVES = (np.uint64(bits * 0x0101010101010101) for bits in (ROBOT_BITS, SHELF_BIT))  # of eight cells


def way_size(sensor_range: int) -> int:
    """How many numbers are appended; the same for every `sensor_range`, since SIGHT doesn't depend on it."""
    return WAY_SIZE


def way_bounds(height: int, width: int) -> npt.NDArray[np.float32]:
    """Largest magnitude of each number, f32 (WAY_SIZE,), at least 1."""
    largest = np.iinfo(np.int8 if max(height, width) <= np.iinfo(np.int8).max else np.int16).max
    offset = max(height, width, 2) - 1
    side = [1, SIGHT, 1, 1, 1]
    return np.array([1, 1, 1, 1, min(height + width, largest), offset, offset, STILL, WAITED, *side * 4], np.float32)


@compiled
def write_ways(s: State, d: Dispatch, f: Layout, e: int, flat: Row, first: int, stride: int) -> None:
    """Write every online robot's numbers in copy `e`, robot n's from `first + n * stride` of `flat` on.

    `flat` is int8 or int16, flat. Neither the way nor the neighbours are looked for step by step: each robot's way is
    kept in its `sign`, and the cells to either side of it are read eight at a time.
    """
    cells, headings, legs, signs = s.cell[e], s.heading[e], s.leg[e], d.sign[e]
    look, columns, robot_at = s.look[e], s.columns[e], s.robot_at[e]
    longest = min(f.height + f.width, np.iinfo(flat.dtype).max)
    for n in range(cells.size):
        if s.body[n] != ONLINE:
            continue
        cell, heading, at = cells[n], headings[n], first + n * stride
        for leg in range(FETCH, RETURN + 1):
            flat[at + leg - FETCH] = legs[n] == leg
        _write_target(flat, at + 3, d.target[e, n], d.left[e, n], longest, f, cell, heading)
        flat[at + 7] = min(STILL, s.still[e, n])
        flat[at + 8] = min(WAITED, s.waited[e, n])
        sides_at = at + SIDES_AT
        for side in range(4):
            if side == LEFT or side == RIGHT:
                lane, place = look, f.seen_at[cell]
            else:
                lane, place = columns, f.columns_at[cell]
            at = sides_at + PER_SIDE * _SLOTS[heading, side]
            _write_side(
                flat, at, s.body, signs, robot_at, lane, place, d.reach[cell, side], cell, f.width, signs[n], side
            )


@compiled
def _write_target(flat: Row, at: int, target: int, left: int, longest: int, f: Layout, cell: int, heading: int) -> None:
    """Whether it is reached, how far it is, and where, as seen in the direction of `heading`; zeros without one."""
    if target == NOTHING:
        for k in range(4):
            flat[at + k] = 0
        return
    flat[at] = left == 0
    flat[at + 1] = left if left < longest else longest
    down, right = f.row[target] - f.row[cell], f.column[target] - f.column[cell]
    flat[at + 2] = _DOWN[heading] * down + _RIGHT[heading] * right
    flat[at + 3] = _DOWN[_SIDES[heading, 1]] * down + _RIGHT[_SIDES[heading, 1]] * right


@compiled
def _write_side(
    flat: Row,
    at: int,
    body: U8,
    signs: U8,
    robot_at: I32,
    lane: U8,
    place: int,
    reach: int,
    cell: int,
    width: int,
    sign: int,
    side: int,
) -> None:
    """The numbers of one side of a robot at `cell`, which is `place` of `lane` (a row or a column, see observe.py).

    How far it sees is `reach`, and loaded no farther than the next shelf; the way on is closed by a shelf right there,
    unless a robot carries it, which may carry it away.
    """
    if side == UP or side == LEFT:
        word = eight_bytes(lane, place - BLOCK)
        free, clear = zero_bytes_last(word & _ROBOTS), zero_bytes_last(word & _SHELVES)
    else:
        word = eight_bytes(lane, place + 1)
        free, clear = zero_bytes_first(word & _ROBOTS), zero_bytes_first(word & _SHELVES)
    if sign & LOADED_SIGN and clear < reach:
        reach_now = clear + 1
    else:
        reach_now = reach
    for k in range(1, PER_SIDE):
        flat[at + k] = 0
    closed = reach == 0 or (sign & LOADED_SIGN and clear == 0)
    if free < reach_now:
        other = robot_at[cell + (free + 1) * (_DOWN[side] * width + _RIGHT[side])]
        theirs = signs[other]
        flat[at + 1] = SIGHT // (free + 1)
        if body[other] == ONLINE and theirs & ORDERED_SIGN:
            flat[at + 2] = 1 if theirs >> (side ^ 1) & 1 else -1  # opposite sides differ in the last bit
        flat[at + 3] = theirs & LOADED_SIGN != 0
        flat[at + 4] = theirs & RETURNING_SIGN != 0
        closed = closed and not (free == 0 and theirs & LOADED_SIGN)
    flat[at] = 0 if closed else (1 if sign >> side & 1 else -1)
