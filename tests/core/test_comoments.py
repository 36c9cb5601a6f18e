"""Correlations from sums kept as they come, against numpy's over whole arrays.

Broken by adding up products about each part's own mean alone, and by asking whether a sum of squares is 0.
"""

import numpy as np
import pytest

from fleet.core.comoments import CoMoments

N = 3


def series(length=1000, offset=0.0):
    x, noise = np.random.default_rng(0).normal(offset, size=(2, N, length))
    return x, 0.5 * x + noise + 1.0


def kept(x, y, *cuts):
    found = CoMoments.none(N)
    for part_x, part_y in zip(np.split(x, cuts, axis=1), np.split(y, cuts, axis=1), strict=True):
        found += CoMoments.of(part_x, part_y)
    return found


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("cuts", [(), (1,), (0, 0, 400, 401, 1000)])
def test_as_numpy_has_them(cuts, offset):
    x, y = series(offset=offset)
    wanted = [np.corrcoef(x[n], y[n])[0, 1] for n in range(N)]
    np.testing.assert_allclose(kept(x, y, *cuts).correlations(), wanted, rtol=1e-6)


def test_in_any_order():
    x, y = series()
    early, late = CoMoments.of(x[:, :300], y[:, :300]), CoMoments.of(x[:, 300:], y[:, 300:])
    np.testing.assert_allclose((early + late).correlations(), (late + early).correlations(), rtol=1e-12)
    assert (early + late).count == 1000


def test_none_where_one_never_changes():
    """0.1 isn't a number that a mean of many of it hits."""
    x, y = series()
    x[0], y[1] = 0.1, 0.0
    found = kept(x, y, 300, 700).correlations()
    np.testing.assert_array_equal(np.isnan(found), [True, True, False])
    assert np.isnan(CoMoments.none(N).correlations()).all()


def test_a_single_step_that_differs_is_a_change():
    x = np.ones((N, 1000))
    x[:, 3] = np.float32(1) + np.finfo(np.float32).eps
    np.testing.assert_allclose(CoMoments.of(x, -x).correlations(), -1.0, rtol=1e-6)
