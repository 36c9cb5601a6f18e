"""What a step of the handoff task does and pays once the robots have moved.

A robot of a pair is *ready* when it is at its place, faces the transfer point, and is a loaded giver or an empty
receiver. Unless the point is blocked, a ready robot's toggle is an attempt (without `absent_costs` only while the other
robot is ready too):

* both attempt: the load changes hands, and both are paid `share`;
* one does: it is paid -`penalty`, and the point is blocked for the next `blocked_steps` steps.

Any other toggle in front of the point does nothing. A giver loads with a toggle at its pick-up cell, a receiver puts
down with one at its station, which pays both of the pair 1 - `share` and counts as a delivery of both. So each load
pays either robot 1 in all, whoever does what: what is good for one of a pair is good for both. On top, each robot is
paid `dense_scale` for each cell that it comes nearer to its target, less when it goes away; a change of target is not
charged.

The stakes are a stag hunt's (Skyrms, 2004): to attempt is best if the other does, to leave it is safe. If the other is
ready too and attempts with probability q, an attempt is worth q * S - (1 - q) * penalty, S being what a load through
is worth from then on. Random policies have q = 1/5, so it is discouraged from a penalty of about S / 4 on. With
`absent_costs` far smaller ones do: who learns to drive first is charged for toggles that nobody could have joined.
"""

from env_server.handoff.compiled import compiled
from env_server.handoff.state import Pairs
from env_server.warehouse.random import below
from env_server.warehouse.state import ONLINE, TOGGLE, Layout, Scratch, State


@compiled
def ready(s: State, h: Pairs, e: int, n: int) -> bool:
    """Whether a toggle of robot `n` would be an attempt, were the point not blocked."""
    here: bool = s.cell[e, n] == h.place[n] and s.heading[e, n] == h.facing[n]
    return s.body[n] == ONLINE and here and for_point(h, e, n)


@compiled
def for_point(h: Pairs, e: int, n: int) -> bool:
    """Whether it is the transfer point's turn: for a loaded giver or an empty receiver."""
    wanted: bool = h.loaded[e, n] != n % 2
    return wanted


@compiled
def gap(f: Layout, cell: int, target: int) -> int:
    """Steps on the shortest way: nothing stands on either side of the wall, and a point is entered from its place."""
    steps: int = abs(f.row[target] - f.row[cell]) + abs(f.column[target] - f.column[cell])
    return steps


@compiled
def retarget(s: State, h: Pairs, e: int, n: int) -> None:
    """Robot `n` has loaded or unloaded: send it to the transfer point, or to an end of its lane drawn at random."""
    if for_point(h, e, n):
        h.target[e, n] = h.point[n]
    else:
        h.target[e, n] = h.ends[n, below(s.rng[e], h.ends.shape[1])]


@compiled
def pay_ways(s: State, f: Layout, h: Pairs, w: Scratch, e: int) -> None:
    """Pay each robot for the distance gained since the step began."""
    for n in range(s.body.size):
        if s.body[n] == ONLINE:
            target = h.target[e, n]
            w.rewards[n] += h.dense_scale * (gap(f, w.before[n], target) - gap(f, s.cell[e, n], target))


@compiled
def toggle_pair(s: State, h: Pairs, w: Scratch, e: int, p: int) -> None:
    """What the toggles of pair `p` come to. Attempts go by the state before the step: who loads in it made none."""
    giver, receiver = 2 * p, 2 * p + 1
    can_give, can_receive = ready(s, h, e, giver), ready(s, h, e, receiver)
    counts = h.absent_costs or (can_give and can_receive)
    gives = w.actions[giver] == TOGGLE and can_give and counts
    receives = w.actions[receiver] == TOGGLE and can_receive and counts
    for n in (giver, receiver):
        if w.actions[n] == TOGGLE and s.cell[e, n] == h.target[e, n]:
            _toggle_at_end(s, h, w, e, n)
    if h.blocked[e, p] > 0:
        h.blocked[e, p] -= 1
    elif gives and receives:
        for n in (giver, receiver):
            h.loaded[e, n] = n % 2
            retarget(s, h, e, n)
            w.rewards[n] += h.share
    elif gives or receives:
        w.rewards[giver if gives else receiver] -= h.penalty
        h.blocked[e, p] = h.blocked_steps


@compiled
def _toggle_at_end(s: State, h: Pairs, w: Scratch, e: int, n: int) -> None:
    """Load at a pick-up cell; put down at a station, for which both are paid."""
    h.loaded[e, n] = 1 - n % 2
    retarget(s, h, e, n)
    if n % 2 == 1:
        for m in (n - 1, n):
            s.deliveries[e, m] += 1
            w.rewards[m] += 1 - h.share
