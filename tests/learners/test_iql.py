"""Independent Q-learning: each robot's learner is a team of one, alone with what it saw, did and was paid itself."""

import numpy as np
import pytest

from actors.build import make_policy
from fleet.core.config import Config
from fleet.core.config.load import ConfigError, load_config
from fleet.core.spec import RolloutBatch, WorldSpec
from learners.build import build_learner

COPIES, STEPS, STATES = 8, 16, 2
SPEC = WorldSpec(1, COPIES, STATES, np.dtype(np.int8), 2, np.ones(STATES, np.float32))
EYE = np.eye(STATES, dtype=np.int8)


def make_config(algorithm: str, mapping: str) -> Config:
    return Config.model_validate(
        {
            "world": {"map": "rware-tiny-2ag", "robots": 1},
            "mapping": mapping,
            "network": {"hidden": [16]},
            "learner": {"algorithm": algorithm, "learning_rate": 0.01, "gamma": 0.9, "max_grad_norm": 10.0},
            "replay": {"capacity": 2000, "warmup": 100, "batch": 32, "target_every": 20, "steps_per_update": 16},
        }
    )


def patience(number: int) -> RolloutBatch:
    """Random play of: in state 0, action 1 pays 1 at once; action 0 pays nothing and leads to state 1, which pays 3."""
    rng = np.random.default_rng(number)
    state = np.zeros(COPIES, np.int64)
    obs = np.empty((1, STEPS + 1, COPIES, STATES), np.int8)
    actions = rng.integers(0, 2, (1, STEPS, COPIES), np.uint8)
    rewards = np.zeros((1, STEPS, COPIES), np.float32)
    for t in range(STEPS):
        obs[0, t] = EYE[state]
        waits = (state == 0) & (actions[0, t] == 0)
        rewards[0, t] = np.where(state == 1, 3.0, np.where(waits, 0.0, 1.0))
        state = np.where(waits, 1, 0)
    obs[0, STEPS] = EYE[state]
    none = np.zeros((1, STEPS, COPIES), np.bool_)
    log_probs = np.full((1, STEPS, COPIES), np.log(0.5), np.float32)
    return RolloutBatch((0,), obs, actions, log_probs, rewards, none, none, np.empty((0, STATES), np.int8))


@pytest.mark.slow
def test_it_values_what_comes_later() -> None:
    """Waiting is worth (0 + 0.9 * 3) / (1 - 0.81) = 14.2 from state 0, taking what is there at most 1 / (1 - 0.9)."""
    config = make_config("iql", "per-robot")
    learner, policy = build_learner(config, SPEC, 0), make_policy(SPEC, config)
    for number in range(60):
        learner.update(patience(number))
    policy.load([0], learner.weights())
    assert policy.greedy(EYE[None, [0] * COPIES])[0, 0] == 0


def test_it_is_value_decomposition_of_a_team_of_one() -> None:
    alone, team = (
        build_learner(make_config("iql", "per-robot"), SPEC, 0),
        build_learner(make_config("vdn", "central"), SPEC, 0),
    )
    for number in range(12):
        assert alone.update(patience(number)) == pytest.approx(team.update(patience(number)), rel=1e-4, abs=1e-5)
    theirs = team.weights()
    for name, array in alone.weights().items():
        np.testing.assert_allclose(array, theirs[name][0], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [["mapping=shared"], ["mapping=[[0, 1], [2, 3]]"], ["learners.per_process=2"], ['learners.device="cuda"']],
)
def test_it_is_for_a_learner_of_one_robot(settings: list[str]) -> None:
    with pytest.raises(ConfigError, match='algorithm = "iql" is for mapping = "per-robot"'):
        load_config("demo", ["learner.algorithm=iql", *settings])


@pytest.mark.parametrize("algorithm", ["ippo", "iql"])
def test_central_is_for_those_that_learn_for_all(algorithm: str) -> None:
    with pytest.raises(ConfigError, match=f'mapping = "central" with algorithm = "{algorithm}"'):
        load_config("demo", [f"learner.algorithm={algorithm}", "mapping=central"])
    with pytest.raises(ConfigError, match='allowed is mapping = "central"'):
        load_config("demo", ["learner.algorithm=vdn"])
