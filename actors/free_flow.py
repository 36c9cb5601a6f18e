"""How many steps a robot takes to its target when it is alone on the floor, quarter turns counted."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from actors.compiled import compiled, inner
from actors.view import NOTHING

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]


class Journeys(NamedTuple):
    """K of them: from `cell` int32 and `heading` uint8 to `target` int32, bool `loaded` or not; all (K,)."""

    cell: I32
    heading: U8
    loaded: Flags
    target: I32


class Spread(NamedTuple):
    """Scratch of a search over cell * 4 + heading: the states reached, in what order, and how far each is."""

    queue: I32
    steps: I32
    reached: I64  # in which search, so that nothing has to be wiped between two
    searches: I64  # (1,) so far


def make_spread(cells: int) -> Spread:
    """Room for the searches on one floor."""
    states = 4 * cells
    return Spread(
        queue=np.zeros(states, np.int32),
        steps=np.zeros(states, np.int32),
        reached=np.zeros(states, np.int64),
        searches=np.zeros(1, np.int64),
    )


@compiled
def free_flow(neighbours: I32, highway: Flags, journeys: Journeys, spread: Spread, out: I32) -> None:
    """Write the steps of each journey into `out` (K,), NOTHING where there is no way; none if it is there already.

    `neighbours` int32 (cells, 4) and `highway` bool (cells,) are the floor. Unloaded robots pass under shelves. Loaded
    ones keep to the highway, but for the cells where they start and end: elsewhere off it shelves stand.
    """
    for k in range(out.size):
        out[k] = _search(neighbours, highway, journeys, k, spread)


@inner
def _search(neighbours: I32, highway: Flags, journeys: Journeys, k: int, spread: Spread) -> int:
    """Breadth-first, as every turn and every move takes one step."""
    target, loaded = journeys.target[k], journeys.loaded[k]
    start = journeys.cell[k] * 4 + journeys.heading[k]
    spread.searches[0] += 1
    search = spread.searches[0]
    spread.queue[0], spread.steps[start], spread.reached[start] = start, 0, search
    head, tail = 0, 1
    while head < tail:
        state = spread.queue[head]
        head += 1
        cell, heading = state // 4, state % 4
        if cell == target:
            return int(spread.steps[state])
        for way in range(3):
            after = cell * 4 + ((heading ^ 2) & 2 | way)  # a quarter turn to one of the two headings beside this one
            if way == 2:
                there = neighbours[cell, heading]
                if there < 0 or (loaded and not highway[there] and there != target):
                    continue
                after = there * 4 + heading
            if spread.reached[after] != search:
                spread.reached[after], spread.steps[after] = search, spread.steps[state] + 1
                spread.queue[tail] = after
                tail += 1
    return NOTHING
