"""The line of a round: whose figures it has when there are many."""

from pathlib import Path

import pytest

from actors.stacked import StackedPolicy
from env_server.collect import Collector
from env_server.dealt import Dealt
from env_server.record import MOST_LEARNERS, Recorder
from env_server.worlds import make_world
from fleet.core.config import Config
from fleet.core.jsonl import BoundedJsonl, read_jsonl

CONFIG = Config.model_validate({"world": {"map": "rware-tiny-2ag", "worlds": 2}, "network": {"hidden": [8]}})


@pytest.mark.parametrize("heard", [range(MOST_LEARNERS), range(100), range(7, 150)])
def test_every_learners_figures_are_told_in_turn_a_bounded_number_a_line(tmp_path: Path, heard: range) -> None:
    """Broken by telling all: of a thousand learners 8 MB held forty rounds; by telling the first ones again."""
    world = make_world(CONFIG.world)
    collector = Collector(world, StackedPolicy(world.spec, CONFIG.network), seed=1, steps=2)
    collector.reset()
    recorder = Recorder(BoundedJsonl(tmp_path / "metrics.jsonl"), collector, 3)
    for number in range(3):
        for learner in heard:
            recorder.learned(learner, 4, 0, {"entropy": float(learner)})
        recorder.round_done(number, collector.collect(number), Dealt(8, 0, 2), {}, {})
    lines = [line["learners"] for line in read_jsonl(tmp_path / "metrics.jsonl")]
    assert all(len(line) == min(len(heard), MOST_LEARNERS) for line in lines)
    assert {int(learner) for line in lines for learner in line} == set(heard)
    assert all(figures == {"entropy": float(learner)} for line in lines for learner, figures in line.items())
