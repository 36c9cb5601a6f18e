"""RWARE's flattened observation, written from `State.look` straight into the caller's array.

`look` is a copy of the floor in which each cell says in one byte what a robot sees there: 1 + heading of a robot in the
low three bits, then a bit for a shelf and one for "requested". It has a border as wide as the sensor's range, so that
no window leaves it. Every function that changes a cell calls `relook` for it.

One row is: column, row (RWARE's order), loaded, heading (4), on the highway; then 7 numbers for each cell of the
window, row by row, not turned with the robot: robot there, its heading (4, up where there is none), shelf, requested.
"""

import numpy as np
import numpy.typing as npt

from env_server.warehouse.compiled import compiled
from env_server.warehouse.state import I32, NOTHING, ONLINE, Layout, State

SELF, PER_CELL = 8, 7
ROBOT_BITS, SHELF_BIT, REQUEST_BIT, SIGHTS = 7, 8, 16, 32
Rows = npt.NDArray[np.int8] | npt.NDArray[np.int16]


def rware_size(sensor_range: int) -> int:
    """Numbers in RWARE's flattened observation: 71 at range 1."""
    return SELF + PER_CELL * (2 * sensor_range + 1) ** 2


def padded_cells(layout: Layout) -> int:
    """Cells of one copy's `look`."""
    return (layout.height + 2 * layout.sight) * (layout.width + 2 * layout.sight)


def sights(dtype: np.dtype[np.generic]) -> npt.NDArray[np.generic]:
    """The seven numbers that stand for each value of `look`, one after the other; empty cells read heading up."""
    table = np.zeros((SIGHTS, PER_CELL), dtype)
    look = np.arange(SIGHTS)
    robot = look & ROBOT_BITS
    table[:, 0] = robot > 0
    table[look, np.clip(robot, 1, 4)] = 1
    table[:, 5] = look & SHELF_BIT > 0
    table[:, 6] = look & REQUEST_BIT > 0
    return table.reshape(-1)


@compiled
def relook(state: State, layout: Layout, e: int, cell: int) -> None:
    """Bring `look` up to date with the robot, shelf and request at `cell`. A wall of a map reads like a shelf."""
    seen = 0
    robot = state.robot_at[e, cell]
    if robot >= 0:
        seen = 1 + state.heading[e, robot]
    shelf = state.standing[e, cell]
    if shelf >= 0:
        seen += SHELF_BIT
        if state.requested[e, shelf]:
            seen += REQUEST_BIT
    elif layout.blocked[cell]:
        seen += SHELF_BIT
    wide = layout.width + 2 * layout.sight
    state.look[e, (cell // layout.width + layout.sight) * wide + cell % layout.width + layout.sight] = seen


@compiled
def relook_requests(state: State, layout: Layout, e: int, before: I32) -> None:
    """Bring `requested` and `look` up to date after the queue was `before` (Q,)."""
    if state.shelf_cell.shape[1] == 0:
        return
    for q in range(before.size):
        if state.queue[e, q] != before[q]:
            state.requested[e, before[q]] = 0
    for q in range(before.size):
        if state.queue[e, q] != before[q]:
            state.requested[e, state.queue[e, q]] = 1
            relook(state, layout, e, state.shelf_cell[e, before[q]])
            relook(state, layout, e, state.shelf_cell[e, state.queue[e, q]])


@compiled
def derive(state: State, layout: Layout, e: int) -> None:
    """Make the derived arrays of copy `e` anew from the others."""
    state.robot_at[e] = NOTHING
    state.standing[e] = NOTHING
    state.requested[e] = 0
    state.look[e] = 0
    for n in range(state.cell.shape[1]):
        if state.cell[e, n] >= 0:
            state.robot_at[e, state.cell[e, n]] = n
    for shelf in range(state.shelf_cell.shape[1]):
        state.standing[e, state.shelf_cell[e, shelf]] = shelf
    if state.shelf_cell.shape[1] > 0:
        for q in range(state.queue.shape[1]):
            state.requested[e, state.queue[e, q]] = 1
    for cell in range(layout.blocked.size):
        relook(state, layout, e, cell)


@compiled
def write_row(state: State, layout: Layout, e: int, n: int, table: Rows, row: Rows) -> None:
    """Robot n's observation into `row` (D,); `table` is what `sights` gives. All zeros if the robot is offline."""
    if state.body[n] != ONLINE:
        row[:] = 0
        return
    cell = state.cell[e, n]
    at_row, at_column = cell // layout.width, cell % layout.width
    row[0] = at_column
    row[1] = at_row
    row[2] = state.carrying[e, n] >= 0
    row[3:7] = 0
    row[3 + state.heading[e, n]] = 1
    row[7] = layout.highway[cell]
    side = 2 * layout.sight + 1
    wide = layout.width + 2 * layout.sight
    corner = at_row * wide + at_column
    look = state.look[e]
    at = SELF
    for _ in range(side):
        for k in range(side):
            first = look[corner + k] * PER_CELL  # a table has no branches that the processor could guess wrong
            for part in range(PER_CELL):
                row[at + part] = table[first + part]
            at += PER_CELL
        corner += wide
