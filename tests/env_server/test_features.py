"""The way in the observation: what dispatch appends, number by number, on small floors."""

import pytest

from env_server.warehouse.features import PER_SIDE, SIDES_AT, SIGHT, WAY_SIZE, way_bounds
from env_server.warehouse.state import DELIVER, DOWN, FETCH, LEFT, NO_LEG, NOTHING, RETURN, RIGHT, TOGGLE, UP
from tests.env_server.dispatching import act, features, fetching, make, put


@pytest.mark.parametrize(
    ("heading", "offset", "ways"),
    [
        (UP, [2, -2], [1, 0, 1, -1]),
        (DOWN, [-2, 2], [-1, 1, 0, 1]),
        (LEFT, [-2, -2], [0, -1, 1, 1]),
        (RIGHT, [2, 2], [1, 1, -1, 0]),
    ],
)
def test_the_way_turns_with_the_robot(heading: int, offset: list[int], ways: list[int]) -> None:
    world, out = make("..x.g\n.....\n....x\n.....")
    put(world, cell=10, heading=heading, order=0, home=2, leg=FETCH, station=0, queue=[0])
    seen = features(world, out)
    assert seen[:7] == [1, 0, 0, 0, 4, *offset], "two up and two to the right, at the left edge"
    assert seen[7::4] == ways


def test_at_the_target_the_flag_says_so() -> None:
    world, out = make()
    put(world, **fetching(shelf=6, cell=18, heading=UP))
    assert features(world, out)[:5] == [1, 0, 0, 1, 0]
    act(world, out, TOGGLE)
    assert features(world, out)[:5] == [0, 1, 0, 0, 2]
    put(world, leg=RETURN)
    assert features(world, out)[:5] == [0, 0, 1, 1, 0]


def test_neighbours_are_seen_with_load_intent_and_nearness() -> None:
    world, out = make("g........\n.x.x.x.x.", robots=2)
    put(
        world,
        cell=[2, 5],
        heading=[RIGHT, LEFT],
        carrying=[NOTHING, 2],
        shelf_cell=[10, 12, 5, 16],
        leg=[FETCH, DELIVER],
        order=[3, 2],
        home=[16, 14],
        station=[0, 0],
        queue=[3, 2],
    )
    seen = features(world, out)
    assert seen[7:11] == [1, SIGHT // 3, 1, 1], "ahead: nearer; a loaded robot three cells off that comes this way"
    assert features(world, out, robot=1)[7:11] == [1, SIGHT // 3, 1, 0]
    world.set_body(1, "stalled")
    assert features(world, out)[7:11] == [1, SIGHT // 3, 0, 1], "it won't come by itself"


def test_a_loaded_robot_sees_standing_shelves_as_closed_and_not_beyond_them() -> None:
    world, out = make("g...\n.xx.\n....", robots=2, request_queue=1)
    put(
        world,
        cell=[4, 7],
        heading=[RIGHT, LEFT],
        leg=[FETCH, NO_LEG],
        order=[0, NOTHING],
        home=[5, NOTHING],
        station=[0, NOTHING],
        queue=[0],
    )
    assert features(world, out)[7:9] == [1, SIGHT // 3]
    put(
        world,
        carrying=[1, NOTHING],
        order=[1, NOTHING],
        home=[6, NOTHING],
        leg=[DELIVER, NO_LEG],
        shelf_cell=[5, 4],
        queue=[1],
    )
    assert features(world, out)[7:9] == [0, 0]


def test_bounds_fit_the_type() -> None:
    for height, width, largest in ((2, 3, 127), (127, 127, 127), (128, 4, 32767), (140, 500, 32767)):
        bounds = way_bounds(height, width)
        assert bounds.shape == (WAY_SIZE,)
        assert bounds.min() >= 1
        assert bounds.max() <= largest
