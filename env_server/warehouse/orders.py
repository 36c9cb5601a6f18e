"""Orders, leg by leg, and the queue they come from. The kernel calls `advance` after the moves of each step.

In a shelf world an order is one requested shelf: FETCH it where it stands, DELIVER it to a station, RETURN it to the
slot it was taken from. On a .map floor it is a service point, then a station, and nothing is lifted.
"""

from env_server.warehouse.compiled import compiled
from env_server.warehouse.dispatch import STILL, Dispatch
from env_server.warehouse.distance import FAR
from env_server.warehouse.handing import hand_out
from env_server.warehouse.head_on import charge
from env_server.warehouse.legs import forget, look_around, retarget
from env_server.warehouse.observe import relook
from env_server.warehouse.random import below
from env_server.warehouse.state import (
    DELIVER,
    DENSE,
    F32,
    FETCH,
    GLOBAL,
    I32,
    NO_LEG,
    NOTHING,
    ONLINE,
    RETURN,
    TOGGLE,
    TURN_LEFT,
    TURN_RIGHT,
    TWO_STAGE,
    U8,
    Layout,
    State,
)


@compiled
def begin(s: State, d: Dispatch, f: Layout, e: int) -> None:
    """A new episode of copy `e`, robots, shelves and queue being placed: forget all orders and hand out new ones."""
    for n in range(s.cell.shape[1]):
        s.still[e, n] = 0
        forget(s, d, e, n)
    hand_out(s, d, f, e)


@compiled
def advance(s: State, d: Dispatch, f: Layout, e: int, before: I32, actions: U8, rewards: F32) -> None:
    """What copy `e`'s moves mean for its orders. Call it once all robots of the copy have moved.

    `before` (N,) are the cells they stood on, `actions` uint8 (N,) what they tried (only TOGGLE counts: under dispatch
    all loading and unloading is done here). Adds to `rewards` f32 (N,), and takes from them what standing and
    meeting head-on cost.
    """
    cells, legs, still, body = s.cell[e], s.leg[e], s.still[e], s.body
    targets, left, closest, waited = d.target[e], d.left[e], s.closest[e], s.waited[e]
    idle = False
    for n in range(cells.size):
        if body[n] != ONLINE:
            continue
        cell, moved = cells[n], cells[n] != before[n]
        still[n] = 0 if moved else still[n] + 1
        if legs[n] != NO_LEG:
            s.age[e, n] += 1
            if still[n] >= STILL:
                rewards[n] -= d.standing
            if moved or (d.distances.timed and (actions[n] == TURN_LEFT or actions[n] == TURN_RIGHT)):
                far = left[n]
                look_around(s, d, e, n)
                if d.reward == DENSE:  # before the leg changes: a change of target is never charged
                    rewards[n] += d.dense_scale * _gain(far, left[n])
            nearer = left[n] < closest[n]  # than ever on this leg
            waited[n] = 0 if nearer else waited[n] + 1
            closest[n] = left[n] if nearer else closest[n]
            if cell == targets[n]:
                _at_target(s, d, f, e, n, actions[n] == TOGGLE, rewards)
        idle |= legs[n] == NO_LEG
    if d.head_on > 0:
        charge(s, d, e, rewards)
    if idle:
        hand_out(s, d, f, e)


@compiled
def _gain(far: int, near: int) -> float:
    """What `far` is more than `near`; none where there is no way."""
    return 0.0 if far == FAR or near == FAR else float(far) - float(near)  # float: unsigned numbers would wrap


@compiled
def _at_target(s: State, d: Dispatch, f: Layout, e: int, n: int, toggles: bool, rewards: F32) -> None:
    """Robot `n` stands in its target cell: end the leg, if all that it takes is done.

    Where shelves are carried, only the ordered one is loaded (it stands in its home), and only its home takes it back.
    """
    leg = s.leg[e, n]
    if leg == FETCH and (toggles or not d.lifts):
        if d.lifts:
            s.carrying[e, n] = s.order[e, n]
        s.leg[e, n] = DELIVER
        retarget(s, d, e, n)
    elif leg == DELIVER:
        _replace_request(s, d, f, e, s.order[e, n])
        _credit(s, d, e, n, rewards)
        if d.lifts:
            s.leg[e, n] = RETURN
            retarget(s, d, e, n)
        else:
            forget(s, d, e, n)
    elif leg == RETURN and toggles:
        s.carrying[e, n] = NOTHING
        if d.reward == TWO_STAGE:
            rewards[n] += 0.5
        forget(s, d, e, n)


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
def _replace_request(s: State, d: Dispatch, f: Layout, e: int, request: int) -> None:
    """Put a fresh request into the queue in the place of `request`, which has just been delivered."""
    for q in range(s.queue.shape[1]):
        if s.queue[e, q] == request:
            if d.lifts:
                s.queue[e, q] = _draw_shelf(s, d, e, request)
                _request(s, f, e, request, s.queue[e, q])
            else:
                s.queue[e, q] = below(s.rng[e], d.service.size)
            return


@compiled
def _request(s: State, f: Layout, e: int, delivered: int, drawn: int) -> None:
    """Bring what derives from the queue up to date."""
    s.requested[e, delivered] = 0
    s.requested[e, drawn] = 1
    relook(s, f, e, s.shelf_cell[e, delivered])
    relook(s, f, e, s.shelf_cell[e, drawn])


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
def draw_queue(s: State, d: Dispatch, e: int) -> None:
    """A fresh queue for copy `e` of a .map floor: service points drawn uniformly, the same may come twice."""
    for q in range(s.queue.shape[1]):
        s.queue[e, q] = below(s.rng[e], d.service.size)
