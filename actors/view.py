"""What a planner sees: the floor once, and who stands where in each step. A world that has robots on a floor fills it.

A cell is row * width + column. Headings and sides are numbered up, down, left, right; -1 (NOTHING) stands for none.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

I32 = npt.NDArray[np.int32]
U8 = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]

NOTHING = -1
UP, DOWN, LEFT, RIGHT = 0, 1, 2, 3
NOOP, FORWARD, TURN_LEFT, TURN_RIGHT, TOGGLE = 0, 1, 2, 3, 4


@dataclass(frozen=True, eq=False)
class FloorView:
    """What never changes, the same in all copies: bool (height, width).

    Nobody can be on a `blocked` cell. Off the `highway` shelves stand: unloaded robots pass under them.
    """

    blocked: Flags
    highway: Flags


@dataclass(frozen=True, eq=False)
class TrafficView:
    """E copies of N robots as they are now, copy-major. Arrays may be the world's own: read, never write, don't keep.

    cell int32 (E, N), NOTHING for a robot that is off the floor; heading uint8 (E, N); loaded bool (E, N); target
    int32 (E, N), the cell that the robot's order leads to now, NOTHING without one; lifts bool (E, N): in the target
    cell it must toggle; delivers bool (E, N): to be there is a delivery; online bool (N,); standing int32 (E, cells),
    NOTHING where no shelf stands or is carried.
    """

    cell: I32
    heading: U8
    loaded: Flags
    target: I32
    lifts: Flags
    delivers: Flags
    online: Flags
    standing: I32
