"""The planner by priority inheritance with backtracking (PIBT): whoever has been longest on its leg pushes the others.

Priorities are the paper's: one grows while a robot is on its leg and starts anew when it arrives. The paper promises
that all arrive where every two neighbouring cells lie on a circle. Dead ends are what it leaves open, so here

* whoever was refused its first choice PATIENCE times running, because the one who stands there can't make way, starts
  anew as well: then the one in the dead end pushes it back and comes out first;
* nobody stays in a dead end without an order.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from actors.dead_ends import ways_out
from actors.inheritance import make_reserved, plan
from actors.scenes import Scenes, Seniority
from actors.view import NOTHING, FloorView, TrafficView

AGAINST = 1  # measured on warehouse40: 0 delivers 7% less, 2 as much
PATIENCE = 3  # 1 and 10 deliver as much


class Pibt:
    """Plans E copies of N robots, copy by copy. Remembers since when each robot has been on its leg, and its refusals.

    `against` is what it costs a loaded robot to drive a cell against a lane's direction; 0 makes all lanes two-way.
    """

    def __init__(self, floor: FloorView, robots: int, copies: int, *, against: int = AGAINST) -> None:
        self._scenes = Scenes(floor, robots, against)
        self._ways_out = ways_out(floor.blocked)
        self._seniority = Seniority(robots, copies)
        self._reserved = make_reserved(robots, floor.blocked.size)
        self._refusals = np.zeros((copies, robots), np.int64)
        self._actions = np.zeros((copies, robots), np.uint8)

    def act(self, view: TrafficView) -> npt.NDArray[np.uint8]:
        """The next actions, uint8 (N, E). To be called once in each step."""
        idle = view.online & (view.target == NOTHING) & (view.cell != NOTHING)
        view = replace(view, target=np.where(idle, self._ways_out[view.cell], view.target))
        order = self._seniority.order(view)
        for e, scene in enumerate(self._scenes.of(view, order)):
            plan(self._scenes.road, scene, self._reserved, self._actions[e])
            self._refusals[e] = np.where(self._reserved.refused, self._refusals[e] + 1, 0)
        gives_up = self._refusals >= PATIENCE
        self._seniority.renew(gives_up)
        self._refusals[gives_up] = 0
        return np.ascontiguousarray(self._actions.T)
