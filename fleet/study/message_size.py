"""How large a run's rollouts and policies will be on the wire, and a refusal where they could not be sent. Pure."""

from itertools import pairwise
from math import ceil

import numpy as np

from actors.joint import joint_sizes
from fleet.core.config import Config
from fleet.core.data_channel import MAX_POLICY
from fleet.core.errors import BadInput
from fleet.core.wire import MAX_HEADER, MAX_MESSAGE

_STEP_BYTES = 11  # action, log-probability, reward, two end flags


def require_messages(config: Config, observation: int, itemsize: int, actions: int) -> None:
    """Raise BadInput unless the largest group of robots can be sent its rollout, and send its policy.

    `observation`: numbers in one, of `itemsize` bytes each. `world.robots` must be known.
    """
    assert config.world.robots is not None
    robots = max(map(len, config.groups(config.world.robots)))
    messages = (
        ("rollout", robots * rollout_bytes(config, observation, itemsize), MAX_MESSAGE),
        ("policy", policies(config, robots) * policy_bytes(config, observation, actions), MAX_POLICY),
    )
    for what, size, most in messages:
        if size + MAX_HEADER > most:
            each = config.learners.per_process
            setting = f"learners.per_process = {each}" if config.mapping == "per-robot" else "mapping"
            raise BadInput(
                f"{setting}: a {what} of {robots} robot{'s' * (robots > 1)} would be {size / 1e6:,.0f} MB, and a "
                f"message may be {most / 1e6:,.0f} MB; allowed are fewer robots to a process, or smaller "
                f"{'rollouts' if what == 'rollout' else 'networks'}"
            )


def rollout_bytes(config: Config, observation: int, itemsize: int) -> int:
    """The arrays of one robot's rollout: what it saw, also where episodes were cut off, and what each step came to."""
    steps = config.learner.rollout_steps
    seen = steps + 1 + ceil(steps / config.world.max_steps)
    return config.world.worlds * (seen * observation * itemsize + steps * _STEP_BYTES)


def policies(config: Config, robots: int) -> int:
    """Sets of actor weights in the policy of a learner of so many robots."""
    return robots if config.own_weights or config.learner.algorithm == "joint" else 1


def policy_bytes(config: Config, observation: int, actions: int) -> int:
    """The arrays of one policy: the actor, and how it scales what it sees."""
    sizes = actor_sizes(config, observation, actions)
    network = sum(inputs * outputs + outputs for inputs, outputs in pairwise(sizes))
    return 4 * 2 * observation + np.dtype(config.learners.policies).itemsize * network


def actor_sizes(config: Config, observation: int, actions: int) -> tuple[int, ...]:
    """Numbers into each layer of an actor, and out of the last: of one robot's, or of one robot's in a joint policy."""
    if config.learner.algorithm == "joint":
        assert config.world.robots is not None
        return joint_sizes(config.network, config.world.robots, observation, actions)
    return (observation, *config.network.hidden, actions)
