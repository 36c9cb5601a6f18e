"""One step of one copy under the planner's right of way, compiled: each robot is granted its way, waits, or yields.

Robots are settled in the order of their right. Whoever wants a cell that another stands on has that other settled
first, on the right of the one who waits for it: a column moves as one, a ring of three or more turns. Two that want
each other's cells have met head-on: the one that is asked yields, and pushes on whom it finds behind itself.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from actors.compiled import compiled, inner
from actors.scene import STAY, TOWARDS, TURNS, Road, Scene, cost_by, enterable
from actors.view import FORWARD, NOOP, NOTHING, TOGGLE

I32 = npt.NDArray[np.int32]
U8 = npt.NDArray[np.uint8]

UNSETTLED = -2  # in place of the cell after the step
# What else counts in choosing the side to yield by, beside the way from there to one's own target:
TURN = 4  # for each quarter turn, while the other waits
OPEN = 10  # an unloaded robot is out of everybody's way only under shelves
PUSH = 40  # somebody stands there and would have to yield too
AHEAD = 8  # the other one is going there itself
DISTANT = 20_000  # a way to the target counts no more than this


class Settled(NamedTuple):
    """What is worked out; holds nothing between copies."""

    robot_at: I32  # (cells,)
    claimed: I32  # (cells,) who will be there after the step
    after: I32  # (N,) the cell after the step; UNSETTLED so far
    wished: I32  # (N,) the side by which the robot wants to leave its cell, or STAY
    column: I32  # (N,) robots that wait for the next one in it
    pushed: I32  # (N,) robots that yield, each to the one before it
    sides: I32  # (N,) the sides by which those yield


def make_settled(robots: int, cells: int) -> Settled:
    """Room for one copy."""
    per_robot = [np.zeros(robots, np.int32) for _ in range(5)]
    return Settled(np.zeros(cells, np.int32), np.zeros(cells, np.int32), *per_robot)


@compiled
def plan(road: Road, scene: Scene, out: Settled, actions: U8) -> None:
    """Choose every robot's action: fills `actions` (N,)."""
    out.robot_at[:] = NOTHING
    out.claimed[:] = NOTHING
    for n in range(scene.cell.size):
        if scene.cell[n] >= 0:
            out.robot_at[scene.cell[n]] = n
    for n in range(scene.cell.size):
        out.after[n] = UNSETTLED
        out.wished[n] = STAY
        if scene.cell[n] < 0:
            out.after[n] = NOTHING
            actions[n] = NOOP
        elif not scene.online[n] or (scene.target[n] == scene.cell[n] and scene.lifts[n]):
            _settle(road, scene, out, actions, n, STAY, False)
            actions[n] = TOGGLE if scene.online[n] else NOOP
        elif scene.target[n] >= 0 and scene.target[n] != scene.cell[n]:
            out.wished[n] = _wish(road, scene, out, n)
    for k in range(scene.order.size):
        _settle_column(road, scene, out, actions, scene.order[k])


@inner
def _wish(road: Road, scene: Scene, out: Settled, n: int) -> int:
    """The side from which the way to robot n's target is shortest, turns counted; STAY without any way."""
    best, least = STAY, 1 << 30
    for side in range(4):
        if not enterable(road, scene, out.robot_at, n, side):
            continue
        cost = cost_by(road, scene, out.robot_at, n, side)
        if cost < least:
            best, least = side, cost
    return best


@inner
def _settle(road: Road, scene: Scene, out: Settled, actions: U8, n: int, side: int, goes: bool) -> None:
    """Robot n is to leave by `side`: it turns there; facing it, it drives if it `goes`, else it waits."""
    out.after[n] = scene.cell[n]
    actions[n] = NOOP if side == STAY else TOWARDS[scene.heading[n], side]
    if actions[n] == FORWARD:
        if goes:
            out.after[n] = road.neighbours[scene.cell[n], side]
        else:
            actions[n] = NOOP
    out.claimed[out.after[n]] = n


