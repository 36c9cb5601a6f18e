"""GAE against the definition, episode by episode, in the paper's notation."""

import numpy as np
import pytest

from learners.returns import gae


def slow_gae(rewards, terminated, truncated, values, final_values, gamma, lam):
    """A_t = sum_l (gamma lambda)^l delta_{t+l}, to the end of the episode or of the rollout (equation 16)."""
    robots, steps, worlds = rewards.shape
    finals = iter(final_values.tolist())
    v_next = np.empty(rewards.shape)
    for i in np.ndindex(robots, steps, worlds):
        r, t, e = i
        if terminated[i]:
            v_next[i] = 0.0
        elif truncated[i]:
            v_next[i] = next(finals)
        else:
            v_next[i] = values[r, t + 1, e]
    advantages = np.zeros(rewards.shape)
    for r, t, e in np.ndindex(robots, steps, worlds):
        total, weight, k = 0.0, 1.0, t
        while True:
            total += weight * (rewards[r, k, e] + gamma * v_next[r, k, e] - values[r, k, e])
            if terminated[r, k, e] or truncated[r, k, e] or k == steps - 1:
                break
            weight, k = weight * gamma * lam, k + 1
        advantages[r, t, e] = total
    return advantages


@pytest.mark.parametrize("seed", range(20))
def test_equals_the_definition_with_random_ends(seed):
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 4)), int(rng.integers(1, 12)), int(rng.integers(1, 5)))
    terminated, truncated = rng.random(shape) < 0.2, rng.random(shape) < 0.2  # both at once, too
    rewards = rng.normal(size=shape).astype(np.float32)
    values = rng.normal(size=(shape[0], shape[1] + 1, shape[2])).astype(np.float32)
    finals = rng.normal(size=(truncated & ~terminated).sum()).astype(np.float32)
    gamma, lam = rng.uniform(0.5, 1, 2)

    advantages, returns = gae(rewards, terminated, truncated, values, finals, gamma, lam)

    np.testing.assert_allclose(
        advantages, slow_gae(rewards, terminated, truncated, values, finals, gamma, lam), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(returns, advantages + values[:, :-1], rtol=1e-6)
    assert advantages.dtype == returns.dtype == np.float32


def one_copy(*numbers):
    return np.array(numbers, np.float32).reshape(1, -1, 1)


def test_termination_is_worth_nothing_truncation_its_final_observation_and_the_end_the_next():
    rewards, values = one_copy(1, 1, 1), one_copy(0, 0, 0, 100)
    terminated, truncated = one_copy(1, 0, 0).astype(bool), one_copy(0, 1, 0).astype(bool)

    advantages, _ = gae(rewards, terminated, truncated, values, np.array([10], np.float32), 0.5, 1.0)

    np.testing.assert_array_equal(advantages.ravel(), [1, 1 + 0.5 * 10, 1 + 0.5 * 100])


def test_lambda_one_gives_discounted_returns():
    rewards, values = one_copy(1, 2, 3), one_copy(5, -5, 7, 8)
    never = np.zeros(rewards.shape, bool)

    _, returns = gae(rewards, never, never, values, np.empty(0, np.float32), 0.5, 1.0)

    np.testing.assert_allclose(returns.ravel(), [1 + 1 + 0.75 + 1, 2 + 1.5 + 2, 3 + 4])


def test_leaves_its_arguments_alone():
    rewards, values = one_copy(1, 2), one_copy(3, 4, 5)
    ended = one_copy(1, 0).astype(bool)

    gae(rewards, ended, ~ended, values, np.zeros(1, np.float32), 0.9, 0.9)

    np.testing.assert_array_equal(rewards.ravel(), [1, 2])
    np.testing.assert_array_equal(values.ravel(), [3, 4, 5])
