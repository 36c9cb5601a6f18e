"""Dead ends of a floor: an idle robot in one would shut out for good whoever is sent there."""

from collections import deque

import numpy as np
import numpy.typing as npt

from actors.view import NOTHING, Flags
from actors.ways import neighbours_of

I32 = npt.NDArray[np.int32]


def ways_out(blocked: Flags) -> I32:
    """For each cell in a dead end the nearest one that is in none, NOTHING for all others; int32 (cells,).

    Dead ends are the cells that go when those with one way in are taken off the floor, bool `blocked` (height, width),
    again and again. On a floor without any circle there is no cell to go to.
    """
    neighbours = neighbours_of(blocked)
    neighbours[blocked.reshape(-1)] = NOTHING  # nobody stands there who could leave
    degree = (neighbours != NOTHING).sum(axis=1)
    opens_to = np.full(len(neighbours), NOTHING, np.int32)  # the one way out of each cell taken off
    taken = degree == 0
    ends, order = deque(np.flatnonzero(degree == 1)), []
    while ends:
        cell = ends.popleft()
        taken[cell] = True
        order.append(cell)
        for there in neighbours[cell]:
            if there != NOTHING and not taken[there]:
                opens_to[cell] = there
                degree[there] -= 1
                if degree[there] == 1:
                    ends.append(there)
    out = np.full(len(neighbours), NOTHING, np.int32)
    for cell in reversed(order):  # those nearest to the open floor first
        there = opens_to[cell]
        if there != NOTHING:
            out[cell] = out[there] if taken[there] else there
    return out
