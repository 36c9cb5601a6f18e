"""Running moments of returns, held to weighted averages written out."""

import numpy as np
import pytest

from learners.value_norm import ValueNorm

FIRST, BOTH = np.array([0]), np.array([1, 0])


def test_moments_are_averages_in_which_each_rollout_weighs_a_hundredth_less_than_the_next():
    rng = np.random.default_rng(0)
    rollouts = [rng.normal(5 * k, 1 + k, (4, 3)).astype(np.float32) for k in range(3)]
    norm = ValueNorm(2, on=True)
    for returns in rollouts:
        norm.take_in(0, returns)

    shares = np.array([0.99**2, 0.99, 1.0])
    means = np.array([returns.mean() for returns in rollouts])
    squares = np.array([np.square(returns).mean() for returns in rollouts])
    mean = (shares * means).sum() / shares.sum()
    deviation = np.sqrt((shares * squares).sum() / shares.sum() - mean**2)
    assert np.ravel(norm.moments(FIRST)) == pytest.approx([mean, deviation], rel=1e-5)


def test_one_rollout_is_centred_and_scaled_whatever_its_units():
    norm, returns = ValueNorm(1, on=True), np.random.default_rng(0).normal(300, 50, 64).astype(np.float32)
    norm.take_in(0, returns)
    mean, deviation = norm.moments(FIRST)
    scaled = (returns - mean) / deviation
    assert (scaled.mean(), scaled.std()) == pytest.approx((0, 1), abs=1e-4)


def test_what_has_seen_nothing_stays_as_it_is_and_constant_returns_are_not_blown_up():
    norm = ValueNorm(2, on=True)
    norm.take_in(1, np.full((2, 2), 3, np.float32))
    mean, deviation = norm.moments(BOTH)
    np.testing.assert_allclose(mean, [3, 0], rtol=1e-6)
    np.testing.assert_allclose(deviation, [0.1, 1], rtol=1e-6)


def test_off_it_takes_in_nothing():
    norm = ValueNorm(2, on=False)
    norm.take_in(0, np.full(3, 9, np.float32))
    assert [part.tolist() for part in norm.moments(BOTH)] == [[0, 0], [1, 1]]


def test_goes_on_from_what_it_saved():
    norm, again = ValueNorm(2, on=True), ValueNorm(2, on=True)
    norm.take_in(0, np.arange(5, dtype=np.float32))
    again.restore(norm.save())
    for one in (norm, again):
        one.take_in(1, np.arange(7, dtype=np.float32))
    np.testing.assert_array_equal(again.save()["value_norm"], norm.save()["value_norm"])
