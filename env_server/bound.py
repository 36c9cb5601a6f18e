"""The most that could be delivered: what an evaluation's own orders would take if no robot ever waited for another.

It looks on while any actor drives. Each leg that begins is measured on the empty floor, from the cell and the heading
in which it finds its robot. Who gets which order, and so how far the ways are, stays the actor's: a bound on driving.
"""

import numpy as np
import numpy.typing as npt

from actors.free_flow import Journeys, free_flow, make_spread
from actors.view import NOTHING, FloorView, TrafficView
from actors.ways import neighbours_of

FETCH, DELIVER, RETURN = range(3)
_KINDS = 3


class Bound:
    """Of E copies of N robots. Call `look` once before every step, from an episode's first on.

    bound = Bound(world.floor_view(), robots, copies)
    for _ in range(steps):
        bound.look(world.traffic_view())
        world.step(...)
    bound.deliveries()
    """

    def __init__(self, floor: FloorView, robots: int, copies: int) -> None:
        self._neighbours = neighbours_of(floor.blocked)
        self._highway = floor.highway.reshape(-1)
        self._spread = make_spread(floor.blocked.size)
        self._target = np.full((copies, robots), NOTHING, np.int32)
        self._kind = np.zeros((copies, robots), np.int64)
        self._steps = np.zeros((copies, _KINDS), np.int64)
        self._legs = np.zeros((copies, _KINDS), np.int64)
        self._online_steps = 0
        self._robot_steps = 0

    def look(self, view: TrafficView) -> None:
        """Take in how things stand before the next step."""
        self._online_steps += int(view.online.sum())
        self._robot_steps += view.online.size
        kind = np.where(view.delivers, DELIVER, np.where(view.loaded, RETURN, FETCH))
        begins = ((view.target != self._target) | (kind != self._kind)) & (view.target != NOTHING)
        begins &= view.online & (view.cell != NOTHING)
        self._target, self._kind = view.target.copy(), kind
        self._record(begins, view, kind[begins])

    def deliveries(self) -> npt.NDArray[np.float64]:
        """Per robot and 1,000 steps, offline ones counted in, float64 (E,); 0 where nobody was given an order.

        The steps of an order are the sum of the means of its legs, so that one cut off by the end counts with the legs
        it has begun; a kind of leg that an episode hasn't seen counts with its mean over all. Reality may pass the
        bound by up to one delivery per robot: orders begin whole and end cut off.
        """
        overall = self._steps.sum(axis=0) / np.maximum(self._legs.sum(axis=0), 1)
        per_order = np.where(self._legs > 0, self._steps / np.maximum(self._legs, 1), overall).sum(axis=1)
        rate = self._online_steps / max(self._robot_steps, 1) * 1000.0
        most: npt.NDArray[np.float64] = rate / np.where(per_order > 0, per_order, np.inf)
        return most

    def _record(self, begins: npt.NDArray[np.bool_], view: TrafficView, kind: npt.NDArray[np.int64]) -> None:
        """Measure the legs that begin (E, N), of `kind` (K,)."""
        steps = np.zeros(len(kind), np.int32)
        journeys = Journeys(view.cell[begins], view.heading[begins], view.loaded[begins], view.target[begins])
        free_flow(self._neighbours, self._highway, journeys, self._spread, steps)
        copy = np.nonzero(begins)[0]
        has_way = steps != NOTHING  # one without a way never ends; left out, it can only raise the bound
        takes = np.where(view.lifts[begins], steps + 1, np.maximum(steps, 1))  # a toggle; no leg ends before it began
        np.add.at(self._steps, (copy[has_way], kind[has_way]), takes[has_way])
        np.add.at(self._legs, (copy[has_way], kind[has_way]), 1)
