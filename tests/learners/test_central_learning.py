"""That centralized learners learn: two robots that are paid for answering each other's cells, which only one sees."""

import numpy as np
import pytest

from actors.acting import uniforms
from actors.joint import JointPolicy
from actors.stacked import StackedPolicy
from fleet.core.config import NetworkConfig
from fleet.core.spec import RolloutBatch, WorldSpec

COPIES, STEPS, CELLS = 16, 32, 5
SPEC = WorldSpec(2, COPIES, CELLS, np.dtype(np.int8), 2, np.ones(CELLS, np.float32))


def play(policy, answers, number):
    """Each step ends the episode. A robot is paid if its action is the parity of robot `answers[robot]`'s cell."""
    cells = np.random.default_rng(number).integers(0, CELLS, (2, STEPS + 1, COPIES))
    obs = np.eye(CELLS, dtype=np.int8)[cells]
    step = (2, STEPS, COPIES)
    actions, log_probs = np.empty(step, np.uint8), np.empty(step, np.float32)
    for t, drawn in enumerate(uniforms(3, [0, 1], number, STEPS, COPIES)):
        actions[:, t], log_probs[:, t] = policy.act(obs[:, t], drawn)
    rewards = (actions == cells[answers, :-1] % 2).astype(np.float32)
    ended = np.ones(step, np.bool_)
    return RolloutBatch((0, 1), obs, actions, log_probs, rewards, ended, ~ended, obs[0, 0, :0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("algorithm", "settings", "answers"),
    [
        ("mappo", {}, [0, 1]),
        ("mappo", {"actors": "shared"}, [0, 1]),
        ("mappo", {"advantage": "team"}, [0, 1]),
        ("joint", {}, [1, 0]),  # a robot of a joint policy acts on what the other sees
    ],
)
def test_learns(build_central, algorithm, settings, answers):
    """Random actions are paid 0.5, the best 1."""
    learner = build_central(algorithm, spec=SPEC, learning_rate=0.01, minibatch=256, **settings)
    network = NetworkConfig.model_validate({"hidden": [16, 16]})
    policy = JointPolicy(SPEC, network) if algorithm == "joint" else StackedPolicy(SPEC, network)
    earned = []
    for number in range(30):
        policy.load([0, 1], learner.weights())
        earned.append(learner.update(play(policy, answers, number))["reward_mean"])

    assert np.mean(earned[:2]) < 0.7
    assert np.mean(earned[-5:]) > 0.95
