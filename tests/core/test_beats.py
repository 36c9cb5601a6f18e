"""How often the learners of a fleet speak, by how many they are."""

import pytest

from fleet.core.beats import MOST_PER_S, beat_s, measure_s
from fleet.core.config import Config


def fleet(robots: int, mapping: str = "per-robot") -> Config:
    world = {"shelf_columns": 33, "shelf_rows": 11, "column_height": 8, "robots": robots}
    return Config.model_validate({"world": world, "mapping": mapping})


def test_a_small_fleet_beats_as_it_is_told() -> None:
    assert beat_s(fleet(40)) == 0.5
    assert beat_s(fleet(1000, "shared")) == 0.5
    assert measure_s(fleet(4)) == 5.0


def test_all_of_a_big_fleet_together_beat_no_more_than_the_supervisor_can_hear() -> None:
    assert 1000 / beat_s(fleet(1000)) == pytest.approx(MOST_PER_S)
    assert measure_s(fleet(1000)) == 1000.0
