"""Orders: which robot is sent for what, and the legs it goes through. The kernel calls in after the moves of each step.

In a shelf world an order is one requested shelf: FETCH it where it stands, DELIVER it to a station, RETURN it to the
slot it was taken from. On a .map floor it is a service point, then a station, and nothing is lifted. All of it is in
State; what stands in Dispatch is fixed, or derived from State (`field_of`), or scratch.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from env_server.warehouse.assign import Table, make_table, pair_at_random, pair_matching, pair_nearest
from env_server.warehouse.compiled import compiled
from env_server.warehouse.distance import (
    FAR,
    FREE,
    LOADED,
    U16,
    Distances,
    field,
    hold,
    measure,
    nearest_of,
    release,
    release_all,
)
from env_server.warehouse.random import below
from env_server.warehouse.state import (
    DELIVER,
    DENSE,
    FETCH,
    GLOBAL,
    I32,
    NO_LEG,
    NOTHING,
    ONLINE,
    RETURN,
    TOGGLE,
    TWO_STAGE,
    U8,
    State,
)

F32 = npt.NDArray[np.float32]

OFF, RANDOM, NEAREST, MATCHING = 0, 1, 2, 3  # config world.dispatch, in its order

UNREACHABLE = 1 << 24  # as a cost; dearer than any sum of ways, and 200 of them still fit an int32


class Dispatch(NamedTuple):
    """What dispatch needs beside the State of E copies of N robots."""

    rule: int  # RANDOM, NEAREST or MATCHING
    reward: int
    dense_scale: float
    lifts: bool  # shelves are carried; False on a .map floor
    any_station: bool  # an order's station is drawn; False: the nearest to its shelf
    goals: I32  # (G,) cells
    service: I32  # (K,) cells; empty where shelves are carried
    nearest_goal: I32  # (cells,) goal number
    field_of: I32  # (E, N) field each robot is on its way by, NOTHING without a leg
    taken: U8  # (max(S, K),) scratch: no robot may be sent there
    idle: I32  # (N,) scratch: robots without an order
    open: I32  # (Q,) scratch: requests without a robot
    ways: U16  # (cells,) scratch: distances from one robot
    table: Table
    distances: Distances


def make_dispatch(
    *,
    rule: int,
    reward: int,
    dense_scale: float,
    any_station: bool,
    copies: int,
    robots: int,
    queue: int,
    shelves: int,
    goals: I32,
    service: I32,
    distances: Distances,
) -> Dispatch:
    """Dispatch for E `copies` of a floor with S `shelves`, or none and `service` points. Fields start unheld."""
    cells = distances.highway.size
    return Dispatch(
        rule=rule,
        reward=reward,
        dense_scale=dense_scale,
        lifts=shelves > 0,
        any_station=any_station,
        goals=goals,
        service=service,
        nearest_goal=nearest_of(distances, goals),
        field_of=np.full((copies, robots), NOTHING, np.int32),
        taken=np.zeros(max(shelves, service.size), np.uint8),
        idle=np.zeros(robots, np.int32),
        open=np.zeros(queue, np.int32),
        ways=np.zeros(cells, np.uint16),
        table=make_table(robots, queue),
        distances=distances,
    )


@compiled
def begin(s: State, d: Dispatch, e: int) -> None:
    """A new episode of copy `e`, robots, shelves and queue being placed: forget all orders and hand out new ones."""
    for n in range(s.cell.shape[1]):
        _forget(s, d, e, n)
    hand_out(s, d, e)


@compiled
def advance(s: State, d: Dispatch, e: int, before: I32, actions: U8, rewards: F32) -> None:
    """What copy `e`'s moves mean for its orders. Call it once all robots of the copy have moved.

    `before` (N,) are the cells they stood on, `actions` uint8 (N,) what they tried (only TOGGLE counts: under dispatch
    all loading and unloading is done here). Adds to `rewards` f32 (N,). Changes the queue, not what derives from it.
    """
    fields, idle = d.distances.fields, False
    for n in range(s.cell.shape[1]):
        if s.body[n] != ONLINE:
            continue
        leg, cell = s.leg[e, n], s.cell[e, n]
        if leg != NO_LEG:
            if d.reward == DENSE and cell != before[n]:  # before the leg changes: a change of target is never charged
                rewards[n] += d.dense_scale * _gain(fields, d.field_of[e, n], before[n], cell)
            if cell == (d.goals[s.station[e, n]] if leg == DELIVER else s.home[e, n]):
                _at_target(s, d, e, n, actions[n] == TOGGLE, rewards)
        idle = idle or s.leg[e, n] == NO_LEG
    if idle:
        hand_out(s, d, e)


@compiled
def _gain(fields: U16, row: int, before: int, after: int) -> float:
    """Steps come nearer by; none where there is no way."""
    far, near = fields[row, before], fields[row, after]
    return 0.0 if far == FAR or near == FAR else float(far) - float(near)  # float: unsigned numbers would wrap


@compiled
def _at_target(s: State, d: Dispatch, e: int, n: int, toggles: bool, rewards: F32) -> None:
    """Robot `n` stands in its target cell: end the leg, if all that it takes is done.

    Where shelves are carried, only the ordered one is loaded (it stands in its home), and only its home takes it back.
    """
    leg = s.leg[e, n]
    if leg == FETCH and (toggles or not d.lifts):
        if d.lifts:
            s.carrying[e, n] = s.order[e, n]
        s.leg[e, n] = DELIVER
        _retarget(s, d, e, n)
    elif leg == DELIVER:
        _replace_request(s, d, e, s.order[e, n])
        _credit(s, d, e, n, rewards)
        if d.lifts:
            s.leg[e, n] = RETURN
            _retarget(s, d, e, n)
        else:
            _forget(s, d, e, n)
    elif leg == RETURN and toggles:
        s.carrying[e, n] = NOTHING
        if d.reward == TWO_STAGE:
            rewards[n] += 0.5
        _forget(s, d, e, n)


@compiled
def _credit(s: State, d: Dispatch, e: int, n: int, rewards: F32) -> None:
    """Pay for robot `n`'s delivery: to it, to all, or where shelves go back half of it now and half then."""
    s.deliveries[e, n] += 1
    if d.reward == GLOBAL:
        for other in range(rewards.size):
            rewards[other] += 1.0
    elif d.reward == TWO_STAGE and d.lifts:
        s.has_delivered[e, n] = 1
        rewards[n] += 0.5
    else:
        rewards[n] += 1.0


