"""From the `[world]` table of a game to the game itself and a table with nothing left open."""

from typing import cast

from env_server.errors import SetupError
from env_server.games.payoffs import AGENTS, make_game
from env_server.games.stages import Stages, rendezvous, single, two_state
from env_server.kinds import Survey
from fleet.core.config.game import GameConfig
from fleet.core.config.world import WorldConfig

_SETTINGS = ("best", "second", "miss", "k", "size")


def make_stages(world: WorldConfig) -> Stages:
    """The game that `[world.game]` describes. Raises BadInput for settings that it doesn't have."""
    table = cast(GameConfig, world.game)  # a world of this kind always has it
    given = {name: getattr(table, name) for name in _SETTINGS if getattr(table, name) is not None}
    if table.name not in ("two-state", "rendezvous"):
        return single(make_game(table.name, given))
    size = given.pop("size", 3) if table.name == "rendezvous" else None
    if given:
        raise SetupError(f"{table.name}: payoff {next(iter(given))}; allowed are none")
    return two_state() if size is None else rendezvous(size)


def resolve(world: WorldConfig) -> WorldConfig:
    """The same table with `robots` filled in. Raises BadInput for other than two, and as `make_stages`."""
    make_stages(world)
    if world.robots not in (None, AGENTS):
        raise SetupError(f'robots = {world.robots} with kind = "game"; allowed is {AGENTS}: a game has two agents')
    return world.model_copy(update={"robots": AGENTS})


def survey(world: WorldConfig) -> Survey:
    """What is known of the world without making it. Raises as `resolve`."""
    stages, resolved = make_stages(world), resolve(world)
    size = stages.seen.shape[2]
    fixed = stages.payoffs.nbytes + stages.following.nbytes + stages.seen.nbytes
    per_copy = AGENTS * (2 * size + 8 * 3)
    return Survey(resolved, size, stages.seen.itemsize, stages.actions, fixed + world.worlds * per_copy)
