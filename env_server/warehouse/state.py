"""All arrays of E warehouses. The kernel's functions take these tuples; numba sees their fields."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

I32 = npt.NDArray[np.int32]
U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]

NOTHING = -1

UP, DOWN, LEFT, RIGHT = 0, 1, 2, 3  # headings, in RWARE's order
NOOP, FORWARD, TURN_LEFT, TURN_RIGHT, TOGGLE = 0, 1, 2, 3, 4  # actions, in RWARE's order
ACTIONS = TOGGLE + 1
NO_LEG, FETCH, DELIVER, RETURN = 0, 1, 2, 3  # legs of an order
ONLINE, STALLED, TOWED = 0, 1, 2
INDIVIDUAL, GLOBAL, TWO_STAGE, DENSE = 0, 1, 2, 3  # rewards


class State(NamedTuple):
    """First axis: the copy. A cell is row * width + column; `NOTHING` (-1) stands for none.

    The first block decides the future and is what `state()` gives; from `standing` on all is derived from it, but for
    `illegal`, which decides nothing.
    """

    cell: I32  # (E, N) where each robot is; NOTHING when towed
    heading: U8  # (E, N)
    carrying: I32  # (E, N) shelf number
    has_delivered: U8  # (E, N) two-stage reward: delivered, and not yet unloaded off the highway
    shelf_cell: I32  # (E, S); a carried shelf's is its robot's
    queue: I32  # (E, Q) requested shelves, in RWARE's order
    clock: I32  # (E,) steps into the episode
    rng: npt.NDArray[np.uint64]  # (E, 4) xoshiro256** state
    body: U8  # (N,) ONLINE, STALLED, TOWED; the same in all copies
    order: I32  # (E, N) the shelf (map files: index into service points) each robot was sent for
    leg: U8  # (E, N)
    station: I32  # (E, N) goal number of the order
    home: I32  # (E, N) cell the order's shelf goes back to
    still: I32  # (E, N) steps since the robot last moved
    closest: I32  # (E, N) fewest steps to the target that were left on this leg; FAR before its first step
    waited: I32  # (E, N) steps since then
    age: I32  # (E, N) steps on this leg
    left_at: I32  # (E, N) cell a towed robot was taken from
    deliveries: npt.NDArray[np.int64]  # (E, N) since the world was made
    standing: I32  # (E, cells) shelf standing or carried there: RWARE's shelf layer
    robot_at: I32  # (E, cells)
    requested: U8  # (E, S) 1 if the shelf is in the queue
    look: U8  # (E, look_bytes) what a robot sees of a cell; see observe.py
    illegal: npt.NDArray[np.int64]  # (E, N) actions outside the space since the world was made


UNKEPT = ("standing", "robot_at", "requested", "look", "illegal")


class Layout(NamedTuple):
    """What never changes and is the same in all copies: the floor and the rules in force."""

    height: int
    width: int
    sight: int  # sensor range
    blocked: U8  # (cells,)
    ahead: I32  # (cells, 4) the cell ahead by heading; the same cell where the floor ends or the way is blocked
    seen_at: I32  # (cells,) where in `look` a robot sees the cell
    columns_at: I32  # (cells,) where in `look` it stands once more, column by column, with dispatch on
    row: I32  # (cells,)
    column: I32  # (cells,)
    highway: U8  # (cells,)
    goals: I32  # (G,) cells, in RWARE's order
    slots: I32  # (S,) cells the shelves start on
    starts: I32  # cells an episode may start on
    reward: int  # INDIVIDUAL, GLOBAL, TWO_STAGE or DENSE
    dispatched: bool  # whether robots are handed orders
    turned: bool  # whether robots see their surroundings turned with them, see turned.py
    max_steps: int


class Scratch(NamedTuple):
    """Working space of one step of one copy; holds nothing between copies. `entrant` is all NOTHING there."""

    asks: I32  # (N,) robots that try to drive forward
    going: I32  # (N,) those of them that neither wall nor shelf keeps back
    goes: U8  # (N,) whether a robot is one of `going`
    movers: I32  # (N,) the result: robots that move in this step
    taken: U8  # (N,) what each of `movers` takes with it out of the look of its cell
    target: I32  # (N,) the cell asked for
    waiting: I32  # (N,) robots behind, not yet looked at
    depth: I32  # (N,) robots in the longest chain that ends with this one
    entrant: I32  # (cells,) robot with the best claim to the cell
    before: I32  # (N,) cells before the moves
    actions: U8  # (N,) of this copy
    rewards: F32  # (N,) of this copy
