"""Orders, leg by leg, on small floors: who is sent where, what is paid, and what a robot that goes off leaves."""

import numpy as np
import pytest

from env_server.warehouse.distance import FREE, LOADED
from env_server.warehouse.state import (
    DELIVER,
    DOWN,
    FETCH,
    FORWARD,
    LEFT,
    NO_LEG,
    NOOP,
    NOTHING,
    RETURN,
    RIGHT,
    TOGGLE,
    TURN_LEFT,
    TURN_RIGHT,
    UP,
)
from tests.env_server.dispatching import (
    act,
    assert_all_holds,
    carrying,
    fetching,
    make,
    of,
    put,
    slow_way,
    two_carrying,
)

NO_ORDERS = {"leg": NO_LEG, "order": NOTHING, "home": NOTHING, "station": NOTHING}


# One order, leg by leg


def test_fetch_deliver_return_and_the_next_order_at_once() -> None:
    world, out = make(reward="individual", request_queue=1)
    put(world, **fetching(shelf=6, cell=25, heading=UP))  # shelf 6 stands at 18, just above
    assert act(world, out, FORWARD) == [0]
    assert act(world, out, TOGGLE) == [0]
    assert (of(world, "leg"), of(world, "carrying")) == ([DELIVER], [6])
    for action in (TURN_LEFT, TURN_LEFT, FORWARD, TURN_RIGHT):
        assert act(world, out, action) == [0]
    assert act(world, out, FORWARD) == [1]
    assert (of(world, "leg"), of(world, "carrying"), of(world, "deliveries")) == ([RETURN], [6], [1])
    queue = of(world, "queue")
    assert queue != [6], "the request has been replaced at once"
    for action in (TURN_LEFT, TURN_LEFT, FORWARD, TURN_LEFT, FORWARD):
        assert act(world, out, action) == [0]
    assert of(world, "leg") == [RETURN]
    assert act(world, out, TOGGLE) == [0]
    assert (of(world, "carrying"), of(world, "shelf_cell")[6]) == ([NOTHING], 18)
    assert (of(world, "leg"), of(world, "order")) == ([FETCH], queue)


def test_only_the_ordered_shelf_is_loaded() -> None:
    world, out = make()
    put(world, **fetching(shelf=0, cell=12, heading=UP))
    act(world, out, TOGGLE)
    assert (of(world, "carrying"), of(world, "leg")) == ([NOTHING], [FETCH])
    put(world, cell=8)
    act(world, out, TOGGLE)
    assert (of(world, "carrying"), of(world, "leg")) == ([0], [DELIVER])


def test_a_shelf_is_put_down_at_its_home_and_nowhere_else() -> None:
    world, out = make()
    put(world, **carrying(6, cell=18, heading=UP, leg=DELIVER))
    act(world, out, TOGGLE)
    assert of(world, "carrying") == [6], "not back before it was delivered"
    cells = [8, 9, 11, 12, 15, 16, 18, 19]
    put(world, shelf_cell=[*cells[:6], 19, 20], **{"cell": 19, "leg": RETURN, "queue": [0]})
    act(world, out, TOGGLE)
    assert of(world, "carrying") == [6], "not into another slot, though it is free"


def test_another_goal_on_the_way_neither_pays_nor_ends_the_leg() -> None:
    world, out = make(reward="individual")
    put(world, **carrying(6, cell=23, heading=RIGHT, leg=DELIVER, station=1))
    assert act(world, out, FORWARD) == [0]
    assert (of(world, "cell"), of(world, "leg")) == ([24], [DELIVER])
    rewards = [act(world, out, FORWARD)[0] for _ in range(3)]
    assert (rewards, of(world, "leg")) == ([0, 0, 1], [RETURN])


def test_a_robot_that_waits_at_its_station_is_paid_once() -> None:
    world, out = make(reward="individual")
    put(world, **carrying(6, cell=25, heading=LEFT, leg=DELIVER))
    assert [act(world, out, action)[0] for action in (FORWARD, NOOP, NOOP, TOGGLE)] == [1, 0, 0, 0]


def test_the_next_request_is_neither_requested_nor_in_an_order() -> None:
    world, out = make(robots=2, request_queue=5)
    drawn = set()
    for seed in range(300):
        world.reset(seed, out)
        put(
            world,
            cell=[25, 22],
            heading=[LEFT, UP],
            carrying=[6, 4],
            shelf_cell=[8, 9, 11, 12, 22, 16, 25, 19],
            leg=[DELIVER, RETURN],
            order=[6, 4],
            home=[18, 15],
            station=[0, 0],
            queue=[0, 1, 6, 3, 5],
        )
        act(world, out, FORWARD, NOOP)
        queue = of(world, "queue")
        assert queue[:2] + queue[3:] == [0, 1, 3, 5]
        drawn.add(queue[2])
    assert drawn == {2, 7}, "4 is on its way home, 6 has just been delivered"


