import numpy as np
import pytest
import torch

from learners.diagnostics import approximate_kl, explained_variance, mean_kl, step_means


def test_explained_variance():
    returns = np.array([1.0, 2.0, 3.0, 6.0], np.float32)
    assert explained_variance(returns + 5, returns) == pytest.approx(1.0)
    assert explained_variance(np.zeros(4, np.float32), returns) == pytest.approx(0.0)
    assert explained_variance(-returns, returns) == pytest.approx(-3.0)
    assert explained_variance(returns, np.ones(4, np.float32)) == 0.0


def test_approximate_kl_is_close_to_the_kl_it_estimates():
    torch.manual_seed(0)
    old, new = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.4, 0.4, 0.2])
    log_ratio = (new / old).log()[torch.multinomial(old, 200_000, replacement=True)]

    assert float(approximate_kl(log_ratio, log_ratio.exp())) == pytest.approx(
        float((old * (old / new).log()).sum()), rel=0.03
    )


def test_means_over_steps_by_name():
    steps = [[float(k + 10 * step) for k in range(6)] for step in range(3)]

    assert step_means(steps) == {
        "policy_loss": 10.0,
        "value_loss": 11.0,
        "entropy": 12.0,
        "kl": 13.0,
        "clip_fraction": 14.0,
        "grad_norm": 15.0,
    }
    assert mean_kl(steps) == 13.0
