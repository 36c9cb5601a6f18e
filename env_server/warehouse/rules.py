"""What a step does once it is known who moves: moving, turning, loading, delivering and paying, as RWARE does it.

With dispatch on, loading and delivering are dispatch's; only moving and turning are then done here.
"""

import numpy as np
import numpy.typing as npt

from env_server.warehouse.compiled import compiled
from env_server.warehouse.observe import relook
from env_server.warehouse.random import below
from env_server.warehouse.state import (
    DOWN,
    GLOBAL,
    I32,
    LEFT,
    NOTHING,
    ONLINE,
    RIGHT,
    TOGGLE,
    TURN_LEFT,
    TURN_RIGHT,
    TWO_STAGE,
    UP,
    Layout,
    Scratch,
    State,
)

F32 = npt.NDArray[np.float32]


@compiled
def turned(heading: int, action: int) -> int:
    """The heading after a quarter turn; headings are numbered up, down, left, right, so a turn is no simple +1."""
    if heading == UP:
        left = LEFT
    elif heading == LEFT:
        left = DOWN
    elif heading == DOWN:
        left = RIGHT
    else:
        left = UP
    return left if action == TURN_LEFT else left ^ 1  # opposite headings differ in the last bit


@compiled
def move(state: State, layout: Layout, scratch: Scratch, e: int) -> None:
    """Move the robots that `scratch.moves` names, with their loads; all leave first, as chains and cycles overlap."""
    robots = state.cell.shape[1]
    for n in range(robots):
        if scratch.moves[n]:
            cell = state.cell[e, n]
            state.robot_at[e, cell] = NOTHING
            if state.carrying[e, n] >= 0:
                state.standing[e, cell] = NOTHING
    for n in range(robots):
        if scratch.moves[n]:
            cell = scratch.target[n]
            state.robot_at[e, cell] = n
            shelf = state.carrying[e, n]
            if shelf >= 0:
                state.standing[e, cell] = shelf
                state.shelf_cell[e, shelf] = cell
    for n in range(robots):
        if scratch.moves[n]:
            left = state.cell[e, n]
            state.cell[e, n] = scratch.target[n]
            relook(state, layout, e, left)
            relook(state, layout, e, scratch.target[n])


@compiled
def turn(state: State, layout: Layout, scratch: Scratch, e: int) -> None:
    """Turn the robots that asked to."""
    for n in range(state.cell.shape[1]):
        action = scratch.actions[n]
        if action in (TURN_LEFT, TURN_RIGHT) and state.body[n] == ONLINE:
            state.heading[e, n] = turned(state.heading[e, n], action)
            relook(state, layout, e, state.cell[e, n])


@compiled
def toggle(state: State, layout: Layout, scratch: Scratch, e: int) -> None:
    """Load and unload. On the highway a load stays on; any unload off it ends "has delivered", which two-stage pays."""
    for n in range(state.cell.shape[1]):
        if scratch.actions[n] != TOGGLE or state.body[n] != ONLINE:
            continue
        cell = state.cell[e, n]
        if state.carrying[e, n] < 0:
            state.carrying[e, n] = state.standing[e, cell]
        elif not layout.highway[cell]:
            state.carrying[e, n] = NOTHING
            if layout.reward == TWO_STAGE and state.has_delivered[e, n]:
                scratch.rewards[n] += 0.5
            state.has_delivered[e, n] = 0


@compiled
def deliver(state: State, layout: Layout, scratch: Scratch, e: int, draws: I32) -> None:
    """Pay for each requested shelf on a goal, arrived or parked, and draw the next request.

    Goals are visited in order, so a shelf just drawn can be paid at a later goal in the same step. `draws` (E, G)
    forces the shelf drawn at each goal where it isn't NOTHING. A stalled robot's shelf is left out until it is back.
    """
    for g in range(layout.goals.size):
        goal = layout.goals[g]
        shelf = state.standing[e, goal]
        robot = state.robot_at[e, goal]
        if shelf < 0 or robot < 0 or not state.requested[e, shelf] or state.body[robot] != ONLINE:
            continue
        drawn = draws[e, g] if draws[e, g] >= 0 else _draw_request(state, e)
        _replace(state, e, shelf, drawn)
        relook(state, layout, e, goal)
        relook(state, layout, e, state.shelf_cell[e, drawn])
        state.deliveries[e, robot] += 1
        if layout.reward == GLOBAL:
            _pay_all(state, scratch)
        elif layout.reward == TWO_STAGE:
            state.has_delivered[e, robot] = 1
            scratch.rewards[robot] += 0.5
        else:
            scratch.rewards[robot] += 1.0


@compiled
def _pay_all(state: State, scratch: Scratch) -> None:
    for n in range(scratch.rewards.size):
        if state.body[n] == ONLINE:
            scratch.rewards[n] += 1.0


@compiled
def _draw_request(state: State, e: int) -> int:
    """A shelf that isn't in the queue, each equally likely; the one being delivered still is in it, as in RWARE."""
    shelves = state.shelf_cell.shape[1]
    skip = below(state.rng[e], shelves - state.queue.shape[1])
    shelf = 0
    while True:
        if not state.requested[e, shelf]:
            if skip == 0:
                return shelf
            skip -= 1
        shelf += 1


@compiled
def _replace(state: State, e: int, delivered: int, drawn: int) -> None:
    """The new request takes the delivered one's place in the queue."""
    for q in range(state.queue.shape[1]):
        if state.queue[e, q] == delivered:
            state.queue[e, q] = drawn
            break
    state.requested[e, delivered] = 0
    state.requested[e, drawn] = 1
