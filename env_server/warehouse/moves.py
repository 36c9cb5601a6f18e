"""Who moves in one step of one copy: RWARE's rules on the graph "robot -> cell it wants".

Every robot names one cell, so each component of the graph ends in exactly one of: a robot that stays (all behind it
fail), a cycle (of two: nobody moves; of three or more: its members move, nobody else), or a free cell (only the
longest chain moves). Equally long chains are told apart by the direction in which they enter the cell where they meet
(up, down, left, right), never by robot number, which would make robots unequal. Reads `State`, writes `Scratch`.
"""

from env_server.warehouse.compiled import compiled
from env_server.warehouse.state import DOWN, FORWARD, LEFT, NOTHING, ONLINE, UP, Layout, Scratch, State


@compiled
def cell_ahead(layout: Layout, cell: int, heading: int) -> int:
    """The cell in front of `cell`; `cell` itself where the floor ends or the way is blocked."""
    ahead = cell
    if heading == UP:
        if cell >= layout.width:
            ahead = cell - layout.width
    elif heading == DOWN:
        if cell < (layout.height - 1) * layout.width:
            ahead = cell + layout.width
    elif heading == LEFT:
        if cell % layout.width > 0:
            ahead = cell - 1
    elif cell % layout.width < layout.width - 1:
        ahead = cell + 1
    return cell if layout.blocked[ahead] else ahead


@compiled
def _ask(state: State, layout: Layout, scratch: Scratch, e: int, n: int) -> None:
    """Note where robot n wants to go, and the wait of a robot that stands there."""
    scratch.goes[n] = 0
    if scratch.actions[n] != FORWARD or state.body[n] != ONLINE:
        return
    cell = state.cell[e, n]
    target = cell_ahead(layout, cell, state.heading[e, n])
    if target == cell:
        return
    ahead = state.robot_at[e, target]
    # A shelf can be entered under load only if the robot there was carrying it when the step began, moving or not.
    if state.carrying[e, n] >= 0 and state.standing[e, target] >= 0 and (ahead < 0 or state.carrying[e, ahead] < 0):
        return
    scratch.goes[n] = 1
    scratch.target[n] = target
    if ahead >= 0:
        scratch.waiting[ahead] += 1


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
def _grant(state: State, scratch: Scratch, e: int, n: int) -> None:
    """Let robot n and the chain behind it move if it is first in a chain that won; or if it is part of a cycle."""
    target = scratch.target[n]
    ahead = state.robot_at[e, target]
    if scratch.depth[n] == 0:  # never reached from a leaf, so it is on a cycle, and so is the one ahead
        if scratch.target[ahead] != state.cell[e, n]:
            scratch.moves[n] = 1
    elif ahead < 0 and scratch.entrant[target] == n:
        follower = n
        while follower >= 0:
            scratch.moves[follower] = 1
            follower = scratch.entrant[state.cell[e, follower]]


@compiled
def resolve(state: State, layout: Layout, scratch: Scratch, e: int) -> int:
    """Decide who moves in copy `e` under `scratch.actions`: fills `.moves` and `.target`; gives how many asked."""
    robots = state.cell.shape[1]
    for n in range(robots):
        scratch.moves[n] = 0
        scratch.waiting[n] = 0
        scratch.depth[n] = 0
    asking = 0
    for n in range(robots):
        _ask(state, layout, scratch, e, n)
        asking += scratch.goes[n]
    if asking == 0:
        return 0
    for n in range(robots):
        if scratch.goes[n] and scratch.waiting[n] == 0 and scratch.depth[n] == 0:
            _measure(state, scratch, e, n)
    for n in range(robots):
        if scratch.goes[n]:
            _grant(state, scratch, e, n)
    for n in range(robots):
        if scratch.goes[n]:
            scratch.entrant[scratch.target[n]] = NOTHING
    return asking
