"""Taking a robot's body off the floor of every copy, and bringing it back. Called by `Warehouse.set_body`."""

from env_server.warehouse.compiled import compiled
from env_server.warehouse.dispatch import Dispatch
from env_server.warehouse.handing import give_back, hand_out
from env_server.warehouse.legs import look_around
from env_server.warehouse.observe import relook
from env_server.warehouse.reference import refer
from env_server.warehouse.state import I32, NOTHING, ONLINE, TOWED, Layout, State


@compiled
def set_body(state: State, layout: Layout, dispatch: Dispatch, n: int, body: int) -> None:
    """Make robot n ONLINE, STALLED or TOWED in all copies; what it is already is left alone."""
    before = state.body[n]
    if before == body:
        return
    s, d, f = refer(state), refer(dispatch), refer(layout)
    for e in range(state.cell.shape[0]):
        if body == TOWED:
            _tow(s, f, d, e, n)
        elif before == TOWED:
            bring_back(s, f, e, n, layout.starts)
    state.body[n] = body
    if not layout.dispatched:
        return
    for e in range(state.cell.shape[0]):
        if before == TOWED:
            s.still[e, n] = 0  # it has been set down there just now
        look_around(s, d, e, n)
        if body == ONLINE:
            hand_out(s, d, f, e)


@compiled
def _tow(state: State, layout: Layout, dispatch: Dispatch, e: int, n: int) -> None:
    """Off the floor; its shelf is put back: with dispatch where it came from, else into the nearest free slot."""
    cell, shelf = state.cell[e, n], state.carrying[e, n]
    if layout.dispatched:
        give_back(state, dispatch, e, n)
    elif shelf >= 0:
        state.standing[e, cell] = NOTHING
        slot = _nearest_free(state.standing[e], layout.slots, layout.width, cell)
        state.carrying[e, n] = NOTHING
        state.shelf_cell[e, shelf] = slot
        state.standing[e, slot] = shelf
    if shelf >= 0:
        relook(state, layout, e, state.shelf_cell[e, shelf])
    state.has_delivered[e, n] = 0
    take_off(state, layout, e, n)


@compiled
def take_off(state: State, layout: Layout, e: int, n: int) -> None:
    """Take a robot, which has no shelf any more, off its cell."""
    cell = state.cell[e, n]
    state.left_at[e, n] = cell
    state.cell[e, n] = NOTHING
    state.robot_at[e, cell] = NOTHING
    relook(state, layout, e, cell)


@compiled
def bring_back(state: State, layout: Layout, e: int, n: int, places: I32) -> None:
    """Onto the cell it was taken from, or the nearest of `places` without a robot. A shelf is no obstacle to it."""
    cell = _nearest_free(state.robot_at[e], places, layout.width, state.left_at[e, n])
    state.cell[e, n] = cell
    state.left_at[e, n] = NOTHING
    state.robot_at[e, cell] = n
    relook(state, layout, e, cell)


@compiled
def _nearest_free(layer: I32, places: I32, width: int, cell: int) -> int:
    """Of `places`, the one nearest to `cell` (as if nothing were in the way) where `layer` (cells,) holds NOTHING."""
    nearest, least = NOTHING, 1 << 30
    for k in range(places.size):
        place = places[k]
        if layer[place] < 0:
            distance = abs(place // width - cell // width) + abs(place % width - cell % width)
            if distance < least:
                nearest, least = place, distance
    return nearest
