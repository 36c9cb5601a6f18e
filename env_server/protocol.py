"""What the environment server asks of a world. The warehouse is one; games and other people's tasks are others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from actors.view import FloorView, TrafficView
from fleet.core.spec import Array, WorldSpec

Body = Literal["online", "stalled", "towed"]


@dataclass(frozen=True)
class Step:
    """What one step gave, robot-major. The arrays are the world's own and are overwritten by the next step.

    rewards f32 (N, E); terminated, truncated bool (N, E); final_obs (N, E, D), valid only where an episode ended: the
    observation it ended in (the copy itself has been reset, and `out` holds the new episode's first observation).

    `gone` bool (N, E), in a world whose robots don't all end together: whose episode was over before this step, which
    then is terminated once more, pays nothing and shows zeros. None: nobody's ever is.
    """

    rewards: npt.NDArray[np.float32]
    terminated: npt.NDArray[np.bool_]
    truncated: npt.NDArray[np.bool_]
    final_obs: Array
    gone: npt.NDArray[np.bool_] | None = None


class World(Protocol):
    """E copies of N robots, stepped at once."""

    @property
    def spec(self) -> WorldSpec:
        """Shapes and types; constant."""
        ...

    def reset(self, seed: int, out: Array) -> None:
        """Start every copy afresh from `seed` and write the observations into `out` (N, E, D)."""
        ...

    def step(self, actions: npt.NDArray[np.uint8], out: Array) -> Step:
        """Apply `actions` (N, E), write the next observations into `out` (N, E, D); ended copies are reset."""
        ...

    def observe(self, out: Array) -> None:
        """Write the present observations into `out` (N, E, D), after `set_state` or `set_body`."""
        ...

    @property
    def bodies(self) -> tuple[Body, ...]:
        """What each robot's body is."""
        ...

    def set_body(self, robot: int, body: Body) -> None:
        """Take a robot off in every copy (stalled: an obstacle; towed: off the floor), or put it back online."""
        ...

    def floor_view(self) -> FloorView:
        """The floor as a planner sees it."""
        ...

    def traffic_view(self) -> TrafficView:
        """All copies as a planner sees them now. Raises BadInput if this world hands out no orders to plan for."""
        ...

    def metrics(self) -> Mapping[str, npt.NDArray[np.int64]]:
        """Counters since the world was made, per robot: `deliveries` (N,) and `deliveries_by_copy` (N, E).

        Where nothing is ever delivered (another one's environment) these two are left out. `illegal` (N,), if there is
        one, counts actions outside the space; the world must take such a one for none.
        """
        ...

    def state(self) -> dict[str, Array]:
        """Copies of all arrays that decide the future, generators and clocks included.

        Raises WorldError in a foreign world, which can't give it.
        """
        ...

    def set_state(self, state: Mapping[str, Array]) -> None:
        """Go back to a state that `state()` gave. Raises WorldError if it is another world's."""
        ...

    def render(self, copy: int = 0) -> npt.NDArray[np.uint8]:
        """One copy as an image, uint8 (height, width, 3)."""
        ...
