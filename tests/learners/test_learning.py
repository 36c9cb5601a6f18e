"""That it learns: a bandit with context, and a chain whose reward comes late. Acting is the stacked policy's."""

import numpy as np
import pytest

from actors.acting import uniforms
from actors.stacked import StackedPolicy
from fleet.core.config import NetworkConfig
from fleet.core.spec import RolloutBatch, WorldSpec

COPIES, STEPS, CELLS = 16, 32, 5


def chain_spec():
    return WorldSpec(1, COPIES, CELLS, np.dtype(np.int8), 2, np.ones(CELLS, np.float32))


class Bandit:
    """Action 1 is right in the odd cells, 0 in the even ones; each step ends the episode."""

    def __init__(self):
        self.rng = np.random.default_rng(0)
        self.cells = self.rng.integers(0, CELLS, COPIES)

    def step(self, actions):
        rewards = (actions == self.cells % 2).astype(np.float32)
        self.cells = self.rng.integers(0, CELLS, COPIES)
        return rewards, np.ones(COPIES, bool), np.zeros(COPIES, bool), self.cells


class Chain:
    """Action 1 goes right, 0 left; the last cell pays 1 and ends the episode; 8 steps truncate it."""

    def __init__(self):
        self.cells, self.clocks = np.zeros(COPIES, np.int64), np.arange(COPIES) % 8

    def step(self, actions):
        cells = np.clip(self.cells + 2 * actions.astype(np.int64) - 1, 0, CELLS - 1)
        self.clocks += 1
        terminated = cells == CELLS - 1
        truncated = self.clocks >= 8
        ended = terminated | truncated
        self.cells = np.where(ended, 0, cells)
        self.clocks[ended] = 0
        return terminated.astype(np.float32), terminated, truncated, cells


def play(world, policy, round_number):
    eye = np.eye(CELLS, dtype=np.int8)
    shape = (1, STEPS, COPIES)
    obs = np.empty((1, STEPS + 1, COPIES, CELLS), np.int8)
    actions, log_probs = np.empty(shape, np.uint8), np.empty(shape, np.float32)
    rewards, terminated, truncated = np.empty(shape, np.float32), np.empty(shape, bool), np.empty(shape, bool)
    finals = []
    for t, drawn in enumerate(uniforms(3, [0], round_number, STEPS, COPIES)):
        obs[0, t] = eye[world.cells]
        actions[:, t], log_probs[:, t] = policy.act(obs[:, t], drawn)
        rewards[0, t], terminated[0, t], truncated[0, t], ended_in = world.step(actions[0, t])
        finals.append(eye[ended_in[truncated[0, t] & ~terminated[0, t]]])
    obs[0, STEPS] = eye[world.cells]
    return RolloutBatch((0,), obs, actions, log_probs, rewards, terminated, truncated, np.concatenate(finals))


@pytest.mark.parametrize(("world", "goal"), [(Bandit(), 0.95), (Chain(), 0.23)])
def test_learns(build, world, goal):
    """The bandit pays 0.5 at random and at most 1; the chain 0.04 and at most 0.25 (each fourth step)."""
    learner = build(spec=chain_spec(), learning_rate=0.01, minibatch=256)
    policy = StackedPolicy(chain_spec(), NetworkConfig.model_validate({"hidden": [16, 16]}))
    earned = []
    for round_number in range(25):
        policy.load([0], learner.weights())
        earned.append(learner.update(play(world, policy, round_number))["reward_mean"])

    assert np.mean(earned[:2]) < 0.7 * goal
    assert np.mean(earned[-5:]) > goal


@pytest.mark.parametrize("network", [{"activation": "tanh"}, {"activation": "relu", "share_trunk": True}])
@pytest.mark.parametrize("scaling", ["none", "range", "running"])
def test_the_learner_gives_the_actions_the_probability_the_actor_gave(
    build, make_rollout, samples, spec, network, scaling
):
    network = {**network, "hidden": [16, 16], "observation_scaling": scaling}
    learner = build(network=network, learning_rate=0.01)
    learner.update(make_rollout())
    policy = StackedPolicy(spec, NetworkConfig.model_validate(network))
    policy.load([1], learner.weights())
    rollout = make_rollout(robots=(0, 1, 2))
    obs = rollout.obs[:, 3]
    actions, log_probs = policy.act(obs, np.random.default_rng(0).random(obs.shape[:2], dtype=np.float32))

    rollout.actions[:, 3], rollout.log_probs[:, 3] = actions, log_probs
    taken = samples(learner, rollout)
    logits, _ = learner._network(learner.parameters, taken.obs)
    theirs = logits.log_softmax(1).gather(1, taken.actions).view(3, 24, 4)[1, 3]

    np.testing.assert_allclose(theirs, log_probs[1], atol=2e-5)
