"""What the lives of learners come to when there are very many, or their server is being buried."""

from pathlib import Path

import pytest

from fleet.control.care.child import Phase
from fleet.control.process.processes import Ended
from tests.control.test_care import World


def test_of_a_big_fleet_no_more_start_at_once_than_get_on(tmp_path: Path) -> None:
    """Broken by ordering all: each then stands in the others' way until none has spoken within its grace."""
    world = World(tmp_path, learners=100)
    world.later(1.0)
    assert len(world.processes.ordered) == 32
    assert world.care.next_due() is None, "the loop must not spin while nobody may start"
    for name in list(world.processes.ordered):
        world.care.started(world.processes.fork(name), world.now)
    world.later(1.0)
    assert not world.processes.ordered
    world.beat()
    world.later(1.0)
    assert world.processes.ordered == ["learner-32"]


def test_nobody_comes_back_while_what_a_dead_server_had_accepted_is_being_read(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.start()
    world.die()
    world.care.settling = True
    world.later(10.0)
    assert not world.processes.ordered
    assert world.care.next_due() is None
    world.care.settling = False
    world.later(0.0)
    assert world.processes.ordered == ["learner-0"]


@pytest.mark.parametrize(("draining", "phase"), [(True, Phase.ENDED), (False, Phase.WAITING)])
def test_how_one_ended_whose_status_nobody_knows_is_clear_only_as_the_run_ends(
    tmp_path: Path, draining: bool, phase: Phase
) -> None:
    """Broken by calling it dead: hundreds of a thousand learners were, which had been told to leave."""
    world = World(tmp_path)
    world.start()
    world.care.draining = draining
    world.care.ended(Ended("learner-0", world.processes.alive.pop("learner-0"), None, world.now), world.now)
    assert world.child.phase is phase
