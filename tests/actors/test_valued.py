"""Epsilon-greedy actors: which actions how often, with which log-probabilities, and which weights are refused."""

import numpy as np
import pytest

from actors.build import make_policy
from actors.errors import ActorError
from actors.stacked import StackedPolicy
from actors.valued import ValuedPolicy
from fleet.core.config import Config, NetworkConfig
from fleet.core.spec import WorldSpec

ROBOTS, FEATURES, ACTIONS = 3, 4, 5
NETWORK = NetworkConfig.model_validate({"hidden": [8]})


def shape(worlds=7):
    return WorldSpec(ROBOTS, worlds, FEATURES, np.dtype(np.int8), ACTIONS, np.ones(FEATURES, np.float32))


def weights(seed, explore):
    rng = np.random.default_rng(seed)
    sizes = {"obs.mean": (FEATURES,), "actor.0.weight": (FEATURES, 8), "actor.0.bias": (8,)}
    sizes |= {"actor.1.weight": (8, ACTIONS), "actor.1.bias": (ACTIONS,), "obs.scale": (FEATURES,)}
    drawn = {name: rng.normal(size=size).astype(np.float32) for name, size in sizes.items()}
    return drawn | {"explore": np.array(explore, np.float32)}


def networks(named):
    return {name: array for name, array in named.items() if name != "explore"}


def observed(worlds=7):
    return np.random.default_rng(9).integers(-5, 6, (ROBOTS, worlds, FEATURES)).astype(np.int8)


def test_each_robot_takes_its_best_action_but_for_its_own_share_of_random_ones():
    worlds, shares = 40_000, [0.0, 0.3, 1.0]
    policy = ValuedPolicy(shape(worlds), NETWORK)
    for robot, share in enumerate(shares):
        policy.load([robot], weights(robot, share))
    obs = np.broadcast_to(observed(1), (ROBOTS, worlds, FEATURES))
    uniforms = np.random.default_rng(1).random((ROBOTS, worlds), dtype=np.float32)

    actions, log_probs = policy.act(obs, uniforms)

    assert (actions.dtype, log_probs.dtype) == (np.uint8, np.float32)
    best = policy.greedy(obs)[:, 0]
    for robot, share in enumerate(shares):
        wanted = np.full(ACTIONS, share / ACTIONS)
        wanted[best[robot]] += 1 - share
        np.testing.assert_allclose(np.bincount(actions[robot], minlength=ACTIONS) / worlds, wanted, atol=0.01)
        np.testing.assert_allclose(np.exp(log_probs[robot]), wanted[actions[robot]], rtol=1e-6)


def test_the_best_action_is_that_of_the_networks_it_was_given():
    policy, plain = ValuedPolicy(shape(), NETWORK), StackedPolicy(shape(), NETWORK)
    for robot in range(ROBOTS):
        policy.load([robot], weights(robot, 0.5))
        plain.load([robot], networks(weights(robot, 0.5)))
    np.testing.assert_array_equal(policy.greedy(observed()), plain.greedy(observed()))
    assert len(np.unique(policy.greedy(observed()))) > 1


@pytest.mark.parametrize("share", [0.1, 0.7, 1.0])
def test_no_uniform_leads_beyond_the_last_action(share):
    policy = ValuedPolicy(shape(3), NETWORK)
    policy.load(range(ROBOTS), weights(0, share))
    edges = np.nextafter(np.float32([share, share, 0.0]), np.float32(0)).clip(0)
    actions, _ = policy.act(observed(3), np.broadcast_to(edges, (ROBOTS, 3)))
    np.testing.assert_array_equal(actions, [[ACTIONS - 1, ACTIONS - 1, 0]] * ROBOTS)


def test_a_robot_without_weights_acts_uniformly():
    policy = ValuedPolicy(shape(8_000), NETWORK)
    policy.load([0], weights(0, 0.0))
    actions, log_probs = policy.act(observed(8_000), np.random.default_rng(2).random((ROBOTS, 8_000)))
    np.testing.assert_allclose(log_probs[1:], -np.log(ACTIONS), rtol=1e-6)
    np.testing.assert_allclose(np.bincount(actions[1:].ravel()) / actions[1:].size, 1 / ACTIONS, atol=0.02)


def test_weights_with_a_place_for_each_robot_act_as_if_loaded_one_by_one():
    one_by_one, at_once = ValuedPolicy(shape(), NETWORK), ValuedPolicy(shape(), NETWORK)
    each = [weights(robot, share) for robot, share in enumerate([0.1, 0.6, 0.9])]
    for robot in range(ROBOTS):
        one_by_one.load([robot], each[robot])
    at_once.load(range(ROBOTS), {name: np.stack([one[name] for one in each]) for name in each[0]})
    uniforms = np.random.default_rng(3).random((ROBOTS, 7))
    for now, then in zip(at_once.act(observed(), uniforms), one_by_one.act(observed(), uniforms), strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"explore": None}, r"wanted \['actor.0.bias'.*'explore'"),
        ({"explore": np.float32(1.5)}, "explore is 1.5; allowed are 0 to 1"),
        ({"explore": np.float32(np.nan)}, "explore is nan"),
        ({"explore": np.zeros(ROBOTS, np.float32)}, r"explore has shape \(3,\); wanted \(\)"),
        ({"actor.1.bias": np.zeros(2, np.float32)}, "actor.1.bias has shape"),
        ({"critic.0.bias": np.zeros(2, np.float32)}, "critic.0.bias"),
    ],
)
def test_other_weights_are_refused_with_nothing_changed(change, said):
    policy, uniforms = ValuedPolicy(shape(), NETWORK), np.random.default_rng(3).random((ROBOTS, 7))
    policy.load(range(ROBOTS), weights(0, 0.3))
    before = policy.act(observed(), uniforms)
    broken = {name: array for name, array in (weights(1, 0.9) | change).items() if array is not None}
    with pytest.raises(ActorError, match=said):
        policy.load(range(ROBOTS), broken)
    for now, then in zip(policy.act(observed(), uniforms), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize(("algorithm", "kind"), [("vdn", ValuedPolicy), ("qmix", ValuedPolicy)])
def test_algorithms_that_value_actions_explore_so(algorithm, kind):
    tables = {"world": {"map": "rware-tiny-2ag"}, "mapping": "central", "learner": {"algorithm": algorithm}}
    policy = make_policy(shape(), Config.model_validate(tables))
    assert isinstance(policy, kind)
    assert "explore" in policy.names
