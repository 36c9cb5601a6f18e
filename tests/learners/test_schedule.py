import pytest

from learners.schedule import learning_rate


def test_constant():
    assert learning_rate(0.1, "constant", 10, 10**6) == 0.1


def test_linear_falls_to_zero_at_the_horizon_and_stays_there():
    rates = [learning_rate(0.1, "linear", 4, version) for version in range(6)]

    assert rates == pytest.approx([0.1, 0.075, 0.05, 0.025, 0.0, 0.0])
    assert rates[4:] == [0.0, 0.0]
