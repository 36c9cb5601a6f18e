import numpy as np
import pytest

from actors.errors import ActorError
from actors.stacked import StackedPolicy
from fleet.core.config import NetworkConfig
from fleet.core.spec import WorldSpec

COPIES, FEATURES, ACTIONS = 5, 13, 4


def policy(robots=6, worlds=COPIES, features=FEATURES, **settings):
    spec = WorldSpec(robots, worlds, features, np.dtype(np.int8), ACTIONS, np.ones(features, np.float32))
    return StackedPolicy(spec, NetworkConfig.model_validate({"hidden": [16, 8], **settings}))


def weights(seed, features=FEATURES):
    rng = np.random.default_rng(seed)
    named = {"obs.mean": rng.normal(size=features), "obs.scale": rng.uniform(0.1, 2, features)}
    for k, (inputs, outputs) in enumerate([(features, 16), (16, 8), (8, ACTIONS)]):
        named[f"actor.{k}.weight"] = rng.normal(size=(inputs, outputs)) / np.sqrt(inputs)
        named[f"actor.{k}.bias"] = rng.normal(size=outputs)
    return {name: array.astype(np.float32) for name, array in named.items()}


def observed(seed, robots=6, worlds=COPIES, features=FEATURES):
    return np.random.default_rng(seed).integers(-5, 6, (robots, worlds, features)).astype(np.int8)


def drawn(seed, robots=6, worlds=COPIES):
    return np.random.default_rng(seed).random((robots, worlds), dtype=np.float32)


def loaded(robots=6, features=FEATURES, worlds=COPIES, **settings):
    stacked = policy(robots, worlds, features, **settings)
    for robot in range(robots):
        stacked.load([robot], weights(robot, features))
    return stacked


