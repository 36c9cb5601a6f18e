"""From the `[world]` table of the handoff task to its floor and a table with nothing left open."""

import numpy as np

from env_server.errors import SetupError
from env_server.handoff.state import FEATURES
from env_server.kinds import Survey
from env_server.warehouse.floor import Floor
from env_server.warehouse.setup import copy_bytes
from env_server.warehouse.setup import observation_shape as rware_shape
from env_server.warehouse.state import ACTIONS
from fleet.core.config.handoff import HandoffConfig
from fleet.core.config.world import WorldConfig


def build_floor(world: WorldConfig) -> Floor:
    """The givers' side, the wall in row `depth`, and the receivers' side; a lane of columns for each pair.

    A lane's top row are its pick-up cells (the floor's service points), its bottom row its stations (the goals).
    """
    table = handoff_table(world)
    height, width = 2 * table.depth + 1, table.pairs * table.lane
    blocked = np.zeros((height, width), np.bool_)
    blocked[table.depth] = True
    top = np.arange(width, dtype=np.int32)
    return Floor(
        name=f"handoff {table.pairs}x{table.lane}x{table.depth}",
        height=height,
        width=width,
        blocked=blocked,
        highway=~blocked,
        shelves=np.zeros(0, np.int32),
        goals=top + (height - 1) * width,
        service=top,
        starts=np.flatnonzero(~blocked).astype(np.int32),
    )


def handoff_table(world: WorldConfig) -> HandoffConfig:
    """The `[world.handoff]` table, which a world of this kind always has."""
    assert world.handoff is not None
    return world.handoff


def resolve(world: WorldConfig) -> WorldConfig:
    """The same table with `robots` and `reward` filled in. Raises SetupError (a BadInput) for other than two a pair."""
    robots = 2 * handoff_table(world).pairs
    if world.robots not in (None, robots):
        raise SetupError(
            f"robots = {world.robots} with world.handoff.pairs = {robots // 2}; allowed is two per pair: {robots}"
        )
    return world.model_copy(update={"robots": robots, "reward": "dense"})


def survey(world: WorldConfig) -> Survey:
    """What is known of the world without making it. Raises as `resolve`."""
    floor, resolved = build_floor(world), resolve(world)
    assert resolved.robots is not None
    size, itemsize = observation_shape(resolved, floor)
    table, robots = handoff_table(world), resolved.robots
    per_copy = copy_bytes(resolved, floor, robots, size * itemsize) + 5 * robots + 4 * table.pairs
    fixed = 4 * robots * (table.depth + 1) * table.lane + 4 * floor.cells
    return Survey(resolved, size, itemsize, ACTIONS, world.worlds * per_copy + fixed)


def observation_shape(world: WorldConfig, floor: Floor) -> tuple[int, int]:
    """How many numbers a robot observes, RWARE's and then those of features.py, and the bytes of each."""
    size, itemsize = rware_shape(world, floor)
    return size + FEATURES, itemsize
