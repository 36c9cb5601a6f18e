"""What a step does once it is known who moves: moving, turning, loading, delivering and paying, as RWARE does it.

With dispatch on, loading and delivering are dispatch's; only moving and turning are then done here.
"""

import numpy as np
import numpy.typing as npt

from env_server.warehouse.compiled import compiled
from env_server.warehouse.observe import ROBOT_BITS, relook
from env_server.warehouse.random import below
from env_server.warehouse.state import (
    DOWN,
    FORWARD,
    GLOBAL,
    I32,
    LEFT,
    NOOP,
    NOTHING,
    ONLINE,
    RIGHT,
    TOGGLE,
    TURN_LEFT,
    TURN_RIGHT,
    TWO_STAGE,
    U8,
    UP,
    Layout,
    Scratch,
    State,
)

F32 = npt.NDArray[np.float32]


def _turned() -> npt.NDArray[np.uint8]:
    """The heading after each action from each heading; they are numbered up, down, left, right, so a turn is no +1."""
    after = np.tile(np.arange(4, dtype=np.uint8), (TOGGLE + 1, 1))
    after[TURN_LEFT, [UP, LEFT, DOWN, RIGHT]] = LEFT, DOWN, RIGHT, UP
    after[TURN_RIGHT, [UP, LEFT, DOWN, RIGHT]] = RIGHT, UP, LEFT, DOWN
    return after


_TURNED = _turned()


@compiled
def heed(state: State, layout: Layout, scratch: Scratch, e: int, actions: U8) -> int:
    """Take in what the robots are to do, and turn those that are to turn; gives how many want to move forward.

    An action that there is none of is counted, and is a noop, as is whatever an offline robot is to do. All robots go
    through the same instructions whatever they do, as the processor couldn't guess it.
    """
    cells, headings, look, body, before = state.cell[e], state.heading[e], state.look[e], state.body, scratch.before
    seen_at, asks = layout.seen_at, scratch.asks
    asking = 0
    for n in range(cells.size):
        action = actions[n, e]
        if action > TOGGLE:
            state.illegal[e, n] += 1
            action = NOOP
        before[n] = cells[n]
        if body[n] != ONLINE:
            scratch.actions[n] = NOOP
            continue
        scratch.actions[n] = action
        heading = _TURNED[action, headings[n]]
        look[seen_at[cells[n]]] += heading - headings[n]
        headings[n] = heading
        asks[asking] = n
        asking += action == FORWARD
    return asking


@compiled
def move(state: State, layout: Layout, scratch: Scratch, e: int, moving: int) -> None:
    """Move the first `moving` of `scratch.movers`, with their loads; all leave first, as chains and cycles overlap."""
    cells, carrying, look = state.cell[e], state.carrying[e], state.look[e]
    standing, robot_at = state.standing[e], state.robot_at[e]
    for k in range(moving):
        n = scratch.movers[k]
        cell, place = cells[n], layout.seen_at[cells[n]]
        robot_at[cell] = NOTHING
        scratch.taken[k] = look[place]
        if carrying[n] >= 0:
            standing[cell] = NOTHING
        else:
            scratch.taken[k] &= ROBOT_BITS
        look[place] -= scratch.taken[k]
    for k in range(moving):
        n = scratch.movers[k]
        cell = scratch.target[n]
        robot_at[cell] = n
        cells[n] = cell
        if carrying[n] >= 0:
            standing[cell] = carrying[n]
            state.shelf_cell[e, carrying[n]] = cell
        look[layout.seen_at[cell]] += scratch.taken[k]
    if layout.dispatched:
        _move_in_columns(state, layout, scratch, e, moving)


@compiled
def _move_in_columns(state: State, layout: Layout, scratch: Scratch, e: int, moving: int) -> None:
    look = state.look[e]
    for k in range(moving):
        n = scratch.movers[k]
        left, entered = scratch.before[n], scratch.target[n]
        look[layout.columns_at[left]] = look[layout.seen_at[left]]
        look[layout.columns_at[entered]] = look[layout.seen_at[entered]]


@compiled
def toggle(state: State, layout: Layout, scratch: Scratch, e: int) -> None:
    """Load and unload. On the highway a load stays on; any unload off it ends "has delivered", which two-stage pays."""
    for n in range(state.cell.shape[1]):
        if scratch.actions[n] != TOGGLE:
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
