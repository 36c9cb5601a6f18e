"""What a robot sees around itself, turned with it: in place of RWARE's part of the observation, `window = "turned"`.

In order:

    at  number          meaning
    0   highway         it stands where no shelf may
    1   then for each of the four sides, in the order of `SIDES`:
        shelter         the next cell is off the highway, where an unloaded robot is in nobody's way
        faces           the first robot in a straight line faces this one 1, away from it -1, aside 0
        senior          that robot has been on its leg for longer 1, not so long -1; 0 if there is none
        backed          right behind that robot is another one, so that it can't drive back
        exit            steps to the next cell of highway with highway to the left or right; 0 if none in EXIT steps
    21  then for each of the four corners, ahead left, ahead right, behind left, behind right:
        robot           there is one
        faces           it faces the cell ahead of (or behind) this one 1, the one beside it -1, neither 0
        along, across   its shortest way leads to that cell ahead (or behind); to the one beside
        loaded          it carries a shelf
        senior          as above

A straight line is SIGHT cells long and for a loaded robot ends at the next shelf, as in features.py. Who is senior is
what the planners' right of way goes by; two robots that meet see the same answer without a word between them. Of equals
the lower number is.
"""

import numpy as np
import numpy.typing as npt

from env_server.warehouse.compiled import compiled
from env_server.warehouse.dispatch import EXIT, LOADED_SIGN, Dispatch
from env_server.warehouse.features import DOWNWARD, RIGHTWARD, SIDES, Row
from env_server.warehouse.head_on import is_senior
from env_server.warehouse.state import NOTHING, ONLINE, Layout, State

PER_SIDE, PER_CORNER = 5, 6
CORNERS_AT = 1 + 4 * PER_SIDE
TURNED_SIZE = CORNERS_AT + 4 * PER_CORNER


def turned_bounds() -> npt.NDArray[np.float32]:
    """Largest magnitude of each number, f32 (TURNED_SIZE,)."""
    bounds = np.ones(TURNED_SIZE, np.float32)
    bounds[PER_SIDE : 1 + 4 * PER_SIDE : PER_SIDE] = EXIT
    return bounds


@compiled
def write_turned(s: State, d: Dispatch, f: Layout, e: int, flat: Row, first: int, stride: int, size: int) -> None:
    """Write every robot's numbers in copy `e`, robot n's from `first + n * stride` of `flat` on.

    An offline robot's whole row of `size` numbers is made zero.
    """
    for n in range(s.body.size):
        at, heading = first + n * stride, s.heading[e, n]
        if s.body[n] != ONLINE:
            flat[at : at + size] = 0
            continue
        flat[at] = f.highway[s.cell[e, n]]
        for k in range(4):
            _write_side(s, d, f, e, n, SIDES[heading, k], flat, at + 1 + PER_SIDE * k)
        for k in range(4):
            along, across = SIDES[heading, 3 * (k >> 1)], SIDES[heading, 1 + (k & 1)]
            _write_corner(s, d, f, e, n, along, across, flat, at + CORNERS_AT + PER_CORNER * k)


@compiled
def _write_side(s: State, d: Dispatch, f: Layout, e: int, n: int, side: int, flat: Row, at: int) -> None:
    """The side `side` of robot `n`."""
    cell, step = s.cell[e, n], DOWNWARD[side] * f.width + RIGHTWARD[side]
    reach, loaded = d.reach[cell, side], s.carrying[e, n] != NOTHING
    flat[at] = 0 if reach == 0 else 1 - f.highway[cell + step]
    flat[at + 1 : at + 4] = 0
    flat[at + 4] = d.exits[cell, side]
    for k in range(reach):
        cell += step
        other = s.robot_at[e, cell]
        if other != NOTHING:
            flat[at + 1] = _faces(s.heading[e, other], side ^ 1, side)
            flat[at + 2] = _senior(s, e, n, other)
            flat[at + 3] = k + 1 < reach and s.robot_at[e, cell + step] != NOTHING
            return
        if loaded and s.standing[e, cell] != NOTHING:
            return


@compiled
def _senior(s: State, e: int, n: int, other: int) -> int:
    """1 if robot `other` has been on its leg for longer than robot `n`, else -1."""
    return 1 if is_senior(s, e, other, n) else -1


@compiled
def _write_corner(
    s: State, d: Dispatch, f: Layout, e: int, n: int, along: int, across: int, flat: Row, at: int
) -> None:
    """The corner of robot `n` one cell to the side `along` and one to the side `across`."""
    cell = s.cell[e, n]
    row = f.row[cell] + DOWNWARD[along] + DOWNWARD[across]
    column = f.column[cell] + RIGHTWARD[along] + RIGHTWARD[across]
    flat[at : at + PER_CORNER] = 0
    if not (0 <= row < f.height and 0 <= column < f.width):
        return
    other = s.robot_at[e, row * f.width + column]
    if other == NOTHING:
        return
    sign = d.sign[e, other]
    flat[at] = 1
    # who stands in the corner comes to the cell along by going against `across`, and the other way round
    flat[at + 1] = _faces(s.heading[e, other], across ^ 1, along ^ 1)
    flat[at + 2] = sign >> (across ^ 1) & 1
    flat[at + 3] = sign >> (along ^ 1) & 1
    flat[at + 4] = sign & LOADED_SIGN != 0
    flat[at + 5] = _senior(s, e, n, other)


@compiled
def _faces(heading: int, one: int, other: int) -> int:
    return 1 if heading == one else -1 if heading == other else 0
