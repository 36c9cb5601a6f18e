"""What standing for long costs, and whom: `world.standing`."""

import pytest
from pydantic import ValidationError

from env_server.warehouse.dispatch import STILL
from env_server.warehouse.state import FORWARD, LEFT, NOOP, TURN_LEFT, TURN_RIGHT
from fleet.core.config.world import WorldConfig
from tests.env_server.dispatching import act, fetching, make, put


def test_standing_is_charged_from_the_tenth_step_on_until_the_robot_moves() -> None:
    world, out = make(reward="individual", standing=0.125)
    put(world, **fetching(shelf=6, cell=25, heading=LEFT), still=[0])
    paid = [act(world, out, TURN_LEFT if k % 2 else TURN_RIGHT)[0] for k in range(12)]
    assert paid == [0] * (STILL - 1) + [-0.125] * 3, "to turn on the spot is no move"
    assert act(world, out, FORWARD) == [0]
    assert act(world, out, NOOP) == [0]


def test_standing_is_nothing_to_who_has_no_order() -> None:
    world, out = make(reward="individual", standing=0.125, robots=2, request_queue=1)
    put(world, still=[50, 50])
    assert sorted(act(world, out, NOOP, NOOP)) == [-0.125, 0], "one order for the two of them"


def test_who_was_towed_has_not_stood_where_it_is_set_down() -> None:
    world, out = make(reward="individual", standing=0.125)
    put(world, **fetching(shelf=6, cell=25, heading=LEFT), still=[50])
    world.set_body(0, "towed")
    world.set_body(0, "online")
    assert act(world, out, NOOP) == [0]


def test_standing_needs_orders() -> None:
    with pytest.raises(ValidationError, match="standing = 0.1 is for robots on their way to an order"):
        WorldConfig(map="rware-tiny-2ag", standing=0.1)