def test_with_no_other_shelf_left_the_delivered_one_is_requested_again_and_first_goes_home() -> None:
    world, out = make(".xx.\n....\n.g..", robots=2, request_queue=1, reward="individual")
    arrived = {"cell": [8, 2], "heading": [RIGHT, UP], "carrying": [0, 1], "shelf_cell": [8, 2], "home": [1, 2]}
    put(world, **arrived, leg=[DELIVER, RETURN], order=[0, 1], station=[0, 0], queue=[0])
    assert act(world, out, FORWARD, NOOP) == [1, 0]
    assert (of(world, "queue"), of(world, "leg")) == ([0], [RETURN, RETURN])
    put(world, cell=[1, 2], shelf_cell=[1, 2])
    act(world, out, TOGGLE, NOOP)
    assert (of(world, "carrying"), of(world, "leg"), of(world, "order")) == ([NOTHING, 1], [FETCH, RETURN], [0, 1])


def test_station_nearest_is_that_of_the_least_loaded_way() -> None:
    world, out = make(robots=4, request_queue=4, station="nearest", reward="dense")
    for seed in range(20):
        world.reset(seed, out)
        for order, station in zip(of(world, "order"), of(world, "station"), strict=True):
            cell = of(world, "shelf_cell")[order]
            ways = [slow_way(world, LOADED, int(goal))[cell] for goal in world.floor.goals]
            assert ways[station] == min(ways)


def test_stations_drawn_come_all_about_as_often() -> None:
    world, _ = make(robots=4, request_queue=4, worlds=200)
    drawn = np.bincount(world.state()["station"].ravel(), minlength=2)
    assert 340 < drawn[0] < 460, drawn


# Who gets what


def test_dispatch_off_gives_no_orders_and_appends_nothing() -> None:
    world, out = make(dispatch="off")
    assert out.shape[-1] == 71
    act(world, out, TOGGLE)
    assert (of(world, "leg"), of(world, "order")) == ([NO_LEG], [NOTHING])


def test_robots_without_a_request_wait_until_there_is_one() -> None:
    world, out = make(robots=3, request_queue=1, reward="individual")
    assert sorted(of(world, "leg")) == [NO_LEG, NO_LEG, FETCH]
    put(
        world,
        cell=[25, 0, 6],
        heading=[LEFT, UP, UP],
        carrying=[6, NOTHING, NOTHING],
        shelf_cell=[8, 9, 11, 12, 15, 16, 25, 19],
        leg=[DELIVER, NO_LEG, NO_LEG],
        order=[6, NOTHING, NOTHING],
        home=[18, NOTHING, NOTHING],
        station=[0, NOTHING, NOTHING],
        queue=[6],
    )
    act(world, out, FORWARD, NOOP, NOOP)
    assert sorted(of(world, "leg")[1:]) == [NO_LEG, FETCH]


@pytest.mark.parametrize(("rule", "expected"), [("nearest", [1, 0]), ("matching", [0, 1])])
def test_the_rule_decides_by_true_distance(rule: str, expected: list[int]) -> None:
    world, out = make("x...x...\n......g.\nx......x", robots=2, request_queue=2, dispatch=rule)
    assert [[slow_way(world, FREE, cell)[robot] for cell in (0, 4)] for robot in (3, 7)] == [[3, 1], [7, 3]]
    put(world, cell=[3, 7], queue=[0, 1], **NO_ORDERS)
    act(world, out, NOOP, NOOP)
    assert of(world, "order") == expected, "the closest pair first costs 1 + 7, the best pairing 3 + 3"


# Rewards


def test_global_pays_all_for_a_delivery() -> None:
    world, out = make(robots=2, reward="global", request_queue=2)
    put(
        world,
        cell=[25, 0],
        heading=[LEFT, UP],
        carrying=[6, NOTHING],
        shelf_cell=[8, 9, 11, 12, 15, 16, 25, 19],
        leg=[DELIVER, FETCH],
        order=[6, 0],
        home=[18, 8],
        station=[0, 0],
        queue=[6, 0],
    )
    assert act(world, out, FORWARD, NOOP) == [1, 1]


