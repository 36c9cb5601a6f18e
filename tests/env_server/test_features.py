"""The way in the observation: what dispatch appends, number by number, on small floors."""

import numpy as np
import pytest

from env_server.warehouse.distance import FAR
from env_server.warehouse.features import PER_SIDE, SIDES_AT, SIGHT, STILL, WAITED, WAY_SIZE, way_bounds
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
    UP,
)
from env_server.warehouse.world import Warehouse
from tests.env_server.dispatching import act, carrying, drive, features, fetching, make, of, put, two_carrying

STILL_AT, WAITED_AT = 7, 8
AHEAD = slice(SIDES_AT, SIDES_AT + PER_SIDE)


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
    assert seen[SIDES_AT::PER_SIDE] == ways


def test_at_the_target_the_flag_says_so() -> None:
    world, out = make()
    put(world, **fetching(shelf=6, cell=18, heading=UP))
    assert features(world, out)[:5] == [1, 0, 0, 1, 0]
    act(world, out, TOGGLE)
    assert features(world, out)[:5] == [0, 1, 0, 0, 2]
    put(world, leg=RETURN)
    assert features(world, out)[:5] == [0, 0, 1, 1, 0]


@pytest.mark.parametrize(("against", "left", "ways"), [(0, 5, [-1, 0, 1, -1]), (9, 5 + 2 * 3, [1, 0, -1, -1])])
def test_a_loaded_robot_is_shown_the_lane_that_leads_its_way(against: int, left: int, ways: list[int]) -> None:
    world, out = make(".......\n" + ".xx.xx.\n" * 4 + "...g...", against=against, reward="dense")
    order = {"order": 0, "home": 8, "leg": DELIVER, "station": 0, "queue": [0], "carrying": 0}
    put(world, cell=3, heading=RIGHT, shelf_cell=[3, *of(world, "shelf_cell")[1:]], **order)
    seen = features(world, out)
    assert (seen[4], seen[SIDES_AT::PER_SIDE]) == (left, ways), "the middle lane leads up, the one to the right down"
    assert act(world, out, FORWARD) == pytest.approx([0.02 if against else -0.02]), "and paid by it"


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
    assert seen[AHEAD] == [1, SIGHT // 3, 1, 1, 0], "ahead: nearer; a loaded robot three cells off that comes this way"
    assert features(world, out, robot=1)[AHEAD] == [1, SIGHT // 3, 1, 0, 0]
    world.set_body(1, "stalled")
    assert features(world, out)[AHEAD] == [1, SIGHT // 3, 0, 1, 0], "it won't come by itself"


def test_a_neighbour_that_brings_a_shelf_back_is_seen_as_returning() -> None:
    world, out = make("g........\n.x.x.x.x.", robots=2)
    loaded = {"carrying": [3, 2], "shelf_cell": [10, 12, 5, 2], "home": [16, 14]}
    placed = {"cell": [2, 5], "heading": [RIGHT, LEFT], "order": [3, 2], "station": [0, 0]}
    put(world, **loaded, **placed, leg=[DELIVER, RETURN], queue=[3, 1])
    assert features(world, out)[AHEAD][3:] == [1, 1]
    assert features(world, out, robot=1)[AHEAD][3:] == [1, 0]


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
    assert features(world, out)[AHEAD][:2] == [1, SIGHT // 3]
    put(
        world,
        carrying=[1, NOTHING],
        order=[1, NOTHING],
        home=[6, NOTHING],
        leg=[DELIVER, NO_LEG],
        shelf_cell=[5, 4],
        queue=[1],
    )
    assert features(world, out)[AHEAD][:2] == [0, 0]


def slow_sides(world: Warehouse, e: int, n: int) -> list[list[int]]:
    """Open, near, loaded and returning of the four sides of robot `n` in copy `e`, cell by cell."""
    s, floor = {name: array[e].tolist() for name, array in world.state().items() if array.ndim > 1}, world.floor
    standing = {cell for shelf, cell in enumerate(s["shelf_cell"]) if shelf not in s["carrying"]}
    turned = [[(-1, 0), (0, -1), (0, 1), (1, 0)], [(1, 0), (0, 1), (0, -1), (-1, 0)]]
    turned += [[(0, -1), (1, 0), (-1, 0), (0, 1)], [(0, 1), (-1, 0), (1, 0), (0, -1)]]
    loaded, sides = s["carrying"][n] != NOTHING, []
    for down, right in turned[s["heading"][n]]:
        row, column = divmod(s["cell"][n], floor.width)
        sides.append([0, 0, 0, 0])
        for steps in range(1, SIGHT + 1):
            row, column = row + down, column + right
            if not (0 <= row < floor.height and 0 <= column < floor.width) or floor.blocked[row, column]:
                break
            cell = row * floor.width + column
            shelf = loaded and cell in standing
            if steps == 1:
                sides[-1][0] = int(not shelf)
            if cell in s["cell"]:
                other = s["cell"].index(cell)
                sides[-1][1:] = [SIGHT // steps, s["carrying"][other] != NOTHING, s["leg"][other] == RETURN]
                break
            if shelf:
                break
    return sides


def test_all_sides_are_as_seen_cell_by_cell_at_edges_and_over_loads_too() -> None:
    layout = "......g.....\n.xx..x..x...\n.xx.....x...\n............\nx..........."
    world, out = make(layout, robots=7, worlds=2, request_queue=5, max_steps=60)
    generator = np.random.default_rng(4)
    seen = 0
    for _ in range(150):
        world.step(drive(world, out, generator), out)
        for e, n in np.ndindex(2, 7):
            sides = out[n, e, SIDES_AT - WAY_SIZE :].reshape(4, PER_SIDE)
            sides = np.column_stack([sides[:, 0] != 0, sides[:, [1, 3, 4]]])
            assert sides.tolist() == slow_sides(world, e, n)
            seen += int((sides[:, 2:].sum(axis=1) == 2).sum())
    assert seen > 0, "some that bring a shelf back were seen"


def test_bounds_fit_the_type() -> None:
    for height, width, largest in ((2, 3, 127), (127, 127, 127), (128, 4, 32767), (140, 500, 32767)):
        bounds = way_bounds(height, width)
        assert bounds.shape == (WAY_SIZE,)
        assert bounds.min() >= 1
        assert bounds.max() <= largest


# How long it has made no headway


def counted(world: Warehouse) -> tuple[int, int]:
    """Steps that robot 0 was still, and waited."""
    return of(world, "still")[0], of(world, "waited")[0]


def test_still_counts_the_steps_without_a_move_and_is_cut_off() -> None:
    world, out = make()
    put(world, **fetching(shelf=6, cell=21, heading=RIGHT))
    seen = []
    for action in (NOOP, TURN_LEFT, TOGGLE, FORWARD, FORWARD, *[NOOP] * STILL):
        act(world, out, action)
        seen.append(int(out[0, 0, STILL_AT - WAY_SIZE]))
    assert seen == [1, 2, 3, 0, 0, *range(1, STILL + 1)]
    act(world, out, NOOP)
    assert (counted(world)[0], features(world, out)[STILL_AT]) == (STILL + 1, STILL)


def test_a_robot_that_is_blocked_is_still() -> None:
    world, out = make()
    put(world, **fetching(shelf=6, cell=21, heading=LEFT))
    act(world, out, FORWARD)
    assert features(world, out)[STILL_AT] == 1


def test_waited_counts_the_steps_since_it_was_nearer_than_ever_and_is_cut_off() -> None:
    world, out = make()
    put(world, **fetching(shelf=6, cell=21, heading=RIGHT, closest=FAR))
    act(world, out, FORWARD)
    assert (counted(world)[1], of(world, "closest")) == (0, [4])
    for action, heading, waited in ((NOOP, LEFT, 1), (FORWARD, LEFT, 2), (FORWARD, RIGHT, 3), (FORWARD, RIGHT, 0)):
        put(world, heading=heading)
        act(world, out, action)
        assert features(world, out)[WAITED_AT] == waited, "back where it had been nearest isn't nearer than ever"
    for _ in range(WAITED + 1):
        act(world, out, NOOP)
    assert (counted(world)[1], features(world, out)[WAITED_AT]) == (WAITED + 1, WAITED)


def test_waited_begins_anew_with_each_leg_and_still_goes_on() -> None:
    world, out = make()
    put(world, **fetching(shelf=6, cell=18, heading=UP, closest=0, waited=4, still=4))
    act(world, out, TOGGLE)
    assert (of(world, "leg"), counted(world)) == ([DELIVER], (5, 0))
    for waited in range(3):
        act(world, out, NOOP)
        assert counted(world) == (6 + waited, waited), "the first step shows how near it is"
    put(world, **carrying(6, cell=25, heading=LEFT, leg=DELIVER, closest=1, waited=7))
    act(world, out, FORWARD)
    assert (of(world, "leg"), counted(world)) == ([RETURN], (0, 0))
    put(world, **carrying(6, cell=18, heading=LEFT, leg=RETURN, closest=0, waited=7))
    act(world, out, TOGGLE)
    assert (of(world, "leg"), counted(world)[1]) == ([FETCH], 0), "of the next order"


def test_both_begin_anew_with_the_episode() -> None:
    world, out = make(max_steps=5)
    put(world, **fetching(shelf=6, cell=21, heading=RIGHT, closest=5))
    for step in range(4):
        act(world, out, NOOP)
        assert counted(world) == (step + 1, step + 1)
    act(world, out, NOOP)
    assert world.state()["clock"] == [0]
    assert (counted(world), of(world, "closest")) == ((0, 0), [FAR])
    assert features(world, out)[STILL_AT:SIDES_AT] == [0, 0]


def test_without_an_order_it_waits_for_nothing() -> None:
    world, out = make(robots=2, request_queue=1)
    for _ in range(3):
        act(world, out, NOOP, NOOP)
    idle = of(world, "leg").index(NO_LEG)
    assert (of(world, "still"), of(world, "waited")[idle]) == ([3, 3], 0)


@pytest.mark.parametrize(("leg", "waited"), [(RETURN, 0), (DELIVER, 7)])
def test_another_home_is_another_target_only_on_the_way_there(leg: int, waited: int) -> None:
    world, _ = make(robots=2)
    two_carrying(world)
    queue = [6, 0] if leg == RETURN else [6, 4]
    put(world, leg=[DELIVER, leg], queue=queue, closest=[2, 2], waited=[7, 7], still=[7, 7])
    world.set_body(0, "towed")
    assert of(world, "home") == [NOTHING, 18]
    assert of(world, "waited") == [0, waited]


def test_a_state_set_keeps_both_exactly() -> None:
    world, out = make()
    given = {"still": [9], "closest": [3], "waited": [12]}
    put(world, **fetching(shelf=6, cell=21, heading=RIGHT), **given)
    assert {name: of(world, name) for name in given} == given
    act(world, out, FORWARD)
    assert (counted(world), of(world, "closest")) == ((0, 13), [3]), "4 steps left; it had been nearer"


def test_with_dispatch_off_nothing_is_counted() -> None:
    world, out = make(dispatch="off", max_steps=5)
    given = {"still": [9], "closest": [3], "waited": [12]}
    put(world, **given)
    for action in (NOOP, FORWARD, TURN_LEFT, FORWARD, TOGGLE, NOOP):
        act(world, out, action)
    world.set_body(0, "towed")
    world.set_body(0, "online")
    assert {name: of(world, name) for name in given} == given