def slow_probabilities(named, obs, function):
    x = (obs.astype(np.float64) - named["obs.mean"]) * named["obs.scale"]
    for k in range(2):
        x = function(x @ named[f"actor.{k}.weight"] + named[f"actor.{k}.bias"])
    logits = x @ named["actor.2.weight"] + named["actor.2.bias"]
    p = np.exp(logits - logits.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


@pytest.mark.parametrize(("activation", "function"), [("tanh", np.tanh), ("relu", lambda x: np.maximum(x, 0))])
def test_acts_as_each_robots_own_network_layer_after_layer(activation, function):
    stacked, obs, u = loaded(activation=activation), observed(1), drawn(2)

    actions, log_probs = stacked.act(obs, u)
    greedy = stacked.greedy(obs)

    assert (actions.dtype, log_probs.dtype, greedy.dtype) == (np.uint8, np.float32, np.uint8)
    for n, e in np.ndindex(6, COPIES):
        p = slow_probabilities(weights(n), obs[n, e], function)
        assert actions[n, e] == np.searchsorted(p.cumsum(), u[n, e], side="right")
        assert log_probs[n, e] == pytest.approx(np.log(p[actions[n, e]]), abs=2e-5)
        assert greedy[n, e] == p.argmax()


@pytest.mark.parametrize(("features", "worlds"), [(13, 5), (120, 32), (157, 1), (71, 33)])
def test_a_robots_bits_do_not_depend_on_the_other_robots(features, worlds):
    sizes = {"features": features, "worlds": worlds}
    obs, u = observed(1, **sizes), drawn(2, worlds=worlds)
    actions, log_probs = loaded(**sizes).act(obs, u)

    others = loaded(**sizes)
    for robot in (0, 1, 3, 4, 5):
        others.load([robot], weights(100 + robot, features))
    changed = observed(3, **sizes)
    changed[2] = obs[2]
    new_actions, new_log_probs = others.act(changed, u)

    np.testing.assert_array_equal(new_actions[2], actions[2])
    np.testing.assert_array_equal(new_log_probs[2], log_probs[2])
    assert not np.array_equal(new_log_probs[1], log_probs[1])


@pytest.mark.parametrize(("features", "worlds"), [(13, 5), (120, 32), (157, 1), (71, 33)])
@pytest.mark.parametrize("robots", [1, 3, 17])
def test_a_robots_bits_do_not_depend_on_how_many_robots_there_are(features, worlds, robots):
    obs, u = observed(1, 17, worlds, features), drawn(2, 17, worlds)
    _, all_of_them = loaded(17, features, worlds).act(obs, u)
    _, some = loaded(robots, features, worlds).act(obs[:robots], u[:robots])

    np.testing.assert_array_equal(some, all_of_them[:robots])


def test_a_robot_without_weights_acts_uniformly():
    stacked, obs = policy(worlds=4000), observed(1, worlds=4000)
    stacked.load([0], weights(0))

    actions, log_probs = stacked.act(obs, drawn(2, worlds=4000))

    np.testing.assert_allclose(log_probs[1:], -np.log(ACTIONS), rtol=1e-6)
    np.testing.assert_allclose(np.bincount(actions[1:].ravel()) / actions[1:].size, 1 / ACTIONS, atol=0.02)


def test_several_robots_share_what_is_loaded_for_them():
    stacked = policy()
    stacked.load([1, 4], weights(0))
    obs, u = observed(1), drawn(2)
    obs[4], u[4] = obs[1], u[1]

    _, log_probs = stacked.act(obs, u)

    np.testing.assert_array_equal(log_probs[1], log_probs[4])
    np.testing.assert_allclose(log_probs[0], -np.log(ACTIONS), rtol=1e-6)


def test_loading_again_replaces_and_keeps_no_reference():
    stacked, once, named = policy(), policy(), weights(3)
    stacked.load(range(6), weights(9))
    stacked.load(range(6), named)
    for array in named.values():
        array.fill(0)
    once.load(range(6), weights(3))

    np.testing.assert_array_equal(stacked.act(observed(1), drawn(2))[1], once.act(observed(1), drawn(2))[1])


def test_observations_may_be_a_window_of_a_rollout_and_of_any_number_of_copies():
    stacked = loaded()
    rollout = np.random.default_rng(0).integers(-5, 6, (6, 9, COPIES, FEATURES)).astype(np.int8)

    window = stacked.act(rollout[:, 4], drawn(2))
    more = stacked.act(observed(1, worlds=8), drawn(2, worlds=8))
    again = stacked.act(rollout[:, 4].copy(), drawn(2))

    np.testing.assert_array_equal(window[1], again[1])
    np.testing.assert_array_equal(window[0], again[0])
    assert more[0].shape == (6, 8)


def test_what_it_returned_is_not_overwritten_by_the_next_call():
    stacked = loaded()
    actions, log_probs = stacked.act(observed(1), drawn(2))
    kept = actions.copy(), log_probs.copy()
    stacked.act(observed(5), drawn(6))

    np.testing.assert_array_equal(actions, kept[0])
    np.testing.assert_array_equal(log_probs, kept[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"actor.1.bias": None}, "wanted"),
        ({"critic.0.bias": np.zeros(1, np.float32)}, "critic"),
        ({"actor.0.weight": np.zeros((16, FEATURES), np.float32)}, "actor.0.weight has shape"),
        ({"obs.scale": np.full(FEATURES, np.nan, np.float32)}, "obs.scale is not finite"),
    ],
)
def test_weights_of_another_network_are_refused_with_nothing_changed(change, message):
    stacked = loaded()
    before = stacked.act(observed(1), drawn(2))[1]
    broken = {name: array for name, array in (weights(50) | change).items() if array is not None}

    with pytest.raises(ActorError, match=message):
        stacked.load([0], broken)

    np.testing.assert_array_equal(stacked.act(observed(1), drawn(2))[1], before)


def test_observations_of_another_world_are_refused():
    with pytest.raises(ActorError, match="wanted"):
        loaded().act(observed(1, robots=5), drawn(2, robots=5))


def test_weights_with_a_place_for_each_robot_act_as_if_loaded_one_by_one():
    one_by_one, at_once = policy(), policy()
    for robot in (1, 2, 4):
        one_by_one.load([robot], weights(robot))
    each = [weights(robot) for robot in (1, 2, 4)]
    at_once.load([1, 2, 4], {name: np.stack([one[name] for one in each]) for name in each[0]})

    for now, then in zip(at_once.act(observed(1), drawn(2)), one_by_one.act(observed(1), drawn(2)), strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("name", ["actor.1.bias", "obs.mean"])
def test_weights_of_too_few_robots_are_refused(name):
    each = {key: np.stack([array] * 3) for key, array in weights(0).items()}
    with pytest.raises(ActorError, match=r"has shape .*; wanted \(3,"):
        policy().load([0, 1, 2], each | {name: each[name][:2]})
    with pytest.raises(ActorError, match="wanted"):
        policy().load([0, 1], each)
    with pytest.raises(ActorError, match="wanted"):
        policy().load([0, 1, 2], each | {name: weights(0)[name]})
