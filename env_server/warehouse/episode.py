"""How a copy's episode begins: robots, shelves and requests placed as RWARE does. Called by the kernel and `reset`."""

from env_server.warehouse.compiled import compiled
from env_server.warehouse.dispatch import Dispatch
from env_server.warehouse.observe import derive
from env_server.warehouse.orders import begin, draw_queue
from env_server.warehouse.random import below
from env_server.warehouse.state import NOTHING, TOWED, Layout, State


@compiled
def start_episode(state: State, layout: Layout, dispatch: Dispatch, e: int) -> None:
    """Place everything in copy `e` anew. Its generator and the deliveries counted go on.

    A stalled robot is placed like the others, and stalls there; a towed one gets the cell where it will come back.
    """
    state.clock[e] = 0
    _place_robots(state, layout, e)
    for shelf in range(layout.slots.size):
        state.shelf_cell[e, shelf] = layout.slots[shelf]
    if layout.slots.size > 0:
        _draw_queue(state, e)
    else:
        draw_queue(state, dispatch, e)
    derive(state, layout, e)
    if layout.dispatched:
        begin(state, dispatch, layout, e)


@compiled
def _place_robots(state: State, layout: Layout, e: int) -> None:
    """Different cells for all that stand on the floor, any arrangement equally likely, and any heading."""
    state.robot_at[e] = NOTHING
    for n in range(state.cell.shape[1]):
        cell = layout.starts[below(state.rng[e], layout.starts.size)]
        while state.robot_at[e, cell] >= 0:
            cell = layout.starts[below(state.rng[e], layout.starts.size)]
        state.heading[e, n] = below(state.rng[e], 4)
        state.carrying[e, n] = NOTHING
        state.has_delivered[e, n] = 0
        if state.body[n] == TOWED:
            state.cell[e, n] = NOTHING
            state.left_at[e, n] = cell
        else:
            state.cell[e, n] = cell
            state.left_at[e, n] = NOTHING
            state.robot_at[e, cell] = n


@compiled
def _draw_queue(state: State, e: int) -> None:
    """Different shelves, any order of any choice equally likely."""
    state.requested[e] = 0
    for q in range(state.queue.shape[1]):
        shelf = below(state.rng[e], state.shelf_cell.shape[1])
        while state.requested[e, shelf]:
            shelf = below(state.rng[e], state.shelf_cell.shape[1])
        state.requested[e, shelf] = 1
        state.queue[e, q] = shelf
