"""How dense rewards are and how they hang together, against numpy over whole arrays.

Broken by taking the team's rewards for the others', and by a mean over robots that a constant one makes NaN.
"""

import numpy as np
import pytest

from env_server import rewards as module
from env_server.rewards import RewardSums

N, T, E = 4, 9, 5


def rewards(seed):
    rng = np.random.default_rng(seed)
    drawn = rng.normal(size=(N, T, E)) + rng.normal(size=(T, E))
    return np.where(rng.random((N, T, E)) < 0.3, drawn, 0.0).astype(np.float32)


def test_over_many_rounds_as_over_one_array():
    rounds = [rewards(seed) for seed in range(6)]
    for taken in rounds:
        taken[2] = -0.1  # never changes
    sums = RewardSums.none(N)
    for taken in rounds:
        sums += RewardSums.of(taken)
    flat = np.concatenate([taken.reshape(N, -1) for taken in rounds], axis=1).astype(np.float64)
    others = [np.delete(flat, n, axis=0).mean(0) for n in range(N)]
    varying = [0, 1, 3]
    found = sums.figures()
    assert found["reward_density"] == np.mean(flat != 0)
    wanted = np.mean([np.corrcoef(flat[n], others[n])[0, 1] for n in varying])
    assert found["own_others_correlation"] == pytest.approx(wanted)
    wanted = np.mean([np.corrcoef(flat[n], flat.mean(0))[0, 1] for n in varying])
    assert found["own_team_correlation"] == pytest.approx(wanted)


def test_a_large_round_is_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in more parts than it has steps."""
    whole = RewardSums.of(rewards(0)).figures()
    for at_once in (N * E * 2, 3):
        monkeypatch.setattr(module, "AT_ONCE", at_once)
        assert RewardSums.of(rewards(0)).figures() == pytest.approx(whole)


def test_what_is_not_known_is_left_out():
    assert RewardSums.none(N).figures() == {}
    assert RewardSums.of(np.zeros((N, T, E), np.float32)).figures() == {"reward_density": 0.0}
    alone = RewardSums.of(rewards(0)[:1]).figures()
    assert "own_others_correlation" not in alone
    assert alone["own_team_correlation"] == pytest.approx(1.0)
