"""What the planners' compiled parts share: one copy's scene on the floor's road, and where a robot may go in it."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from actors.compiled import inner

I32 = npt.NDArray[np.int32]
U8 = npt.NDArray[np.uint8]
U16 = npt.NDArray[np.uint16]
Flags = npt.NDArray[np.bool_]

TURNS = np.array([[0, 2, 1, 1], [2, 0, 1, 1], [1, 1, 0, 2], [1, 1, 2, 0]], np.uint8)  # from a heading to a side
TOWARDS = np.array([[1, 2, 2, 3], [2, 1, 3, 2], [3, 2, 1, 2], [2, 3, 2, 1]], np.uint8)  # the action that leads there
STAY = -1  # in place of a side
STALLED = 200  # as a cost: past a robot that won't move only if there is no other way


class Road(NamedTuple):
    """The floor: `neighbours` (cells, 4), `costs` (2, cells, 4), `fields` (rows, cells * 4), `highway` (cells,)."""

    neighbours: I32
    costs: U8
    fields: U16
    highway: Flags


class Scene(NamedTuple):
    """One copy: what `TrafficView` says of it, each robot's field `row` (N,), and their `order` (N,) of right."""

    cell: I32
    heading: U8
    loaded: Flags
    target: I32
    lifts: Flags
    online: Flags
    standing: I32
    row: I32
    order: npt.NDArray[np.int64]


@inner
def enterable(road: Road, scene: Scene, robot_at: I32, n: int, side: int) -> bool:
    """Whether neither wall nor standing shelf keeps robot n from leaving its cell by `side`."""
    there = road.neighbours[scene.cell[n], side]
    if there < 0:
        return False
    if not scene.loaded[n] or scene.standing[there] < 0:
        return True
    other = robot_at[there]
    return bool(other >= 0 and scene.loaded[other])  # that one carries the shelf there, and may carry it away


@inner
def cost_by(road: Road, scene: Scene, robot_at: I32, n: int, side: int) -> int:
    """What the way to robot n's target costs by `side`, turns counted; n has a target and can leave by that side."""
    here = scene.cell[n]
    there = road.neighbours[here, side]
    cost = TURNS[scene.heading[n], side] + road.costs[int(scene.loaded[n]), here, side]
    cost += road.fields[scene.row[n], there * 4 + side]
    other = robot_at[there]
    if other >= 0 and not scene.online[other]:
        cost += STALLED
    return int(cost)
