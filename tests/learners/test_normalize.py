import numpy as np
import pytest
import torch

from learners.normalize import Normalizer

BOUND = np.array([1, 10, 40], np.float32)
OBS = torch.tensor([[1.0, -10.0, 20.0], [0.5, 5.0, 40.0]])


def test_none_leaves_observations_as_they_are():
    normalizer = Normalizer("none", BOUND)
    normalizer.take_in(OBS.numpy())

    assert torch.equal(normalizer.apply_(OBS.clone()), OBS)
    np.testing.assert_array_equal(normalizer.scale, 1)
    np.testing.assert_array_equal(normalizer.mean, 0)


def test_range_divides_by_the_bound_whatever_it_sees():
    normalizer = Normalizer("range", BOUND)
    normalizer.take_in(100 * OBS.numpy())

    torch.testing.assert_close(normalizer.apply_(OBS.clone()), torch.tensor([[1.0, -1.0, 0.5], [0.5, 0.5, 1.0]]))


def test_running_equals_the_statistics_of_all_it_has_seen():
    rng = np.random.default_rng(0)
    parts = [rng.normal(k, 1 + k, (5 + k, 4, 3)).astype(np.float32) for k in range(4)]
    normalizer = Normalizer("running", BOUND)
    for part in parts:
        normalizer.take_in(part)
    seen = np.concatenate([part.reshape(-1, 3) for part in parts]).astype(np.float64)

    np.testing.assert_allclose(normalizer.save()["running.mean"], seen.mean(0))
    np.testing.assert_allclose(normalizer.save()["running.variance"], seen.var(0))
    assert normalizer.save()["running.count"] == len(seen)
    np.testing.assert_allclose(normalizer.mean, seen.mean(0), rtol=1e-6)
    np.testing.assert_allclose(normalizer.scale, 1 / np.maximum(seen.std(0), BOUND / 10), rtol=1e-6)


def test_running_starts_as_range_and_counts_its_first_observations_alone():
    normalizer = Normalizer("running", BOUND)
    torch.testing.assert_close(normalizer.apply_(OBS.clone()), OBS / torch.tensor(BOUND))

    normalizer.take_in(OBS.numpy())

    np.testing.assert_allclose(normalizer.mean, OBS.mean(0))


def test_a_feature_that_hardly_changes_is_not_blown_up():
    normalizer = Normalizer("running", BOUND)
    normalizer.take_in(np.zeros((100, 3), np.float32))

    assert normalizer.apply_(torch.tensor(BOUND)[None].clone()).max() <= 20


@pytest.mark.parametrize("kind", ["none", "range", "running"])
def test_mean_and_scale_say_what_apply_does(kind):
    normalizer = Normalizer(kind, BOUND)
    normalizer.take_in(3 * OBS.numpy())

    expected = (OBS - torch.tensor(normalizer.mean)) * torch.tensor(normalizer.scale)
    torch.testing.assert_close(normalizer.apply_(OBS.clone()), expected)
