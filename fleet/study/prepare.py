"""What is checked before anything is written or started: the floor, robots, learners' groups, memory and the wire.

From a loaded Config to a resolved one (nothing left unset that the floor decides), or BadInput.
"""

from collections.abc import Sequence
from itertools import pairwise

from env_server.warehouse.floor import Floor
from env_server.warehouse.setup import build_floor, estimate_bytes, observation_shape, resolve
from fleet.core.config import Config, NetworkConfig
from fleet.core.endpoints import check_wire
from fleet.core.errors import BadInput
from fleet.core.faults.resolve import resolve as resolve_plan
from fleet.study.memory import Figures, require_memory
from fleet.study.message_size import ACTIONS, actor_inputs, policies, require_messages


def prepare(config: Config) -> Config:
    """The config with `[world]` filled in.

    Raises BadInput if robots don't fit, groups are wrong, the fault plan can't be carried out, memory is short, a
    message would be too large, or a link would be open to strangers.
    """
    floor = build_floor(config.world)
    resolved = settle(config, floor)
    world = resolved.world
    assert world.robots is not None
    groups = config.groups(world.robots)
    size, itemsize = observation_shape(world, floor)
    figures = Figures(
        groups=tuple(len(group) for group in groups),
        worlds=world.worlds,
        rollout_steps=config.learner.rollout_steps,
        minibatch=config.learner.minibatch,
        observation_size=size,
        observation_bytes=itemsize,
        parameters=_central_parameters(size, resolved) if config.central else _parameters(size, config.network),
        credit=config.run.credit,
        world_bytes=estimate_bytes(world, floor),
        packed=config.packed,
        central=world.robots * actor_inputs(resolved, size) if config.central else 0,
    )
    require_messages(resolved, size, itemsize)
    require_memory(figures, config.control.memory_limit_gb)
    check_wire(config.wire)
    return resolved


def settle(config: Config, floor: Floor | None = None) -> Config:
    """The config with `[world]` filled in; of all that `prepare` checks, the robots, their groups and the fault plan.

    `floor` saves building it again. Raises BadInput.
    """
    world = resolve(config.world, floor)
    resolved = config.model_copy(update={"world": world})
    assert world.robots is not None
    try:
        config.groups(world.robots)
    except ValueError as error:
        raise BadInput(str(error)) from None
    resolve_plan(resolved)
    return resolved


def _parameters(observation: int, network: NetworkConfig) -> int:
    """Weights and biases of actor and critic, without importing torch into the supervisor to count them."""
    trunk = sum(inputs * outputs + outputs for inputs, outputs in pairwise((observation, *network.hidden)))
    heads = (network.hidden[-1] + 1) * (ACTIONS + 1)
    return (trunk if network.share_trunk else 2 * trunk) + heads


def _central_parameters(observation: int, config: Config) -> int:
    """Those of all actors and of a joint critic with an output for each robot."""
    robots, network = config.world.robots, config.network
    assert robots is not None
    actor = (actor_inputs(config, observation), *network.hidden, ACTIONS)
    critic = (robots * observation, *(network.critic_hidden or network.hidden), robots)
    return policies(config, robots) * _weights(actor) + _weights(critic)


def _weights(sizes: Sequence[int]) -> int:
    return sum((inputs + 1) * outputs for inputs, outputs in pairwise(sizes))
