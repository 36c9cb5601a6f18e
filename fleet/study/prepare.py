"""What is checked before anything is written or started: the floor, robots, learners' groups, memory and the wire.

From a loaded Config to a resolved one (nothing left unset that the floor decides), or BadInput.
"""

from itertools import pairwise

from env_server.worlds import resolve, survey
from fleet.core.config import Config, NetworkConfig, WorldConfig
from fleet.core.endpoints import check_wire
from fleet.core.errors import BadInput
from fleet.core.faults.resolve import resolve as resolve_plan
from fleet.study.memory import Figures, require_memory
from fleet.study.message_size import require_messages


def prepare(config: Config) -> Config:
    """The config with `[world]` filled in.

    Raises BadInput if robots don't fit, groups are wrong, the fault plan can't be carried out, memory is short, a
    message would be too large, or a link would be open to strangers.
    """
    known = survey(config.world)
    resolved = _settled(config, known.config)
    world = resolved.world
    assert world.robots is not None
    groups = config.groups(world.robots)
    figures = Figures(
        groups=tuple(len(group) for group in groups),
        worlds=world.worlds,
        rollout_steps=config.learner.rollout_steps,
        minibatch=config.learner.minibatch,
        observation_size=known.observation_size,
        observation_bytes=known.itemsize,
        parameters=_parameters(known.observation_size, known.actions, config.network),
        credit=config.run.credit,
        world_bytes=known.bytes,
        packed=config.packed,
    )
    require_messages(resolved, known.observation_size, known.itemsize, known.actions)
    require_memory(figures, config.control.memory_limit_gb)
    check_wire(config.wire)
    return resolved


def settle(config: Config) -> Config:
    """The config with `[world]` filled in; of all that `prepare` checks, the robots, their groups and the fault plan.

    Raises BadInput.
    """
    return _settled(config, resolve(config.world))


def _settled(config: Config, world: WorldConfig) -> Config:
    resolved = config.model_copy(update={"world": world})
    assert world.robots is not None
    try:
        config.groups(world.robots)
    except ValueError as error:
        raise BadInput(str(error)) from None
    resolve_plan(resolved)
    return resolved


def _parameters(observation: int, actions: int, network: NetworkConfig) -> int:
    """Weights and biases of actor and critic, without importing torch into the supervisor to count them."""
    trunk = sum(inputs * outputs + outputs for inputs, outputs in pairwise((observation, *network.hidden)))
    heads = (network.hidden[-1] + 1) * (actions + 1)
    return (trunk if network.share_trunk else 2 * trunk) + heads
