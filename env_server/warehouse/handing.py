"""Orders handed out to idle robots, and taken back from one that is towed.

Called when robots become idle, come online (bodies.py) or go. Who gets what is decided in assign.py, by the costs that
are filled in here. An order is at most one robot's, though on a .map floor it may be requested twice.
"""

from env_server.warehouse.assign import pair_at_random, pair_matching, pair_nearest
from env_server.warehouse.compiled import compiled
from env_server.warehouse.dispatch import NEAREST, RANDOM, Dispatch
from env_server.warehouse.distance import FAR, FREE, measure
from env_server.warehouse.kept import field
from env_server.warehouse.legs import forget, retarget
from env_server.warehouse.random import below
from env_server.warehouse.state import FETCH, NO_LEG, NOTHING, ONLINE, RETURN, Layout, State

UNREACHABLE = 1 << 28  # as a cost; dearer than the ways of 4,000 robots together


@compiled
def hand_out(s: State, d: Dispatch, f: Layout, e: int) -> None:
    """Give the open requests of copy `e` to its idle online robots. Call it when a robot comes online."""
    robots = 0
    for n in range(s.cell.shape[1]):
        if s.body[n] == ONLINE and s.leg[e, n] == NO_LEG:
            d.idle[robots] = n
            robots += 1
    requests = _list_open(s, d, e) if robots > 0 else 0
    if requests == 0:
        return
    if d.rule == RANDOM:
        pair_at_random(d.table, robots, requests, s.rng[e])
    elif d.rule == NEAREST:
        _fill_costs(s, d, f, e, robots, requests)
        pair_nearest(d.table, robots, requests, s.rng[e])
    else:
        _fill_costs(s, d, f, e, robots, requests)
        pair_matching(d.table, robots, requests)
    for i in range(robots):
        if d.table.chosen[i] != NOTHING:
            _send(s, d, e, d.idle[i], d.open[d.table.chosen[i]])


@compiled
def _list_open(s: State, d: Dispatch, e: int) -> int:
    """Write the requests nobody was sent for into `d.open`, each once; how many there are."""
    d.taken[:] = 0
    for n in range(s.cell.shape[1]):
        if s.order[e, n] != NOTHING:
            d.taken[s.order[e, n]] = 1
    count = 0
    for q in range(s.queue.shape[1]):
        request = s.queue[e, q]
        if d.taken[request] == 0:
            d.taken[request] = 1
            d.open[count] = request
            count += 1
    return count


@compiled
def _fill_costs(s: State, d: Dispatch, f: Layout, e: int, robots: int, requests: int) -> None:
    """The way of each idle robot to each open request.

    Where nothing on the floor is blocked, it leads straight to the row and the column, since an unloaded robot passes
    under shelves. Elsewhere it comes from kept fields if all of them have room, or is searched.
    """
    if not d.walled:
        for i in range(robots):
            cell = s.cell[e, d.idle[i]]
            for j in range(requests):
                place = _place(s, d, e, d.open[j])
                d.table.cost[i * requests + j] = abs(f.row[cell] - f.row[place]) + abs(f.column[cell] - f.column[place])
        return
    for i in range(robots):
        cell = s.cell[e, d.idle[i]]
        has_steps = d.distances.complete and not d.distances.timed
        if not has_steps:
            measure(d.distances, FREE, cell, d.ways)  # unloaded, so the way back is as long
        for j in range(requests):
            place = _place(s, d, e, d.open[j])
            way = d.distances.fields[field(d.distances, FREE, place), cell] if has_steps else d.ways[place]
            d.table.cost[i * requests + j] = UNREACHABLE if way == FAR else way


@compiled
def _place(s: State, d: Dispatch, e: int, request: int) -> int:
    """The cell where a request is fetched."""
    place: int = s.shelf_cell[e, request] if d.lifts else d.service[request]
    return place


@compiled
def _send(s: State, d: Dispatch, e: int, n: int, request: int) -> None:
    """Give robot `n` the order for `request`."""
    place = _place(s, d, e, request)
    s.order[e, n] = request
    s.leg[e, n] = FETCH
    s.home[e, n] = place
    s.station[e, n] = below(s.rng[e], d.goals.size) if d.any_station else d.nearest_goal[place]
    retarget(s, d, e, n)


@compiled
def give_back(s: State, d: Dispatch, e: int, n: int) -> None:
    """Robot `n` is about to be towed: its shelf goes home, its order is open again. Call it before it goes."""
    shelf, slot = s.carrying[e, n], s.home[e, n]
    if shelf != NOTHING:
        s.standing[e, s.cell[e, n]] = NOTHING
        s.carrying[e, n] = NOTHING
        slot = _free_slot(s, d, e, slot)
        s.shelf_cell[e, shelf] = slot
        s.standing[e, slot] = shelf
    forget(s, d, e, n)


@compiled
def _free_slot(s: State, d: Dispatch, e: int, slot: int) -> int:
    """`slot`, or where a loaded robot happens to stand in it, that robot's own slot in exchange (and so on).

    The slots without a standing shelf are the homes of the carried ones, no two the same, so this comes to an end.
    """
    while s.standing[e, slot] != NOTHING:
        other = s.robot_at[e, slot]
        slot, s.home[e, other] = s.home[e, other], slot
        if s.leg[e, other] == RETURN:  # delivering, its target stays the same
            retarget(s, d, e, other)
    return slot
