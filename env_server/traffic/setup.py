"""From the `[world]` table of a traffic grid to a table with nothing left open."""

from typing import cast

from env_server.errors import SetupError
from env_server.kinds import Survey
from fleet.core.config.traffic import TrafficConfig
from fleet.core.config.world import WorldConfig

ACTIONS, APPROACHES, FEATURES = 2, 4, 10
MOST = 1000
"""Agents of any world."""


def traffic_table(world: WorldConfig) -> TrafficConfig:
    """The `[world.traffic]` table, which a world of this kind always has."""
    return cast(TrafficConfig, world.traffic)


def resolve(world: WorldConfig) -> WorldConfig:
    """The same table with `robots` filled in. Raises SetupError for another number than there are intersections."""
    table = traffic_table(world)
    agents = table.rows * table.columns
    if agents > MOST:
        raise SetupError(f"{table.rows} x {table.columns} intersections; allowed are {MOST} in all")
    if world.robots not in (None, agents):
        raise SetupError(f"robots = {world.robots}; allowed is one per intersection: {table.rows} x {table.columns}")
    return world.model_copy(update={"robots": agents})


def survey(world: WorldConfig) -> Survey:
    """What is known of the world without making it. Raises as `resolve`."""
    resolved = resolve(world)
    assert resolved.robots is not None
    per_copy = resolved.robots * (APPROACHES * 6 + 2 * FEATURES + 4 * 4)
    return Survey(resolved, FEATURES, 1, ACTIONS, world.worlds * per_copy)