@inner
def _settle_column(road: Road, scene: Scene, out: Settled, actions: U8, first: int) -> None:
    """Settle robot `first`, and before it all those whom it waits for."""
    out.column[0] = first
    length = 1
    while length > 0:
        n = out.column[length - 1]
        if out.after[n] != UNSETTLED:
            length -= 1
            continue
        side = out.wished[n]
        there = NOTHING if side == STAY else road.neighbours[scene.cell[n], side]
        ahead = NOTHING if side == STAY else out.robot_at[there]
        if ahead >= 0 and (out.after[ahead] != UNSETTLED or out.claimed[there] >= 0):
            ahead = NOTHING
        faces = side != STAY and scene.heading[n] == side
        if ahead >= 0 and out.wished[ahead] != STAY and road.neighbours[there, out.wished[ahead]] == scene.cell[n]:
            _meet(road, scene, out, actions, n, ahead)
        elif ahead < 0 or not faces:
            _settle(road, scene, out, actions, n, side, faces and out.claimed[there] < 0)
        elif out.wished[ahead] == STAY:
            _meet(road, scene, out, actions, n, ahead)
        else:
            length = _follow(road, scene, out, actions, ahead, length)


@inner
def _follow(road: Road, scene: Scene, out: Settled, actions: U8, ahead: int, length: int) -> int:
    """The column goes on with `ahead`; if that one is in it already, they are a ring, and it turns. The new length."""
    for i in range(length):
        if out.column[i] == ahead:
            for k in range(i, length):
                _settle(road, scene, out, actions, out.column[k], out.wished[out.column[k]], True)
            return i
    out.column[length] = ahead
    return length + 1


@inner
def _meet(road: Road, scene: Scene, out: Settled, actions: U8, n: int, other: int) -> None:
    """`other` stands where n wants to go and won't drive off by itself: it yields or, if it can't, n does."""
    if _yield(road, scene, out, actions, other, n):
        return
    _settle(road, scene, out, actions, other, STAY, False)
    if out.wished[other] == STAY or not _yield(road, scene, out, actions, n, other):
        _settle(road, scene, out, actions, n, out.wished[n], False)


@inner
def _yield(road: Road, scene: Scene, out: Settled, actions: U8, n: int, to: int) -> bool:
    """Settle robot n, which has to leave its cell for another's sake, and whom it pushes; False if there is no way."""
    length = 0
    while True:
        side = _way_out(road, scene, out, n, to, length)
        if side == STAY:
            return False
        out.pushed[length], out.sides[length] = n, side
        length += 1
        other = out.robot_at[road.neighbours[scene.cell[n], side]]
        if other < 0 or out.after[other] != UNSETTLED:
            break
        to, n = n, other
    goes = True
    for i in range(length - 1, -1, -1):
        n = out.pushed[i]
        _settle(road, scene, out, actions, n, out.sides[i], goes)
        goes = out.after[n] != scene.cell[n]
    return True


@inner
def _way_out(road: Road, scene: Scene, out: Settled, n: int, to: int, length: int) -> int:
    """The best side for robot n to yield by to robot `to`; STAY if there is none. `length` robots are pushed so far."""
    here = scene.cell[n]
    best, least = STAY, 1 << 30
    for side in range(4):
        there = road.neighbours[here, side]
        if not enterable(road, scene, out.robot_at, n, side) or there == scene.cell[to] or out.claimed[there] >= 0:
            continue
        if scene.loaded[n] and not road.highway[there] and there != scene.target[n]:
            continue
        other = out.robot_at[there]
        if other >= 0 and _is_pushed(out, other, length):
            continue
        cost = TURN * TURNS[scene.heading[n], side]
        if scene.row[n] >= 0:
            cost += min(road.fields[scene.row[n], there * 4 + side], DISTANT)
        if road.highway[there] and not scene.loaded[n]:
            cost += OPEN
        if other >= 0 and out.after[other] == UNSETTLED:
            cost += PUSH
        if scene.row[to] >= 0:
            ways = road.fields[scene.row[to]]
            if ways[there * 4 + side] < ways[here * 4 + side]:
                cost += AHEAD
        if cost < least:
            best, least = side, cost
    return best


@inner
def _is_pushed(out: Settled, robot: int, length: int) -> bool:
    for i in range(length):  # noqa: SIM110 - compiled, where a loop is cheaper than a generator
        if out.pushed[i] == robot:
            return True
    return False
