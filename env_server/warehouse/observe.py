"""RWARE's flattened observation, written from `State.look` straight into the caller's array.

`look` is a copy of the floor in which each cell says in one byte what a robot sees there: 1 + heading of a robot in the
low three bits, then a bit for a shelf and one for "requested". It has a border as wide as the sensor's range, so that
no window leaves it, and GUARD bytes at both ends, so that eight bytes to either side of a cell can always be read.
Every function that changes a cell brings it up to date, most of them by `relook`.

One row is: column, row (RWARE's order), loaded, heading (4), on the highway; then 7 numbers for each cell of the
window, row by row, not turned with the robot: robot there, its heading (4, up where there is none), shelf, requested.
It is written left to right in blocks of eight numbers taken from tables; the next cell overwrites a cell's eighth.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from env_server.warehouse.blocks import BLOCK, add_eight, copy_eight, copy_seven
from env_server.warehouse.compiled import compiled
from env_server.warehouse.floor import Floor
from env_server.warehouse.state import NOTHING, ONLINE, Layout, State

SELF, PER_CELL = 8, 7
ROBOT_BITS, SHELF_BIT, REQUEST_BIT, SIGHTS = 7, 8, 16, 32
GUARD = 8
Rows = npt.NDArray[np.int8] | npt.NDArray[np.int16]


class Tables(NamedTuple):
    """What rows are put together from, in the type of the observation; flat, a block of eight numbers per entry."""

    places: Rows  # (cells * 8,) the first eight numbers as far as the cell decides them
    poses: Rows  # (8 * 8,) the same by heading + 4 * loaded; the two add up
    sights: Rows  # (SIGHTS * 8,) the seven numbers that stand for each value of `look`, and a zero


def make_tables(floor: Floor, dtype: np.dtype[np.generic]) -> Tables:
    """The tables for observations of `dtype` on `floor`."""
    cells = np.arange(floor.cells)
    places = np.zeros((floor.cells, BLOCK), dtype)
    places[:, 0], places[:, 1] = cells % floor.width, cells // floor.width
    places[:, 7] = floor.highway.ravel()
    poses = np.zeros((8, BLOCK), dtype)
    poses[4:, 2] = 1
    poses[np.arange(8), 3 + np.arange(8) % 4] = 1
    return Tables(places.reshape(-1), poses.reshape(-1), _sights(dtype).reshape(-1))  # type: ignore[arg-type]


def _sights(dtype: np.dtype[np.generic]) -> npt.NDArray[np.generic]:
    """Empty cells read heading up."""
    table = np.zeros((SIGHTS, BLOCK), dtype)
    look = np.arange(SIGHTS)
    robot = look & ROBOT_BITS
    table[:, 0] = robot > 0
    table[look, np.clip(robot, 1, 4)] = 1
    table[:, 5] = look & SHELF_BIT > 0
    table[:, 6] = look & REQUEST_BIT > 0
    return table


def rware_size(sensor_range: int) -> int:
    """Numbers in RWARE's flattened observation: 71 at range 1."""
    return SELF + PER_CELL * (2 * sensor_range + 1) ** 2


def rware_bounds(height: int, width: int, sensor_range: int) -> npt.NDArray[np.float32]:
    """Largest magnitude of each of them, f32."""
    bound = np.ones(rware_size(sensor_range), np.float32)
    bound[:2] = max(width - 1, 1), max(height - 1, 1)
    return bound


def look_bytes(height: int, width: int, sight: int, dispatched: bool) -> int:
    """Size of one copy's `look`."""
    columns = height * width + GUARD if dispatched else 0
    return (height + 2 * sight) * (width + 2 * sight) + 2 * GUARD + columns


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
    state.look[e, layout.seen_at[cell]] = seen
    if layout.dispatched:
        state.look[e, layout.columns_at[cell]] = seen


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
def write_rows(
    state: State, layout: Layout, e: int, tables: Tables, flat: Rows, first: int, stride: int, size: int
) -> None:
    """RWARE's part of every robot's row in copy `e`; robot n's begins at `first + n * stride` of `flat`.

    An offline robot's whole row of `size` numbers is made zero.
    """
    cells, heading, carrying, look = state.cell[e], state.heading[e], state.carrying[e], state.look[e]
    places, poses, sights = tables.places, tables.poses, tables.sights
    body, seen_at = state.body, layout.seen_at
    side, wide = 2 * layout.sight + 1, layout.width + 2 * layout.sight
    for n in range(cells.size):
        at = first + n * stride
        if body[n] != ONLINE:
            flat[at : at + size] = 0
            continue
        pose = heading[n] + (4 if carrying[n] >= 0 else 0)
        add_eight(flat, at, places, cells[n] * BLOCK, poses, pose * BLOCK)
        at += SELF
        seen = seen_at[cells[n]] - layout.sight * (wide + 1)
        for row in range(side):
            last = row == side - 1
            for k in range(side - 1 if last else side):
                copy_eight(flat, at, sights, look[seen + k] * BLOCK)
                at += PER_CELL
            seen += wide
        copy_seven(flat, at, sights, look[seen - wide + side - 1] * BLOCK)
