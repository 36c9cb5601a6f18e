import numpy as np
import pytest

from actors.choice import likeliest, sampled


def logits_of(*probabilities):
    return np.log(np.array(probabilities, np.float32)).reshape(1, 1, -1)


@pytest.mark.parametrize(("uniform", "action"), [(0.0, 0), (0.09, 0), (0.11, 1), (0.59, 1), (0.61, 2), (0.9999999, 2)])
def test_inverse_cdf(uniform, action):
    actions, log_probs = sampled(logits_of(0.1, 0.5, 0.4), np.array([[uniform]], np.float32))

    assert actions.item() == action
    assert log_probs.item() == pytest.approx(np.log([0.1, 0.5, 0.4][action]), rel=1e-5)


def test_an_action_of_no_probability_is_never_taken():
    logits = np.array([[[-500, 0, -500]]], np.float32)
    for uniform in (0.0, 0.5, 1 - 2**-24):
        assert sampled(logits, np.array([[uniform]], np.float32))[0].item() == 1


def test_frequencies_are_the_probabilities():
    p = np.array([0.05, 0.2, 0.3, 0.45])
    logits = np.tile(logits_of(*p), (1, 100_000, 1))
    actions, _ = sampled(logits, np.random.default_rng(0).random((1, 100_000), dtype=np.float32))

    np.testing.assert_allclose(np.bincount(actions.ravel()) / 100_000, p, atol=0.01)


def test_large_logits_do_not_overflow_and_the_argument_is_left_alone():
    logits = np.array([[[1e4, 1e4, -1e4]]], np.float32)
    kept = logits.copy()

    actions, log_probs = sampled(logits, np.array([[0.7]], np.float32))

    assert actions.item() == 1
    assert log_probs.item() == pytest.approx(np.log(0.5))
    np.testing.assert_array_equal(logits, kept)


def test_f64_uniforms_choose_alike():
    rng = np.random.default_rng(0)
    logits, uniforms = rng.normal(size=(3, 50, 5)).astype(np.float32), rng.random((3, 50), dtype=np.float32)

    np.testing.assert_array_equal(sampled(logits, uniforms)[0], sampled(logits, uniforms.astype(np.float64))[0])


def test_likeliest_takes_the_first_of_equals():
    assert likeliest(np.array([[[0, 2, 2], [5, 1, 1]]], np.float32)).tolist() == [[1, 0]]
