"""By what the policies of a task are told apart: deliveries, or the return of an episode where nothing is delivered."""

from collections.abc import Mapping

from fleet.core.config.world import Measure

DELIVERIES: Measure = "deliveries_per_1000"
WORDS: Mapping[Measure, str] = {DELIVERIES: "deliveries per robot per 1,000 steps", "return": "return of an episode"}
SERIES: Mapping[Measure, str] = {DELIVERIES: "deliveries", "return": "return"}
"""Which series of a training's curve has it."""
