"""The worlds by their kind: the one place that knows which there are. Server, commands and studies come here.

A kind is a folder with a `World`, a `setup` that offers `resolve` and `survey`, and a line or more for `fleet tasks`.
Only `make_world` and `survey` load what a world is stepped with.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import env_server.games.setup as games
import env_server.handoff.setup as handoff
import env_server.pettingzoo.setup as pettingzoo
import env_server.traffic.setup as traffic
import env_server.warehouse.setup as warehouse
from env_server.games.tasks import TASKS as GAME_TASKS
from env_server.handoff.tasks import TASKS as HANDOFF_TASKS
from env_server.kinds import Survey, Task
from env_server.pettingzoo.tasks import TASKS as PETTINGZOO_TASKS
from env_server.protocol import World
from env_server.traffic.tasks import TASKS as TRAFFIC_TASKS
from env_server.warehouse.tasks import tasks as warehouse_tasks
from fleet.core.config.world import Kind, WorldConfig


class _Setup(NamedTuple):
    resolve: Callable[[WorldConfig], WorldConfig]
    survey: Callable[[WorldConfig], Survey]


_SETUPS: Mapping[Kind, _Setup] = {
    "warehouse": _Setup(warehouse.resolve, warehouse.survey),
    "handoff": _Setup(handoff.resolve, handoff.survey),
    "game": _Setup(games.resolve, games.survey),
    "traffic": _Setup(traffic.resolve, traffic.survey),
    "pettingzoo": _Setup(pettingzoo.resolve, pettingzoo.survey),
}


def make_world(config: WorldConfig) -> World:
    """The world that the `[world]` table describes. Raises BadInput for a floor or numbers that can't be."""
    if config.kind == "handoff":
        from env_server.handoff.world import Handoff

        return Handoff(config)
    if config.kind == "game":
        from env_server.games.world import GameWorld

        return GameWorld(config)
    if config.kind == "traffic":
        from env_server.traffic.world import Traffic

        return Traffic(config)
    if config.kind == "pettingzoo":
        from env_server.pettingzoo.world import PettingZooWorld

        return PettingZooWorld(config)
    from env_server.warehouse.world import Warehouse

    return Warehouse(config)


def resolve(config: WorldConfig) -> WorldConfig:
    """The table with what its world decides filled in: `robots` and more. Raises BadInput as `make_world`."""
    return _SETUPS[config.kind].resolve(config)


def survey(config: WorldConfig) -> Survey:
    """What is known of the world without making it. Raises BadInput as `make_world`."""
    return _SETUPS[config.kind].survey(config)


def to_show(config: WorldConfig) -> WorldConfig:
    """The same world as one copy that can be rendered, from the start of an episode."""
    table = config.pettingzoo
    if table is not None:
        table = table.model_copy(update={"args": {"render_mode": "rgb_array", **table.args}})
    return config.model_copy(update={"worlds": 1, "stagger": False, "pettingzoo": table})


def tasks() -> tuple[Task, ...]:
    """Every way to name a world."""
    return warehouse_tasks() + HANDOFF_TASKS + GAME_TASKS + TRAFFIC_TASKS + PETTINGZOO_TASKS
