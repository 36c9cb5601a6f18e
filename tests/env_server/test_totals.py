"""What a run's rounds come to together.

Broken by letting the last tenth begin a round late, and by a mean over all rounds where one has no drift.
"""

import numpy as np
import pytest

from env_server.rewards import RewardSums
from env_server.totals import OLDEST, Totals

ROUNDS = 20


def test_of_all_rounds_and_of_the_last_tenth() -> None:
    rng = np.random.default_rng(0)
    rewards = rng.normal(size=(ROUNDS, 3, 4, 2)).astype(np.float32)
    totals = Totals(3, ROUNDS)
    for number in range(ROUNDS):
        moved = {"drift_kl": float(number)} if number else {}
        took = totals.add(number, rewards[number], moved, [0, 0, number % 2], 1.0)
        assert 1.0 < took < 2.0
    found = totals.figures
    assert (found["total_drift_kl"], found["late_drift_kl"]) == (10.0, 18.5)
    assert (found["total_lag_0"], found["total_lag_1"], found["totalled_rounds"]) == (50, 10, 20)
    assert 20.0 < found["total_measures_s"] < 21.0
    for name, part in (("total", rewards), ("late", rewards[18:])):
        wanted = RewardSums.of(np.moveaxis(part, 1, 0)).figures()
        assert {key: found[f"{name}_{key}"] for key in wanted} == pytest.approx(wanted)


def test_a_run_that_goes_on_says_of_how_many_rounds_its_totals_are() -> None:
    totals = Totals(2, ROUNDS)
    assert totals.figures == {}
    totals.add(7, np.zeros((2, 4, 2), np.float32), {}, [OLDEST + 5, OLDEST, 3], 0.0)
    known = {key: value for key, value in totals.figures.items() if key != "total_measures_s"}
    assert known == {"total_reward_density": 0.0, "total_lag_3": 1, f"total_lag_{OLDEST}": 2, "totalled_rounds": 1}
