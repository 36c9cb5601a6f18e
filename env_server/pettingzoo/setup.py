"""From the `[world]` table of a foreign task to what is known of it, found by making one environment elsewhere."""

import json
from functools import cache
from typing import cast

from env_server.errors import SetupError
from env_server.kinds import Survey
from env_server.pettingzoo.job import Outline
from env_server.pettingzoo.workers import look_at
from fleet.core.config.pettingzoo import PettingZooConfig
from fleet.core.config.world import WorldConfig
from fleet.core.platform import usable_cores

_BYTES = 9  # of an agent's reward, action and flags in a copy


def pettingzoo_table(world: WorldConfig) -> PettingZooConfig:
    """The table of its own, which a world of this kind always has."""
    return cast(PettingZooConfig, world.pettingzoo)


def outline_of(world: WorldConfig) -> Outline:
    """Its environment's outline. Raises BadInput if there is no such environment, or a fleet can't take it."""
    table = pettingzoo_table(world)
    return _look_at(table.env, json.dumps(table.args))


def worker_count(world: WorldConfig) -> int:
    """How many processes step it."""
    wanted = pettingzoo_table(world).workers
    return min(world.worlds, usable_cores() if wanted is None else wanted)


def resolve(world: WorldConfig) -> WorldConfig:
    """The same table with `robots` filled in. Raises BadInput for another number, and as `outline_of`."""
    agents = len(outline_of(world).agents)
    if world.robots not in (None, agents):
        raise SetupError(
            f"robots = {world.robots}; {pettingzoo_table(world).env} has {agents} agents, and allowed is {agents}"
        )
    return world.model_copy(update={"robots": agents})


def survey(world: WorldConfig) -> Survey:
    """What is known of the world without making it. Raises as `resolve`."""
    resolved, known = resolve(world), outline_of(world)
    size = max(known.features)
    board = len(known.agents) * world.worlds * (2 * 4 * size + _BYTES)
    return Survey(resolved, size, 4, max(known.actions), board + worker_count(world) * known.memory)


@cache
def _look_at(env: str, args: str) -> Outline:
    """Once in a process: to look takes a second, and a run asks several times."""
    return look_at(env, json.loads(args))
