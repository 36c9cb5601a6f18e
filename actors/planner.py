"""The planners by their names: whoever can tell all robots what to do from one view of floor and traffic."""

from typing import Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt

from actors.greedy import Greedy
from actors.pibt import Pibt
from actors.view import FloorView, TrafficView
from fleet.core.errors import BadInput

PlannerName = Literal["greedy", "pibt"]


class Planner(Protocol):
    """Plans E copies of N robots; made anew for each world, as it may remember what came before."""

    def act(self, view: TrafficView) -> npt.NDArray[np.uint8]:
        """The next actions, uint8 (N, E). To be called once in each step."""
        ...


def make_planner(name: str, floor: FloorView, robots: int, copies: int) -> Planner:
    """The planner called `name` for E `copies` of N `robots` on `floor`. Raises BadInput if there is none."""
    if name == "greedy":
        return Greedy(floor, robots, copies)
    if name == "pibt":
        return Pibt(floor, robots, copies)
    raise BadInput(f"planner {name!r}; allowed are {', '.join(get_args(PlannerName))}")
