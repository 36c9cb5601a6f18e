"""Who moves in one step of one copy: RWARE's rules on the graph "robot -> cell it wants".

Every robot names one cell, so each component of the graph ends in exactly one of: a robot that stays (all behind it
fail), a cycle (of two: nobody moves; of three or more: its members move, nobody else), or a free cell (only the
longest chain moves). Equally long chains are told apart by the direction in which they enter the cell where they meet
(up, down, left, right), never by robot number, which would make robots unequal. Reads `State`, writes `Scratch`.
"""

from env_server.warehouse.compiled import compiled
from env_server.warehouse.observe import ROBOT_BITS, SHELF_BIT
from env_server.warehouse.state import NOTHING, Layout, Scratch, State


@compiled
def _find_way(state: State, layout: Layout, scratch: Scratch, e: int, asking: int) -> int:
    """Note where each of `asks` may go, and that the robot which stands there has one waiting; gives how many go."""
    cells, headings, carrying, look = state.cell[e], state.heading[e], state.carrying[e], state.look[e]
    going = 0
    for k in range(asking):
        n = scratch.asks[k]
        target = layout.ahead[cells[n], headings[n]]
        if target == cells[n]:
            continue
        seen = look[layout.seen_at[target]]
        ahead = state.robot_at[e, target] if seen & ROBOT_BITS else NOTHING
        # A shelf can be entered under load only if the robot there was carrying it when the step began, moving or not.
        if carrying[n] >= 0 and seen & SHELF_BIT and (ahead < 0 or carrying[ahead] < 0):
            continue
        scratch.goes[n] = 1
        scratch.target[n] = target
        scratch.going[going] = n
        going += 1
        if ahead >= 0:
            scratch.waiting[ahead] += 1
    return going


@compiled
def _measure(state: State, scratch: Scratch, e: int, leaf: int) -> None:
    """Walk from a robot with nobody behind it towards the chain's end, as far as all claims are known."""
    n = leaf
    scratch.depth[n] = 1
    while True:
        target = scratch.target[n]
        rival = scratch.entrant[target]
        if (
            rival < 0
            or scratch.depth[n] > scratch.depth[rival]
            or (scratch.depth[n] == scratch.depth[rival] and state.heading[e, n] < state.heading[e, rival])
        ):
            scratch.entrant[target] = n
        ahead = state.robot_at[e, target]
        if ahead < 0 or scratch.goes[ahead] == 0:
            return
        scratch.waiting[ahead] -= 1
        if scratch.waiting[ahead] > 0:
            return
        scratch.depth[ahead] = scratch.depth[scratch.entrant[target]] + 1
        n = ahead


@compiled
def _grant(state: State, scratch: Scratch, e: int, n: int, moving: int) -> int:
    """Let robot n and the chain behind it move if it is first in a chain that won; or if it is part of a cycle.

    They are put into `movers` behind the first `moving`; gives how many move then.
    """
    target = scratch.target[n]
    ahead = state.robot_at[e, target]
    if scratch.depth[n] == 0:  # never reached from a leaf, so it is on a cycle, and so is the one ahead
        if scratch.target[ahead] != state.cell[e, n]:
            scratch.movers[moving] = n
            moving += 1
    elif ahead < 0 and scratch.entrant[target] == n:
        follower = n
        while follower >= 0:
            scratch.movers[moving] = follower
            moving += 1
            follower = scratch.entrant[state.cell[e, follower]]
    return moving


@compiled
def resolve(state: State, layout: Layout, scratch: Scratch, e: int, asking: int) -> int:
    """Decide who moves in copy `e` when the first `asking` of `scratch.asks` try to: fills `.movers` and `.target`.

    Gives how many move. `scratch.goes`, `.waiting` and `.depth` have to be all 0.
    """
    going = _find_way(state, layout, scratch, e, asking)
    for k in range(going):
        n = scratch.going[k]
        if scratch.waiting[n] == 0 and scratch.depth[n] == 0:
            _measure(state, scratch, e, n)
    moving = 0
    for k in range(going):
        moving = _grant(state, scratch, e, scratch.going[k], moving)
    for k in range(going):
        scratch.entrant[scratch.target[scratch.going[k]]] = NOTHING
    return moving
