import numpy as np
import pytest

from actors.kernels import bias_relu, bias_tanh


@pytest.mark.parametrize("spread", [0.01, 1.0, 10.0, 1e4])
@pytest.mark.parametrize("units", [64, 13])
def test_tanh(spread, units):
    rng = np.random.default_rng(0)
    x, bias = (rng.normal(0, spread, shape).astype(np.float32) for shape in ((3, 5, units), (3, 1, units)))
    expected = np.tanh((x + bias).astype(np.float64))

    bias_tanh(x, bias)

    np.testing.assert_allclose(x, expected, atol=3e-7)


def test_relu():
    x, bias = np.array([[[1.0, -1.0], [-3.0, 2.0]]], np.float32), np.array([[[1.0, 0.5]]], np.float32)

    bias_relu(x, bias)

    assert x.tolist() == [[[2.0, 0.0], [0.0, 2.5]]]
