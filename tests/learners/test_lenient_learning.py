"""That leniency does what it is for: two independent Q-learners of the climbing game find better joint actions."""

import numpy as np
import pytest

from actors.acting import uniforms
from actors.build import make_policy
from env_server.games.payoffs import make_game
from fleet.core.config import Config
from fleet.core.spec import RolloutBatch, WorldSpec
from learners.build import build_learner

COPIES, STEPS = 16, 32
SPEC = WorldSpec(2, COPIES, 1, np.dtype(np.int8), 3, np.ones(1, np.float32))
PAYOFFS = make_game("climbing").payoffs
OBS = np.ones((2, STEPS + 1, COPIES, 1), np.int8)


def config_of(seed, **replay):
    return Config.model_validate(
        {
            "run": {"seed": seed},
            "world": {"kind": "game", "game": {"name": "climbing"}},
            "network": {"hidden": [16]},
            "learner": {"algorithm": "iql", "learning_rate": 3e-3, "gamma": 0.0, "max_grad_norm": None},
            "replay": {
                **{"warmup": 500, "batch": 128, "steps_per_update": 16, "explore_updates": 40, "huber": None},
                **replay,
            },
        }
    )


def rollout_of(robot, actions, log_probs, rewards):
    one, none = slice(robot, robot + 1), np.zeros((1, STEPS, COPIES), np.bool_)
    return RolloutBatch(
        (robot,), OBS[one], actions[one], log_probs[one], rewards[one], none, none, np.empty((0, 1), np.int8)
    )


def paid_in_the_end(seed, **replay):
    """What the joint action pays that both learners prefer after 60 rounds."""
    config = config_of(seed, **replay)
    learners, policy = [build_learner(config, SPEC, robot) for robot in range(2)], make_policy(SPEC, config)
    for number in range(60):
        for robot, learner in enumerate(learners):
            policy.load([robot], learner.weights())
        acted = [policy.act(OBS[:, 0], drawn) for drawn in uniforms(seed, range(2), number, STEPS, COPIES)]
        actions, log_probs = (np.stack(part, axis=1) for part in zip(*acted, strict=True))
        rewards = PAYOFFS[:, actions[0], actions[1]].astype(np.float32)
        for robot, learner in enumerate(learners):
            learner.update(rollout_of(robot, actions, log_probs, rewards))
    for robot, learner in enumerate(learners):
        policy.load([robot], learner.weights())
    first, second = policy.greedy(OBS[:, 0])[:, 0]
    return PAYOFFS[0, first, second]


@pytest.mark.slow
def test_who_forgives_finds_the_optimum_that_others_leave():
    """It pays 11, beside a penalty of -30. Broken by forgiving values that are to rise."""
    assert paid_in_the_end(0) < 11
    assert [paid_in_the_end(seed, leniency=50.0, leniency_decay=0.95) for seed in range(2)] == [11.0, 11.0]
