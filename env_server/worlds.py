"""The worlds by their kind: the one place that the server, the commands and the studies make them at."""

from env_server.protocol import World
from env_server.warehouse.world import Warehouse
from fleet.core.config.world import WorldConfig


def make_world(config: WorldConfig) -> World:
    """The world that the `[world]` table describes. Raises BadInput for a floor or numbers that can't be."""
    return Warehouse(config)
