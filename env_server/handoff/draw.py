"""One copy of the handoff task as a picture: the warehouse's, with a gap in the wall at each transfer point.

A pick-up cell is amber while its load waits there; a transfer point is green, and red while it is blocked.
"""

import numpy as np
import numpy.typing as npt

from env_server.handoff.state import Pairs
from env_server.warehouse import sprites
from env_server.warehouse.draw import cell_size_for, draw_robots, empty_floor, stamp
from env_server.warehouse.floor import Floor
from env_server.warehouse.state import State


def draw(floor: Floor, state: State, pairs: Pairs, copy: int = 0) -> npt.NDArray[np.uint8]:
    """Copy `copy` as uint8 (height, width, 3)."""
    size = cell_size_for(floor)
    canvas = empty_floor(floor, size)
    loaded, blocked = pairs.loaded[copy] == 1, pairs.blocked[copy] > 0
    points = pairs.point[::2]
    stamp(canvas, floor, pairs.target[copy][::2][~loaded[::2]], sprites.service(size, requested=True), size)
    stamp(canvas, floor, points[~blocked], sprites.transfer(size, blocked=False), size)
    stamp(canvas, floor, points[blocked], sprites.transfer(size, blocked=True), size)
    draw_robots(canvas, floor, state, copy, size, ["requested" if full else "none" for full in loaded])
    return canvas
