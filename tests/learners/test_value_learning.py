"""That value decomposition learns: the two-step game of Rashid et al. (2018, section 6), which tells VDN from QMIX."""

import numpy as np
import pytest
import torch

from actors.acting import uniforms
from actors.build import make_policy
from fleet.core.config import Config
from fleet.core.spec import RolloutBatch, WorldSpec
from learners.build import build_learner

COPIES, STEPS, STATES = 16, 16, 3
SPEC = WorldSpec(2, COPIES, STATES, np.dtype(np.int8), 2, np.ones(STATES, np.float32))
SAFE, RISKY = np.full((2, 2), 7.0), np.array([[0.0, 1.0], [1.0, 8.0]])
ADDITIVE = np.array([[1.0, 3.0], [2.0, 4.0]])  # 1 more for the first robot's action 1, 2 more for the second's
EYE = np.eye(STATES, dtype=np.int8)


class TwoSteps:
    """In state 0 the first robot's action leads to state 1 or 2, each with a payoff for both robots, and the end."""

    def __init__(self, safe=SAFE, risky=RISKY):
        self.payoffs = np.stack([np.zeros((2, 2)), safe, risky])
        self.state = np.zeros(COPIES, np.int64)

    def step(self, actions):
        rewards = self.payoffs[self.state, actions[0], actions[1]]
        terminated = self.state > 0
        self.state = np.where(terminated, 0, 1 + actions[0])
        return rewards, terminated


def played(game, policy, number):
    shape = (2, STEPS, COPIES)
    obs = np.empty((2, STEPS + 1, COPIES, STATES), np.int8)
    actions, log_probs = np.empty(shape, np.uint8), np.empty(shape, np.float32)
    rewards, terminated = np.empty(shape, np.float32), np.empty(shape, bool)
    for t, drawn in enumerate(uniforms(3, range(2), number, STEPS, COPIES)):
        obs[:, t] = EYE[game.state]
        actions[:, t], log_probs[:, t] = policy.act(obs[:, t], drawn)
        rewards[:, t], terminated[:, t] = game.step(actions[:, t])
    obs[:, STEPS] = EYE[game.state]
    return RolloutBatch(
        (0, 1), obs, actions, log_probs, rewards, terminated, np.zeros(shape, bool), np.empty((0, STATES), np.int8)
    )


def learned(algorithm, game, actors="separate", **replay):
    tables = {
        "world": {"map": "rware-tiny-2ag"},
        "mapping": "central",
        "network": {"hidden": [32]},
        "learner": {"algorithm": algorithm, "learning_rate": 0.005, "max_grad_norm": 10.0, "actors": actors},
        "replay": {"capacity": 4000, "warmup": 200, "batch": 64, "target_every": 50, "explore_end": 1.0, **replay},
    }
    config = Config.model_validate(tables)
    learner, policy = build_learner(config, SPEC, 0), make_policy(SPEC, config)
    for number in range(25):
        policy.load(range(2), learner.weights())
        learner.update(played(game, policy, number))
    policy.load(range(2), learner.weights())
    return learner, policy.greedy(np.stack([EYE, EYE]))


def joint(learner, state):
    """The team's values of both robots' actions in a state, (2, 2)."""
    obs = torch.from_numpy(EYE[state]).float().expand(2, 4, STATES).contiguous()
    values = learner.team.values(learner.parameters, obs)
    chosen = torch.tensor([[0, 0, 1, 1], [0, 1, 0, 1]])
    values = values.gather(-1, chosen.unsqueeze(-1)).squeeze(-1)
    return learner.team.joint(learner.parameters, values, obs, torch.ones(2, 4)).view(2, 2).numpy()


@pytest.mark.slow
@pytest.mark.parametrize("actors", ["separate", "shared"])
def test_qmix_values_what_is_no_sum(actors):
    game = TwoSteps()
    learner, best = learned("qmix", game, actors=actors)
    assert (best[0, 0], best[0, 2], best[1, 2]) == (1, 1, 1)
    np.testing.assert_allclose(joint(learner, 2), RISKY, atol=0.4)
    np.testing.assert_allclose(joint(learner, 1), SAFE, atol=0.4)


@pytest.mark.slow
def test_vdn_takes_the_nearest_sum_for_it_and_goes_the_safe_way():
    """Nearest in squares to 0, 1, 1, 8 is -1.5, 2.5, 2.5, 6.5, less than the safe 7 (Rashid et al. 2018, table 1)."""
    learner, best = learned("vdn", TwoSteps(), huber=None)
    np.testing.assert_allclose(joint(learner, 2), [[-1.5, 2.5], [2.5, 6.5]], atol=0.4)
    assert best[0, 0] == 0


@pytest.mark.slow
def test_vdn_values_a_sum():
    learner, best = learned("vdn", TwoSteps(risky=2 * ADDITIVE))
    np.testing.assert_allclose(joint(learner, 2), 2 * ADDITIVE, atol=0.4)
    assert (best[0, 0], best[0, 2], best[1, 2]) == (1, 1, 1)