@compiled
def hand_out(s: State, d: Dispatch, e: int) -> None:
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
        _fill_costs(s, d, e, robots, requests)
        pair_nearest(d.table, robots, requests, s.rng[e])
    else:
        _fill_costs(s, d, e, robots, requests)
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
def _fill_costs(s: State, d: Dispatch, e: int, robots: int, requests: int) -> None:
    """The way of each idle robot to each open request, from kept fields if all of them have room, else searched."""
    for i in range(robots):
        cell = s.cell[e, d.idle[i]]
        if not d.distances.complete:
            measure(d.distances, FREE, cell, d.ways)  # unloaded, so the way back is as long
        for j in range(requests):
            place = _place(s, d, e, d.open[j])
            way = d.distances.fields[field(d.distances, FREE, place), cell] if d.distances.complete else d.ways[place]
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
    _retarget(s, d, e, n)


@compiled
def target(s: State, d: Dispatch, e: int, n: int) -> int:
    """The cell robot `n` is on its way to; NOTHING without a leg."""
    if s.leg[e, n] == NO_LEG:
        return NOTHING
    cell: int = d.goals[s.station[e, n]] if s.leg[e, n] == DELIVER else s.home[e, n]
    return cell


@compiled
def _retarget(s: State, d: Dispatch, e: int, n: int) -> None:
    """Hold the field that fits robot `n`'s leg, and no other."""
    if d.field_of[e, n] != NOTHING:
        release(d.distances, d.field_of[e, n])
        d.field_of[e, n] = NOTHING
    if s.leg[e, n] != NO_LEG:
        family = LOADED if d.lifts and s.leg[e, n] != FETCH else FREE
        d.field_of[e, n] = hold(d.distances, family, target(s, d, e, n))


@compiled
def _forget(s: State, d: Dispatch, e: int, n: int) -> None:
    """Robot `n` has no order any more."""
    s.leg[e, n] = NO_LEG
    s.order[e, n] = NOTHING
    s.station[e, n] = NOTHING
    s.home[e, n] = NOTHING
    s.has_delivered[e, n] = 0
    _retarget(s, d, e, n)


@compiled
def _replace_request(s: State, d: Dispatch, e: int, request: int) -> None:
    """Put a fresh request into the queue in the place of `request`, which has just been delivered."""
    for q in range(s.queue.shape[1]):
        if s.queue[e, q] == request:
            s.queue[e, q] = _draw_shelf(s, d, e, request) if d.lifts else below(s.rng[e], d.service.size)
            return


@compiled
def _draw_shelf(s: State, d: Dispatch, e: int, delivered: int) -> int:
    """A shelf that is neither requested nor in anyone's order, each equally likely.

    With as good as all shelves requested or on their way back there may be none: then it is the `delivered` one again,
    which its robot still returns first.
    """
    d.taken[:] = 0
    for q in range(s.queue.shape[1]):
        d.taken[s.queue[e, q]] = 1
    for n in range(s.cell.shape[1]):
        if s.order[e, n] != NOTHING:
            d.taken[s.order[e, n]] = 1
    left = 0
    for shelf in range(d.taken.size):
        left += 1 - d.taken[shelf]
    if left == 0:
        return delivered
    skip = below(s.rng[e], left)
    for shelf in range(d.taken.size):
        if d.taken[shelf] == 0:
            if skip == 0:
                return shelf
            skip -= 1
    return delivered


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
    _forget(s, d, e, n)


@compiled
def _free_slot(s: State, d: Dispatch, e: int, slot: int) -> int:
    """`slot`, or where a loaded robot happens to stand in it, that robot's own slot in exchange (and so on).

    The slots without a standing shelf are the homes of the carried ones, no two the same, so this comes to an end.
    """
    while s.standing[e, slot] != NOTHING:
        other = s.robot_at[e, slot]
        slot, s.home[e, other] = s.home[e, other], slot
        _retarget(s, d, e, other)
    return slot


@compiled
def rebuild(s: State, d: Dispatch) -> None:
    """The State has been set from outside: hold the fields of every order in it."""
    release_all(d.distances)
    d.field_of[:] = NOTHING
    for e in range(s.cell.shape[0]):
        for n in range(s.cell.shape[1]):
            _retarget(s, d, e, n)


@compiled
def draw_queue(s: State, d: Dispatch, e: int) -> None:
    """A fresh queue for copy `e` of a .map floor: service points drawn uniformly, the same may come twice."""
    for q in range(s.queue.shape[1]):
        s.queue[e, q] = below(s.rng[e], d.service.size)
