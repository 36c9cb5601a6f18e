"""One copy of the warehouse as a picture, from its floor and state; for `render`, recordings and reports.

Amber is asked for, green is where it goes, blue is a robot, red is offline: a stalled robot is grey under a red cross,
a towed one leaves a broken red ring on the cell it was taken from.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from env_server.warehouse import sprites
from env_server.warehouse.floor import Floor
from env_server.warehouse.sprites import Sprite
from env_server.warehouse.state import DELIVER, NOTHING, STALLED, TOWED, State

Image = npt.NDArray[np.uint8]
Cells = npt.NDArray[np.integer]

WIDEST, HIGHEST, LARGEST_CELL = 1600, 1000, 32  # pixels
SMALLEST_ROBOT = 9  # pixels; on big maps robots are drawn larger than their cell, or nobody would find them


def cell_size_for(floor: Floor) -> int:
    """Pixels per cell that keep the picture within 1600 x 1000: 20 on the 47 x 28 grid, 3 on a 140 x 500 map."""
    return max(1, min(LARGEST_CELL, WIDEST // floor.width, HIGHEST // floor.height))


def border_of(cell_size: int) -> int:
    """Pixels of wall around the floor."""
    return max(2, cell_size // 4)


def draw(floor: Floor, state: State, copy: int = 0, cell_size: int | None = None) -> Image:
    """Copy `copy` of `state` as uint8 (height, width, 3).

    Both sides are even numbers of pixels, which video encoders ask for. Cell (row, column) has its upper left corner at
    `border_of(cell_size) + cell_size * row` down and the same with `column` across.
    """
    size = cell_size_for(floor) if cell_size is None else cell_size
    canvas = empty_floor(floor, size)
    _draw_requests(canvas, floor, state, copy, size)
    queue = set(state.queue[copy].tolist())
    loads = [_load(floor, state, copy, robot, queue) for robot in range(len(state.body))]
    draw_robots(canvas, floor, state, copy, size, loads)
    return canvas


def empty_floor(floor: Floor, size: int) -> Image:
    """The picture of what never changes, with `size` pixels per cell."""
    border = border_of(size)
    height, width = floor.height * size + 2 * border, floor.width * size + 2 * border
    canvas = np.empty((height + height % 2, width + width % 2, 3), np.uint8)
    canvas[:] = sprites.WALL
    inside = canvas[border : border + floor.height * size, border : border + floor.width * size]
    free, seam = sprites.background(size)
    inside[:] = free
    inside[size - 1 :: size] = seam
    inside[:, size - 1 :: size] = seam
    stamp(canvas, floor, np.flatnonzero(floor.blocked), sprites.wall(size), size)
    stamp(canvas, floor, np.flatnonzero(~(floor.highway | floor.blocked)), sprites.slot(size), size)
    stamp(canvas, floor, floor.service, sprites.service(size, requested=False), size)
    stamp(canvas, floor, floor.goals, sprites.goal(size), size)
    return canvas


def _draw_requests(canvas: Image, floor: Floor, state: State, copy: int, size: int) -> None:
    if len(floor.shelves):
        requested = np.zeros(len(floor.shelves), np.bool_)
        requested[state.queue[copy]] = True
        stamp(canvas, floor, state.shelf_cell[copy][~requested], sprites.shelf(size, requested=False), size)
        stamp(canvas, floor, state.shelf_cell[copy][requested], sprites.shelf(size, requested=True), size)
    else:
        # the queue may name a service point twice; an order stays in it until delivered, loaded or not
        asked = np.bincount(state.queue[copy], minlength=len(floor.service))
        loaded = np.bincount(state.order[copy][state.leg[copy] == DELIVER], minlength=len(floor.service))
        stamp(canvas, floor, floor.service[asked > loaded], sprites.service(size, requested=True), size)


def draw_robots(canvas: Image, floor: Floor, state: State, copy: int, size: int, loads: Sequence[str]) -> None:
    """Put the robots of copy `copy` on the picture; `loads` says for each what `sprites.robot` shows on it."""
    shown = max(size, SMALLEST_ROBOT)
    ghosts = state.left_at[copy][(state.body == TOWED) & (state.left_at[copy] != NOTHING)]
    stamp(canvas, floor, ghosts, sprites.ghost(shown), size)
    for robot, cell in enumerate(state.cell[copy].tolist()):
        if cell != NOTHING:
            stalled = bool(state.body[robot] == STALLED)
            sprite = sprites.robot(shown, int(state.heading[copy, robot]), loads[robot], stalled)
            stamp(canvas, floor, np.array([cell]), sprite, size)


def _load(floor: Floor, state: State, copy: int, robot: int, queue: set[int]) -> str:
    if len(floor.shelves) == 0:
        return "requested" if state.leg[copy, robot] == DELIVER else "none"
    shelf = int(state.carrying[copy, robot])
    if shelf == NOTHING:
        return "none"
    return "requested" if shelf in queue else "plain"


def stamp(canvas: Image, floor: Floor, cells: Cells, sprite: Sprite, size: int) -> None:
    """Blend the sprite into the picture on each cell; one larger than a cell is centred on it and cut at the edge."""
    border = border_of(size)
    rows, columns = np.divmod(np.asarray(cells), floor.width)
    if len(sprite) == size:
        inside = canvas[border : border + floor.height * size, border : border + floor.width * size]
        blocks = inside.reshape(floor.height, size, floor.width, size, 3).swapaxes(1, 2)  # a view: cell by cell
        blocks[rows, columns] = _blend(blocks[rows, columns], sprite)
        return
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        top, left = (border + at * size + (size - len(sprite)) // 2 for at in (row, column))
        over = canvas[max(top, 0) : top + len(sprite), max(left, 0) : left + len(sprite)]
        over[:] = _blend(over, sprite[max(-top, 0) :, max(-left, 0) :][: over.shape[0], : over.shape[1]])


def _blend(under: Image, sprite: Sprite) -> Image:
    return (under * (1 - sprite[..., 3:]) + sprite[..., :3] + np.float32(0.5)).astype(np.uint8)
