"""The joint policy's acting: in turn, each robot told what the earlier ones chose."""

import numpy as np
import pytest

from actors.errors import ActorError
from actors.joint import JointPolicy
from fleet.core.config import NetworkConfig
from fleet.core.spec import WorldSpec

ROBOTS, COPIES, SEEN, CHOICES = 3, 7, 90, 5  # more inputs than a uint8 counts, as actions are
HEADS = 1 + (ROBOTS - 1) * CHOICES
SPEC = WorldSpec(ROBOTS, COPIES, SEEN, np.dtype(np.int8), CHOICES, np.ones(SEEN, np.float32))
NETWORK = NetworkConfig.model_validate({"hidden": [6]})


def made_up(seed=0):
    rng = np.random.default_rng(seed)
    shapes = {
        "obs.mean": (SEEN,),
        "obs.scale": (SEEN,),
        "actor.0.weight": (ROBOTS * (SEEN + CHOICES), 6),
        "actor.0.bias": (6,),
        "actor.1.weight": (6, HEADS * CHOICES),
        "actor.1.bias": (HEADS * CHOICES,),
    }
    return {name: rng.normal(scale=0.1, size=(ROBOTS, *shape)).astype(np.float32) for name, shape in shapes.items()}


def observed(seed=1, worlds=COPIES):
    return np.random.default_rng(seed).integers(1, 4, (ROBOTS, worlds, SEEN)).astype(np.int8)


def slow_log_policy(weights, obs, earlier):
    """Log-probabilities of the robot after those that chose `earlier`, in one copy: obs (N, D)."""
    robot = len(earlier)
    state = np.concatenate([(obs[n] - weights["obs.mean"][n]) * weights["obs.scale"][n] for n in range(ROBOTS)])
    told = np.zeros((ROBOTS, CHOICES))
    for other, action in enumerate(earlier):
        told[other, action] = obs[other].any()
    x = np.concatenate([state, told.ravel()])
    h = np.tanh(x @ weights["actor.0.weight"][robot] + weights["actor.0.bias"][robot])
    heads = h @ weights["actor.1.weight"][robot] + weights["actor.1.bias"][robot]
    logits = heads[:CHOICES].copy()
    for other, action in enumerate(earlier):
        if told[other, action]:
            head = 1 + other * CHOICES + action
            logits += heads[head * CHOICES : (head + 1) * CHOICES]
    return logits - np.log(np.exp(logits).sum())


@pytest.mark.parametrize("offline", [(), (0,), (1, 2)])
def test_each_robot_chooses_knowing_the_earlier_ones(offline):
    policy, weights, obs = JointPolicy(SPEC, NETWORK), made_up(), observed()
    obs[list(offline)] = 0
    policy.load(range(ROBOTS), weights)
    actions, log_probs = policy.act(obs, np.random.default_rng(2).random((ROBOTS, COPIES), dtype=np.float32))
    best = policy.greedy(obs)
    for e in range(COPIES):
        for robot in range(ROBOTS):
            log_pi = slow_log_policy(weights, obs[:, e], actions[:robot, e])
            assert log_probs[robot, e] == pytest.approx(log_pi[actions[robot, e]], abs=1e-4)
            assert best[robot, e] == slow_log_policy(weights, obs[:, e], best[:robot, e]).argmax()


def test_without_weights_it_acts_at_random_and_in_any_number_of_copies():
    policy = JointPolicy(SPEC, NETWORK)
    actions, log_probs = policy.act(observed(worlds=400), np.random.default_rng(0).random((ROBOTS, 400)))
    np.testing.assert_allclose(log_probs, -np.log(CHOICES), rtol=1e-5)
    assert (np.bincount(actions.ravel(), minlength=CHOICES) > 150).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"actor.1.bias": np.zeros((ROBOTS, 2), np.float32)}, r"actor.1.bias has shape \(3, 2\); wanted \(3, 55\)"),
        ({"obs.mean": np.zeros(SEEN, np.float32)}, r"obs.mean has shape \(90,\); wanted \(3, 90\)"),
        ({"obs.scale": np.full((ROBOTS, SEEN), np.nan, np.float32)}, "obs.scale is not finite"),
        ({"actor.9.bias": np.zeros(1, np.float32)}, "weights are named"),
    ],
)
def test_weights_for_another_policy_are_refused_with_nothing_changed(change, message):
    policy, obs = JointPolicy(SPEC, NETWORK), observed()
    policy.load(range(ROBOTS), made_up())
    before = policy.greedy(obs)
    with pytest.raises(ActorError, match=message):
        policy.load(range(ROBOTS), made_up(5) | change)
    with pytest.raises(ActorError, match="a joint policy for 2 robots; wanted one for all 3"):
        policy.load([0, 1], made_up())
    with pytest.raises(ActorError, match="observations have shape"):
        policy.greedy(obs[:2])
    np.testing.assert_array_equal(policy.greedy(obs), before)
    assert policy.names == made_up().keys()
