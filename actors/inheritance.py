"""One step of one copy by priority inheritance with backtracking (PIBT), compiled.

Okumura, Machida, Defago and Tamura, "Priority inheritance with backtracking for iterative multi-agent path finding",
Artificial Intelligence 310 (2022), algorithm 1. Each robot reserves the cell it is to be in next, best first. If one
that hasn't reserved yet stands there, it has to reserve first, as if it had the right of the one who asks; if it finds
no cell, the one who asks tries its own next best. Here a cell takes more than a step to leave, as robots turn: whoever
doesn't face the cell it has reserved turns, and nobody enters a cell before it is left.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from actors.compiled import compiled, inner
from actors.scene import STAY, TOWARDS, TURNS, Road, Scene, cost_by, enterable
from actors.view import FORWARD, NOOP, NOTHING, TOGGLE

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]

UNSETTLED = -2  # in place of a side
UNKNOWN, ASKED, GOES, STAYS = 0, 1, 2, 3  # whether a robot leaves its cell
# What counts in the order of a robot's cells, beside the way from there to its target:
STEP = 4  # for each step of that way
WAIT = 2 * STEP  # to stay, measured on warehouse40: 1 delivers as much, 5 1% less
OCCUPIED = 1  # of equals, one where nobody stands; three steps of it, and fleets jam
AHEAD = 2 * STEP  # pushed, a cell to which the one who pushes is going itself: 0 delivers 1% less, 5 2% less


class Reserved(NamedTuple):
    """What is worked out; holds nothing between copies."""

    robot_at: I32  # (cells,)
    claimed: I32  # (cells,) who has reserved it
    side: I32  # (N,) the side of the reserved cell, or STAY; UNSETTLED so far
    sides: I32  # (N, 5) the sides to try, best first
    costs: I64  # (5,) of those being sorted
    choices: I32  # (N,) how many those are
    tried: I32  # (N,) how many of them have been tried
    column: I32  # (N,) robots that wait for what the next one reserves, or for where it goes
    verdict: U8  # (N,) whether it leaves its cell
    refused: Flags  # (N,) its first choice was taken by one that couldn't make way


def make_reserved(robots: int, cells: int) -> Reserved:
    """Room for one copy."""
    return Reserved(
        robot_at=np.zeros(cells, np.int32),
        claimed=np.zeros(cells, np.int32),
        side=np.zeros(robots, np.int32),
        sides=np.zeros((robots, 5), np.int32),
        costs=np.zeros(5, np.int64),
        choices=np.zeros(robots, np.int32),
        tried=np.zeros(robots, np.int32),
        column=np.zeros(robots, np.int32),
        verdict=np.zeros(robots, np.uint8),
        refused=np.zeros(robots, np.bool_),
    )


@compiled
def plan(road: Road, scene: Scene, out: Reserved, actions: U8) -> None:
    """Choose every robot's action: fills `actions` (N,) and `out.refused`."""
    out.robot_at[:] = NOTHING
    out.claimed[:] = NOTHING
    out.refused[:] = False
    for n in range(scene.cell.size):
        out.side[n], out.verdict[n] = UNSETTLED, UNKNOWN
        if scene.cell[n] < 0:
            out.side[n], out.verdict[n] = STAY, STAYS
            continue
        out.robot_at[scene.cell[n]] = n
        if not scene.online[n] or _toggles(scene, n):
            out.side[n] = STAY
            out.claimed[scene.cell[n]] = n
    for k in range(scene.order.size):
        if out.side[scene.order[k]] == UNSETTLED:
            _reserve(road, scene, out, scene.order[k])
    for n in range(scene.cell.size):
        _decide(road, scene, out, n)
        if out.side[n] == STAY:
            actions[n] = TOGGLE if _toggles(scene, n) else NOOP
        else:
            actions[n] = TOWARDS[scene.heading[n], out.side[n]]
            if actions[n] == FORWARD and out.verdict[n] == STAYS:
                actions[n] = NOOP


