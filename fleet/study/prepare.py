"""What is checked before anything is written or started: the floor, robots, learners' groups, memory and the wire.

From a loaded Config to a resolved one (nothing left unset that the floor decides), or BadInput.
"""

from collections.abc import Sequence
from itertools import pairwise

from env_server.kinds import Survey
from env_server.worlds import resolve, survey
from fleet.core.config import Config, NetworkConfig, WorldConfig
from fleet.core.endpoints import check_wire
from fleet.core.errors import BadInput
from fleet.core.faults.resolve import resolve as resolve_plan
from fleet.study.memory import Figures, require_memory
from fleet.study.message_size import actor_sizes, policies, require_messages


def prepare(config: Config) -> Config:
    """The config with `[world]` filled in.

    Raises BadInput if robots don't fit, groups are wrong or those who are frozen, the fault plan can't be carried out,
    memory is short, a message would be too large, or a link would be open to strangers.
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
        credit=config.run.credit,
        world_bytes=known.bytes,
        packed=config.packed,
        **_learning(resolved, known),
    )
    require_messages(resolved, known.observation_size, known.itemsize, known.actions)
    require_memory(figures, config.control.memory_limit_gb)
    check_wire(config.wire)
    return resolved


def settle(config: Config) -> Config:
    """The config with `[world]` filled in; of all that `prepare` checks, robots, groups, the frozen and the fault plan.

    Raises BadInput.
    """
    return _settled(config, resolve(config.world))


def _settled(config: Config, world: WorldConfig) -> Config:
    resolved = config.model_copy(update={"world": world})
    assert world.robots is not None
    try:
        config.frozen_robots(world.robots)
    except ValueError as error:
        raise BadInput(str(error)) from None
    resolve_plan(resolved)
    return resolved


def _learning(config: Config, known: Survey) -> dict[str, int]:
    """The `Figures` of what learners are made of, without importing torch into the supervisor to count it."""
    robots, seen = config.world.robots, known.observation_size
    assert robots is not None
    if config.learner.by_values:
        # layers that read what all robots see have 64, 32, 64 and 32 units; another has 64 x 32 weights for each robot
        mixer = robots * (192 * seen + 2048) if config.learner.algorithm == "qmix" else 0
        memory = {"remembered": config.replay.capacity, "batch": config.replay.batch, "mixer": mixer}
        return {"parameters": _parameters(known, config.network), **memory}
    if config.central:
        sample = robots * actor_sizes(config, seen, known.actions)[0]
        return {"parameters": _central_parameters(known, config), "central": sample}
    return {"parameters": _parameters(known, config.network)}


def _parameters(known: Survey, network: NetworkConfig) -> int:
    """Weights and biases of actor and critic."""
    trunk = _weights((known.observation_size, *network.hidden))
    heads = (network.hidden[-1] + 1) * (known.actions + 1)
    return (trunk if network.share_trunk else 2 * trunk) + heads


def _central_parameters(known: Survey, config: Config) -> int:
    """Those of all actors and of a joint critic with an output for each robot."""
    robots, network = config.world.robots, config.network
    assert robots is not None
    actor = actor_sizes(config, known.observation_size, known.actions)
    critic = (robots * known.observation_size, *(network.critic_hidden or network.hidden), robots)
    return policies(config, robots) * _weights(actor) + _weights(critic)


def _weights(sizes: Sequence[int]) -> int:
    return sum((inputs + 1) * outputs for inputs, outputs in pairwise(sizes))