def test_two_stage_pays_half_at_the_station_and_half_at_home() -> None:
    world, out = make(reward="two-stage")
    put(world, **carrying(6, cell=25, heading=LEFT, leg=DELIVER))
    rewards = [act(world, out, a)[0] for a in (FORWARD, TURN_LEFT, TURN_LEFT, FORWARD, TURN_LEFT, FORWARD, TOGGLE)]
    assert rewards == [0.5, 0, 0, 0, 0, 0, 0.5]


def test_dense_pays_each_cell_gained_and_never_the_change_of_target() -> None:
    world, out = make(reward="dense", dense_scale=0.125)
    put(world, **fetching(shelf=6, cell=25, heading=UP))
    assert act(world, out, FORWARD) == [0.125]
    assert act(world, out, TOGGLE) == [0], "the station is further away than the shelf was"
    rest = (TURN_LEFT, TURN_LEFT, FORWARD, TURN_RIGHT, FORWARD, TURN_LEFT, TURN_LEFT, FORWARD, NOOP, TURN_LEFT, FORWARD)
    paid = [act(world, out, action)[0] for action in rest]
    assert paid == [0, 0, 0.125, 0, 1.125, 0, 0, 0.125, 0, 0, 0.125]
    assert act(world, out, TOGGLE) == [0]


def test_dense_charges_a_step_away() -> None:
    world, out = make(reward="dense", dense_scale=0.125)
    put(world, **fetching(shelf=6, cell=25, heading=RIGHT))
    assert act(world, out, FORWARD) == [-0.125]


# Offline


def test_a_stalled_robot_keeps_shelf_and_order() -> None:
    world, out = make(robots=2)
    two_carrying(world)
    before = world.state()
    world.set_body(0, "stalled")
    act(world, out, TOGGLE, NOOP)
    world.set_body(0, "online")
    for name in ("carrying", "order", "leg", "home", "station", "shelf_cell"):
        assert world.state()[name].tolist() == before[name].tolist()


def test_a_towed_robots_shelf_swaps_homes_with_a_loaded_robot_that_stands_in_its_slot() -> None:
    world, out = make(robots=2)
    two_carrying(world)
    world.set_body(0, "towed")
    assert of(world, "shelf_cell")[6] == 15
    assert of(world, "home") == [NOTHING, 18]
    assert_all_holds(world)
    act(world, out, NOOP, TOGGLE)
    assert (of(world, "carrying"), of(world, "shelf_cell")[4]) == ([NOTHING, NOTHING], 18)


def test_a_towed_robots_order_goes_to_another_unless_it_was_delivered() -> None:
    world, out = make(robots=2)
    two_carrying(world)
    world.set_body(0, "towed")
    assert 6 in of(world, "queue")
    assert 6 not in of(world, "order")
    act(world, out, NOOP, TOGGLE)
    assert of(world, "order")[1] in (6, 0)
    two_delivered, out = make(robots=2)
    two_carrying(two_delivered, leg=RETURN)
    two_delivered.set_body(0, "towed")
    assert sorted(of(two_delivered, "queue")) == [0, 1]
    assert of(two_delivered, "carrying") == [NOTHING, 4]


def test_back_online_it_has_a_new_order_at_once() -> None:
    world, _ = make(robots=1)
    world.set_body(0, "towed")
    assert of(world, "leg") == [NO_LEG]
    world.set_body(0, "online")
    assert of(world, "leg") == [FETCH]


# .map floors


def test_on_a_map_an_order_is_a_service_point_then_a_station(small_map: str) -> None:
    world, out = make(layout=None, map=small_map, reward="individual")
    put(world, cell=7, heading=DOWN, order=1, home=13, leg=FETCH, station=1, queue=[1])
    assert act(world, out, TOGGLE) == [0]
    assert of(world, "leg") == [FETCH]
    assert act(world, out, FORWARD) == [0]
    assert (of(world, "cell"), of(world, "leg"), of(world, "carrying")) == ([13], [DELIVER], [NOTHING])
    put(world, cell=21, heading=RIGHT)
    assert act(world, out, FORWARD) == [1]
    assert (of(world, "leg"), of(world, "deliveries")) == ([FETCH], [1])


def test_a_service_point_asked_for_twice_is_owned_by_one_robot(small_map: str) -> None:
    world, out = make(layout=None, map=small_map, robots=3, request_queue=3)
    put(world, queue=[1, 1, 1], **NO_ORDERS)
    act(world, out, NOOP, NOOP, NOOP)
    assert sorted(of(world, "order")) == [NOTHING, NOTHING, 1]