@inner
def _toggles(scene: Scene, n: int) -> bool:
    return bool(scene.online[n] and scene.lifts[n] and scene.target[n] >= 0 and scene.target[n] == scene.cell[n])


@inner
def _reserve(road: Road, scene: Scene, out: Reserved, first: int) -> None:
    """Reserve for robot `first` and for all whom it pushes: the paper's PIBT(first), its recursion as a stack."""
    _enter(road, scene, out, first, NOTHING)
    out.column[0] = first
    length = 1
    while length > 0:
        n = out.column[length - 1]
        if out.tried[n] == out.choices[n]:  # no cell is left: it stays, and the one who asked it tries its next
            out.side[n] = STAY
            out.claimed[scene.cell[n]] = n
            length -= 1
            out.refused[first] |= length == 1 and out.tried[first] == 1
            continue
        side = out.sides[n, out.tried[n]]
        out.tried[n] += 1
        there = scene.cell[n] if side == STAY else road.neighbours[scene.cell[n], side]
        if out.claimed[there] >= 0 or (length > 1 and there == scene.cell[out.column[length - 2]]):
            continue
        out.side[n] = side
        out.claimed[there] = n
        other = out.robot_at[there]
        if other < 0 or out.side[other] != UNSETTLED:
            return
        _enter(road, scene, out, other, n)
        out.column[length] = other
        length += 1


@inner
def _enter(road: Road, scene: Scene, out: Reserved, n: int, pusher: int) -> None:
    """Sort the sides that robot n may try, STAY among them, best first. `pusher` asks for its cell, NOTHING if none."""
    count = 0
    for side in range(STAY, 4):
        if side != STAY and not enterable(road, scene, out.robot_at, n, side):
            continue
        cost = _cost(road, scene, out, n, side, pusher)
        k = count
        while k > 0 and out.costs[k - 1] > cost:
            out.sides[n, k], out.costs[k] = out.sides[n, k - 1], out.costs[k - 1]
            k -= 1
        out.sides[n, k], out.costs[k] = side, cost
        count += 1
    out.choices[n], out.tried[n] = count, 0


@inner
def _cost(road: Road, scene: Scene, out: Reserved, n: int, side: int, pusher: int) -> int:
    """What counts against the cell by `side`; the less the better."""
    here = scene.cell[n]
    if side == STAY:
        if scene.row[n] < 0 or scene.target[n] == here:
            return 0
        return STEP * int(road.fields[scene.row[n], here * 4 + scene.heading[n]]) + WAIT
    there = road.neighbours[here, side]
    if scene.row[n] >= 0:
        cost = STEP * cost_by(road, scene, out.robot_at, n, side)
    else:
        cost = STEP * (1 + int(TURNS[scene.heading[n], side]))
    if out.robot_at[there] >= 0:
        cost += OCCUPIED
    if pusher >= 0 and scene.row[pusher] >= 0:
        ways = road.fields[scene.row[pusher]]
        if ways[there * 4 + side] < ways[here * 4 + side]:
            cost += AHEAD
    return cost


@inner
def _decide(road: Road, scene: Scene, out: Reserved, first: int) -> None:
    """Whether robot `first` leaves its cell in this step, and so all those whom it waits for.

    It does if it faces the cell it has reserved and nobody stands there, or one that leaves; a ring leaves as one.
    """
    n, length, verdict = first, 0, out.verdict[first]
    while verdict == UNKNOWN:
        side = out.side[n]
        if side == STAY or scene.heading[n] != side:
            out.verdict[n] = verdict = STAYS
            break
        out.column[length] = n
        length += 1
        out.verdict[n] = ASKED
        n = out.robot_at[road.neighbours[scene.cell[n], side]]
        verdict = GOES if n < 0 or out.verdict[n] == ASKED else out.verdict[n]
    for k in range(length):
        out.verdict[out.column[k]] = verdict
