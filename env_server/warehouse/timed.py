"""How long a robot alone takes to any cell of a floor, its quarter turns counted: distances by cell and heading.

With `world.way = "time"` they stand in a field in place of the steps of distance.py. A place is cell * 4 + heading.
"""

import numpy as np

from env_server.warehouse.compiled import compiled
from env_server.warehouse.distance import FAR, FREE, U16, Distances, lower

# Quarter turns from a heading to a side; both are numbered up, down, left, right. The planners have a table of their
# own: what is compiled is kept under a fingerprint of its own folder's sources, and would outlive a change of theirs.
TURNS = np.array([[0, 2, 1, 1], [2, 0, 1, 1], [1, 1, 0, 2], [1, 1, 2, 0]])


@compiled
def measure_timed(d: Distances, family: int, target: int, out: U16) -> None:
    """Write the time to `target` from every cell and heading into `out` (cells * 4,).

    Loaded, as in `measure`: first along the highways, then into what lies beside them, layer by layer.
    """
    out[:] = FAR
    for heading in range(4):
        out[target * 4 + heading] = 0
        d.frontier[heading] = target * 4 + heading
        d.queued[target * 4 + heading] = 1
    _drive_back(d, out, family != FREE)
    if family == FREE:
        return
    reached = 0
    for cell in range(d.highway.size):
        if out[cell * 4] != FAR:
            d.frontier[reached] = cell
            reached += 1
    first = 0
    while first < reached:
        first, reached = reached, _add_layer(d, out, first, reached)


@compiled
def _drive_back(d: Distances, out: U16, loaded: bool) -> None:
    """Back from the target, whose places are the first in `frontier`; loaded, along the highways.

    Looks at each place until it holds: hardly any is looked at twice.
    """
    head, count, room = 0, 4, d.frontier.size
    while count > 0:
        place = d.frontier[head]
        head, count = (head + 1) % room, count - 1
        d.queued[place] = 0
        cell, heading = place // 4, place % 4
        for way in range(3):
            if way < 2:  # a quarter turn into this heading from one of the two beside it
                behind, before, cost = cell, cell * 4 + ((heading ^ 2) & 2 | way), 1
            else:  # straight on into this cell
                behind = d.neighbours[cell, heading ^ 1]
                before = behind * 4 + heading
                if behind < 0 or (loaded and d.highway[behind] == 0):
                    continue
                cost = d.costs[behind, heading] if loaded else 1
            count = lower(d, out, before, min(out[place] + cost, FAR - 1), head, count)


@compiled
def _add_layer(d: Distances, out: U16, first: int, reached: int) -> int:
    """Go on from the cells `first` to `reached` of `frontier` into new ones beside them; how many there are then.

    Within a layer no way leads from one cell to another: a loaded robot leaves a block of shelves by the next highway.
    """
    end = reached
    for k in range(first, reached):
        for side in range(4):
            there = d.neighbours[d.frontier[k], side]
            if there >= 0 and out[there * 4] == FAR and d.queued[there] == 0:
                d.queued[there] = 1
                d.frontier[end] = there
                end += 1
    for k in range(reached, end):
        _leave(d, out, d.frontier[k])
    for k in range(reached, end):
        d.queued[d.frontier[k]] = 0
    return end


@compiled
def _leave(d: Distances, out: U16, cell: int) -> None:
    """The time from `cell` of a new layer by the best side that leads to an earlier one, for every heading."""
    for side in range(4):
        there = d.neighbours[cell, side]
        if there < 0 or d.queued[there] == 1 or out[there * 4 + side] == FAR:
            continue
        ahead = out[there * 4 + side] + 1
        for heading in range(4):
            time = min(ahead + TURNS[heading, side], FAR - 1)
            out[cell * 4 + heading] = min(out[cell * 4 + heading], time)
