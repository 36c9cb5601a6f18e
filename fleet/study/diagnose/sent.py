"""What training would send either way: bytes per agent-step, counted on the very messages of a round."""

from collections.abc import Iterable
from dataclasses import dataclass

from env_server.collect import Collector
from env_server.protocol import World
from fleet.core.config import Config
from fleet.core.messages import Message, Policy, Rollout
from fleet.core.wire import encode
from fleet.study.compare.traffic import Traffic, traffic
from fleet.study.diagnose.crews import Crews, hire
from fleet.study.diagnose.schemes import as_central
from learners.protocol import Learner

_RUN = "0" * 32


@dataclass(frozen=True)
class Sent:
    """By independent learners, and by one centralized learner of all robots."""

    independent: Traffic
    central: Traffic


def sent(config: Config, world: World) -> Sent:
    """For a task whose robots learn independently in `config`."""
    return Sent(_of_a_round(config, world), _of_a_round(as_central(config), world))


def _of_a_round(config: Config, world: World) -> Traffic:
    """What one round of `config` sends over the data link, heads of messages and all."""
    crew = hire(config, world.spec, range(world.spec.robots))
    collector = Collector(world, Crews([crew]), config.run.seed, config.learner.rollout_steps)
    collector.reset()
    taken = collector.collect(0)
    rollouts = [
        Rollout(_RUN, life=0, learner=k, incarnation=0, seq=0, round=0, version=0, batch=taken.rollout(group))
        for k, group in enumerate(crew.groups)
    ]
    policies = [_policy(k, crew.learners[k], rollout) for k, rollout in enumerate(rollouts)]
    figures = {
        "wire_agent_steps": taken.rewards.size,
        "wire_sent_rollout_bytes": _bytes(rollouts),
        "wire_received_policy_bytes": _bytes(policies),
    }
    found = traffic(figures, crew.groups)
    assert found is not None
    return found


def _policy(number: int, learner: Learner, rollout: Rollout) -> Policy:
    figures = learner.update(rollout.batch)
    return Policy(
        _RUN, 0, number, 0, learner.version, rollouts=(0,), weights=dict(learner.weights()), diagnostics=figures
    )


def _bytes(messages: Iterable[Message]) -> int:
    return sum(len(memoryview(frame).cast("B")) for message in messages for frame in encode(message))
