"""Small warehouses set up by hand, for one situation per test; and a small .map file."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from env_server.protocol import Step
from env_server.warehouse.world import Warehouse
from fleet.core.config.world import WorldConfig

Place = tuple[int, int]
MAP = "type octile\nheight 4\nwidth 6\nmap\nS.@.E.\n......\n.S.@..\n....E.\n"


class Scene:
    """A warehouse on an ASCII layout with its robots, loads, shelves and requests where the test wants them.

    `robots` are (row, column, heading); `loads` says which robot carries which shelf, `shelves` where a shelf stands.
    """

    def __init__(
        self,
        layout: str,
        robots: Sequence[tuple[int, int, int]],
        *,
        loads: Mapping[int, int] | None = None,
        shelves: Mapping[int, Place] | None = None,
        queue: Sequence[int] = (0,),
        copies: int = 1,
        **settings: object,
    ) -> None:
        given = {"layout": layout, "robots": len(robots), "request_queue": len(queue), "worlds": copies}
        self.world = Warehouse(WorldConfig.model_validate(given | {"stagger": False} | settings))
        spec = self.world.spec
        self.obs = np.zeros((spec.robots, spec.worlds, spec.observation_size), spec.observation_dtype)
        self.world.reset(0, self.obs)
        state = self.world.state()
        state["cell"][:] = [self.cell(row, column) for row, column, _ in robots]
        state["heading"][:] = [heading for _, _, heading in robots]
        state["queue"][:] = queue
        for shelf, place in (shelves or {}).items():
            state["shelf_cell"][:, shelf] = self.cell(*place)
        for robot, shelf in (loads or {}).items():
            state["carrying"][:, robot] = shelf
            state["shelf_cell"][:, shelf] = state["cell"][:, robot]
        self.world.set_state(state)
        self.world.observe(self.obs)

    def cell(self, row: int, column: int) -> int:
        return row * self.world.floor.width + column

    def act(self, *actions: int, draws: Sequence[int] | None = None) -> list[float]:
        """One step, the same in every copy; the rewards in copy 0."""
        forced = None if draws is None else np.array([draws] * self.world.spec.worlds, np.int32)
        return [float(reward) for reward in self.step(*actions, draws=forced).rewards[:, 0]]

    def step(self, *actions: int, draws: np.ndarray | None = None) -> Step:
        return self.world.step(np.array([actions] * self.world.spec.worlds, np.uint8).T.copy(), self.obs, draws)

    def at(self) -> list[Place]:
        """Where the robots of copy 0 are, (row, column)."""
        return [(int(cell) // self.world.floor.width, int(cell) % self.world.floor.width) for cell in self.of("cell")]

    def of(self, name: str) -> np.ndarray:
        """Copy 0's part of a state array."""
        return self.world.state()[name][0]


@pytest.fixture
def scene() -> Callable[..., Scene]:
    return Scene


@pytest.fixture
def small_map(tmp_path: Path) -> str:
    path = tmp_path / "small.map"
    path.write_text(MAP)
    return str(path)
