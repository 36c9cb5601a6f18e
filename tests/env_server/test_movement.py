"""How far policies moved between two rounds, as the collector finds it, of robots that learn and robots that don't.

Broken by taking the mean over all robots for that over the updated, by comparing on the new round's observations, and
by looking at the first copy alone.
"""

from collections.abc import Mapping

import numpy as np
import pytest

from actors.stacked import StackedPolicy
from env_server import movement
from env_server.collect import Collector
from env_server.movement import rows
from env_server.worlds import make_world
from fleet.core.config import Config
from fleet.core.drift import kl, total_variation
from fleet.core.spec import Array

CONFIG = Config.model_validate(
    {
        "world": {"layout": "x.x.g\n.....", "robots": 3, "worlds": 2, "max_steps": 30, "request_queue": 1},
        "network": {"hidden": (4,)},
    }
)
STEPS = 5


def weights(policy: StackedPolicy, features: int, seed: int) -> Mapping[str, Array]:
    rng = np.random.default_rng(seed)
    shapes = {"actor.0.weight": (features, 4), "actor.0.bias": (4,), "actor.1.weight": (4, 5), "actor.1.bias": (5,)}
    drawn = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    assert policy.names == drawn.keys() | {"obs.mean", "obs.scale"}
    return drawn | {"obs.mean": np.zeros(features, np.float32), "obs.scale": np.ones(features, np.float32)}


class Acting:
    """A collector whose robots can be given weights, drawn from a seed."""

    def __init__(self, robots: int = 3) -> None:
        world = make_world(CONFIG.world.model_copy(update={"robots": robots}))
        self.features = world.spec.observation_size
        self.policy = StackedPolicy(world.spec, CONFIG.network)
        self.collector = Collector(world, self.policy, seed=1, steps=STEPS)
        self.collector.reset()

    def give(self, robot: int, seed: int) -> None:
        self.policy.load([robot], weights(self.policy, self.features, seed))


def test_only_those_who_were_given_weights_have_moved() -> None:
    acting = Acting()
    for robot in range(3):
        acting.give(robot, robot)
    first = acting.collector.collect(0)
    assert first.moved == {}
    still = acting.collector.collect(1)
    assert still.moved == {"drift_others_kl": 0.0, "drift_others_tv": 0.0}

    seen = still.obs[:, :STEPS].reshape(3, -1, acting.features)
    old = acting.policy.probabilities(seen, still.actions.reshape(3, -1))
    acting.give(0, 0)
    acting.give(2, 7)
    new = acting.policy.probabilities(seen, still.actions.reshape(3, -1))
    moved = acting.collector.collect(2).moved
    far, apart = kl(old[2], new[2]).mean(), total_variation(old[2], new[2]).mean()
    assert far > 0.01
    wanted = {
        "drift_kl": far / 2,
        "drift_tv": apart / 2,
        "drift_others_kl": far * 2 / 3,
        "drift_others_tv": apart * 2 / 3,
    }
    assert moved == pytest.approx(wanted)


def test_one_robot_has_no_others() -> None:
    acting = Acting(robots=1)
    acting.collector.collect(0)
    acting.give(0, 3)
    assert acting.collector.collect(1).moved.keys() == {"drift_kl", "drift_tv"}


def test_a_round_that_was_stopped_is_not_compared_on() -> None:
    acting = Acting()
    acting.collector.collect(0, stop=lambda: True)
    acting.give(0, 3)
    assert acting.collector.collect(1).moved == {}


@pytest.mark.parametrize(
    ("robots", "steps", "worlds"), [(3, 5, 2), (40, 128, 32), (2, 7, 100), (1000, 128, 8), (2, 500, 1)]
)
def test_steps_are_looked_at_once_each_and_evenly(robots: int, steps: int, worlds: int) -> None:
    when, where = rows(robots, steps, worlds)
    count = len(when)
    assert count == min(steps * worlds, movement.MOST_ROWS, movement.MOST_IN_ALL // robots)
    assert len(set(zip(when.tolist(), where.tolist(), strict=True))) == count
    by_step, by_copy = np.bincount(when, minlength=steps), np.bincount(where, minlength=worlds)
    assert (len(by_step), len(by_copy)) == (steps, worlds)
    assert np.ptp(by_step) <= 1
    assert np.ptp(by_copy) <= 1
