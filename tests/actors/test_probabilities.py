"""The probabilities that policies say they act with, against how often they do and against what else they say.

Broken by leaving out the exploring share, by softmax over values, and by a joint policy whose robots are told nothing.
"""

import numpy as np
import pytest

from actors.build import make_policy
from actors.joint import joint_sizes
from fleet.core.config import Config, NetworkConfig
from fleet.core.spec import WorldSpec

ROBOTS, FEATURES, ACTIONS, COPIES, STATES = 3, 4, 5, 9, 2
ALONE = (FEATURES, 6, ACTIONS)
SPEC = WorldSpec(ROBOTS, COPIES, FEATURES, np.dtype(np.int8), ACTIONS, np.ones(FEATURES, np.float32))
WORLD = {"world": {"layout": "x.x.g\n.....", "robots": ROBOTS, "request_queue": 1}, "network": {"hidden": (6,)}}
CONFIGS = {
    "ippo": {"learner": {"algorithm": "ippo"}},
    "iql": {"learner": {"algorithm": "iql"}},
    "joint": {"learner": {"algorithm": "joint"}, "mapping": "central"},
}


def loaded(name):
    policy = make_policy(SPEC, Config.model_validate(WORLD | CONFIGS[name]))
    rng = np.random.default_rng(0)
    sizes = joint_sizes(NetworkConfig(hidden=(6,)), ROBOTS, FEATURES, ACTIONS) if name == "joint" else ALONE
    shapes = {"obs.mean": (FEATURES,), "actor.0.weight": sizes[:2], "actor.0.bias": (6,)}
    shapes |= {"actor.1.weight": sizes[1:], "actor.1.bias": sizes[2:]}
    drawn = {key: rng.normal(size=(ROBOTS, *shape)).astype(np.float32) for key, shape in shapes.items()}
    drawn["obs.scale"] = np.ones((ROBOTS, FEATURES), np.float32)
    if name == "iql":
        drawn["explore"] = np.array([0.0, 0.4, 1.0], np.float32)
    policy.load(range(ROBOTS), drawn)
    return policy


def observed(copies):
    few = np.random.default_rng(1).integers(-3, 4, (ROBOTS, STATES, FEATURES)).astype(np.int8)
    return few[:, np.arange(copies) % STATES]


@pytest.mark.parametrize("name", CONFIGS)
def test_they_are_those_of_the_log_probabilities_and_the_greedy_actions(name):
    policy, obs = loaded(name), observed(COPIES)
    actions, log_probs = policy.act(obs, np.random.default_rng(2).random((ROBOTS, COPIES), dtype=np.float32))
    found = policy.probabilities(obs, actions)
    assert (found.shape, found.dtype) == ((ROBOTS, COPIES, ACTIONS), np.float64)
    np.testing.assert_allclose(found.sum(-1), 1.0)
    taken = np.take_along_axis(found, actions[..., None].astype(np.intp), -1)[..., 0]
    np.testing.assert_allclose(np.log(taken), log_probs, atol=1e-5)
    best = policy.greedy(obs)
    sure = policy.probabilities(obs, best)[:2] if name == "iql" else policy.probabilities(obs, best)
    np.testing.assert_array_equal(sure.argmax(-1), best[: len(sure)])


@pytest.mark.parametrize("name", CONFIGS)
def test_they_are_how_often_each_action_is_taken(name):
    policy, obs = loaded(name), observed(40_000)
    uniforms = np.random.default_rng(3).random((ROBOTS, 40_000), dtype=np.float32)
    actions, _ = policy.act(obs, uniforms)
    found = policy.probabilities(obs, actions)
    for robot in range(ROBOTS):
        for state in range(STATES):
            here = slice(state, None, STATES)
            often = np.bincount(actions[robot, here], minlength=ACTIONS) / 20_000
            np.testing.assert_allclose(often, found[robot, here].mean(0), atol=0.015)


@pytest.mark.parametrize("name", CONFIGS)
def test_asking_for_them_changes_nothing_and_loads_are_counted(name):
    policy, other, obs = loaded(name), loaded(name), observed(COPIES)
    uniforms = np.random.default_rng(4).random((ROBOTS, COPIES), dtype=np.float32)
    few = policy.probabilities(obs[:, :2], np.zeros((ROBOTS, 2), np.uint8))
    kept = few.copy()
    for got, wanted in zip(policy.act(obs, uniforms), other.act(obs, uniforms), strict=True):
        np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal(few, kept)
    assert policy.loads.tolist() == [1] * ROBOTS
