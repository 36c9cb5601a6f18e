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

from env_server.warehouse.compiled import compiled
from env_server.warehouse.dispatch import Dispatch
from env_server.warehouse.state import (
    DELIVER,
    DOWN,
    FETCH,
    I32,
    LEFT,
    NO_LEG,
    NOTHING,
    ONLINE,
    RETURN,
    RIGHT,
    UP,
    State,
)

SIGHT = 8  # cells; as long as the usual aisle between two crossings
STILL = 10
WAITED = 50  # steps; time enough for whoever is in the way to leave the longest aisle
PER_SIDE = 5
SIDES_AT = 9
WAY_SIZE = SIDES_AT + 4 * PER_SIDE
Row = npt.NDArray[np.int8] | npt.NDArray[np.int16]

_SIDES = np.array([[UP, LEFT, RIGHT, DOWN], [DOWN, RIGHT, LEFT, UP], [LEFT, DOWN, UP, RIGHT], [RIGHT, UP, DOWN, LEFT]])


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
def write_way(s: State, d: Dispatch, e: int, n: int, width: int, row: Row, start: int) -> None:
    """Write robot `n`'s numbers in copy `e` of a floor `width` wide into `row[start : start + WAY_SIZE]`.

    `row` is int8 or int16 (D,). The robot is on the floor. What is called from here takes single arrays: to hand on all
    those of State and Dispatch at every call made this a hundred times slower.
    """
    for k in range(start, start + WAY_SIZE):
        row[k] = 0
    cell, leg, heading, route = s.cell[e, n], s.leg[e, n], s.heading[e, n], d.field_of[e, n]
    neighbours, fields = d.distances.neighbours, d.distances.fields
    if leg != NO_LEG:
        row[start + leg - FETCH] = 1
        goal = d.goals[s.station[e, n]] if leg == DELIVER else s.home[e, n]
        _write_target(row, start + 3, fields[route, cell], cell, goal, heading, width, neighbours.shape[0] // width)
    row[start + 7] = min(STILL, s.still[e, n])
    row[start + 8] = min(WAITED, s.waited[e, n])
    loaded = s.carrying[e, n] != NOTHING
    for k in range(4):
        side = _SIDES[heading, k]
        there = neighbours[cell, side]
        if there < 0:
            continue
        at = start + SIDES_AT + k * PER_SIDE
        if not loaded or _passable(e, there, s.standing, s.robot_at, s.carrying):
            row[at] = 1 if leg != NO_LEG and fields[route, there] < fields[route, cell] else -1
        steps, here, there = _look(e, loaded, cell, side, neighbours, s.standing, s.robot_at, s.carrying)
        if steps == 0:
            continue
        other = s.robot_at[e, there]
        row[at + 1] = SIGHT // steps
        if s.body[other] == ONLINE and s.leg[e, other] != NO_LEG:
            row[at + 2] = 1 if fields[d.field_of[e, other], here] < fields[d.field_of[e, other], there] else -1
        row[at + 3] = s.carrying[e, other] != NOTHING
        row[at + 4] = s.leg[e, other] == RETURN


@compiled
def _write_target(row: Row, at: int, left: int, cell: int, goal: int, heading: int, width: int, height: int) -> None:
    """Whether it is reached, how far it is, and where, as seen in the direction of `heading`."""
    longest = min(height + width, np.iinfo(row.dtype).max)
    row[at] = left == 0
    row[at + 1] = left if left < longest else longest
    down, right = goal // width - cell // width, goal % width - cell % width
    if heading == UP:
        ahead, leftward = -down, -right
    elif heading == DOWN:
        ahead, leftward = down, right
    elif heading == LEFT:
        ahead, leftward = -right, down
    else:
        ahead, leftward = right, -down
    row[at + 2] = ahead
    row[at + 3] = leftward


@compiled
def _passable(e: int, cell: int, standing: I32, robot_at: I32, carrying: I32) -> bool:
    """Whether no standing shelf keeps a loaded robot out; one carried there may be carried away."""
    if standing[e, cell] == NOTHING:
        return True
    robot = robot_at[e, cell]
    return bool(robot != NOTHING and carrying[e, robot] != NOTHING)


@compiled
def _look(
    e: int, loaded: bool, cell: int, side: int, neighbours: I32, standing: I32, robot_at: I32, carrying: I32
) -> tuple[int, int, int]:
    """Steps to the first robot straight ahead as far as one could drive, 0 if none; the cell before it; its own."""
    here = cell
    for steps in range(1, SIGHT + 1):
        there = neighbours[here, side]
        if there < 0:
            break
        if robot_at[e, there] != NOTHING:
            return steps, here, there
        if loaded and standing[e, there] != NOTHING:
            break
        here = there
    return 0, cell, cell
