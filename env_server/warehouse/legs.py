"""One robot's leg: where it leads, the distance field that shows the way, and how long the robot has made no headway.

An order is begun and ended in handing.py and goes from leg to leg in orders.py; both say so here. The fields come from
kept.py; which robot holds which derives from the State, so `rebuild` can find it again.
"""

from env_server.warehouse.compiled import compiled
from env_server.warehouse.dispatch import LOADED_SIGN, LONGEST_DETOUR, RETURNING_SIGN, UNDER_WAY_SIGN, Dispatch
from env_server.warehouse.distance import FAR, FREE, LOADED
from env_server.warehouse.kept import hold, release, release_all
from env_server.warehouse.state import DELIVER, FETCH, NO_LEG, NOTHING, ONLINE, RETURN, State
from env_server.warehouse.timed import TURNS


@compiled
def target(s: State, d: Dispatch, e: int, n: int) -> int:
    """The cell robot `n` is on its way to; NOTHING without a leg."""
    if s.leg[e, n] == NO_LEG:
        return NOTHING
    cell: int = d.goals[s.station[e, n]] if s.leg[e, n] == DELIVER else s.home[e, n]
    return cell


@compiled
def retarget(s: State, d: Dispatch, e: int, n: int) -> None:
    """Robot `n` has another target, or none any more: hold the field that leads there, and no other."""
    if d.field_of[e, n] != NOTHING:
        release(d.distances, d.field_of[e, n])
        d.field_of[e, n] = NOTHING
    _hold_field(s, d, e, n)
    look_around(s, d, e, n)
    s.closest[e, n] = FAR
    s.waited[e, n] = 0
    s.age[e, n] = 0


@compiled
def _hold_field(s: State, d: Dispatch, e: int, n: int) -> None:
    """Hold the field that fits robot `n`'s leg; it holds none."""
    d.target[e, n] = target(s, d, e, n)
    if s.leg[e, n] != NO_LEG:
        family = LOADED if _is_laden(s, d, e, n) else FREE
        d.field_of[e, n] = hold(d.distances, family, d.target[e, n])


@compiled
def _is_laden(s: State, d: Dispatch, e: int, n: int) -> bool:
    """Whether robot `n`, which has a leg, carries its shelf on it."""
    laden: bool = d.lifts and s.leg[e, n] != FETCH
    return laden


@compiled
def look_around(s: State, d: Dispatch, e: int, n: int) -> None:
    """Robot `n` is at another cell or on another leg: note how far its target is, and what shows of it to others."""
    sign, cell = 0, s.cell[e, n]
    if s.carrying[e, n] != NOTHING:
        sign += LOADED_SIGN
    if s.leg[e, n] == RETURN:
        sign += RETURNING_SIGN
    if s.leg[e, n] != NO_LEG:
        if s.body[n] == ONLINE:
            sign += UNDER_WAY_SIGN
        if cell != NOTHING:
            sign += _look_timed(s, d, e, n) if d.distances.timed else _look(s, d, e, n)
    d.sign[e, n] = sign


@compiled
def _look(s: State, d: Dispatch, e: int, n: int) -> int:
    """Note how many steps are left to robot `n`; the sides that bring it nearer, a bit for each."""
    sides, cell = 0, s.cell[e, n]
    field = d.distances.fields[d.field_of[e, n]]
    left = field[cell]
    for side in range(4):
        there = d.distances.neighbours[cell, side]
        if there != NOTHING and field[there] < left:
            sides += 1 << side
    d.left[e, n] = left
    return sides


@compiled
def _look_timed(s: State, d: Dispatch, e: int, n: int) -> int:
    """Note how much time is left to robot `n`, and how much more it is by each side; the sides where it is no more."""
    sides, cell, heading = 0, s.cell[e, n], s.heading[e, n]
    field = d.distances.fields[d.field_of[e, n]]
    left = field[cell * 4 + heading]
    laden = _is_laden(s, d, e, n)
    for side in range(4):
        there = d.distances.neighbours[cell, side]
        more = LONGEST_DETOUR
        if there != NOTHING and field[there * 4 + side] != FAR:
            cost = d.distances.costs[cell, side] if laden else 1
            more = min(more, TURNS[heading, side] + cost + field[there * 4 + side] - left)
        if more != 0 and laden and d.distances.highway[there] == 0 and there != d.target[e, n]:
            more = LONGEST_DETOUR  # no way for it as long as a shelf stands there, and no way on if none does
        # less than none: on highway shut in by slots, from where another cell has a shorter way out
        d.detour[e, n, side] = max(0, more)
        if more <= 0:
            sides += 1 << side
    d.left[e, n] = left
    return sides


@compiled
def forget(s: State, d: Dispatch, e: int, n: int) -> None:
    """Robot `n` has no order any more."""
    s.leg[e, n] = NO_LEG
    s.order[e, n] = NOTHING
    s.station[e, n] = NOTHING
    s.home[e, n] = NOTHING
    s.has_delivered[e, n] = 0
    retarget(s, d, e, n)


@compiled
def rebuild(s: State, d: Dispatch) -> None:
    """The State has been set from outside: hold the fields of every order in it, and change nothing there."""
    release_all(d.distances)
    d.field_of[:] = NOTHING
    for e in range(s.cell.shape[0]):
        for n in range(s.cell.shape[1]):
            _hold_field(s, d, e, n)
            look_around(s, d, e, n)
