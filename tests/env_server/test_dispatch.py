"""Orders, leg by leg, on small floors; and all that must always hold, over long runs with robots coming and going."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import numpy.typing as npt
import pytest

from env_server.protocol import Body
from env_server.warehouse.distance import FAR, FREE, LOADED, make_distances
from env_server.warehouse.features import SIGHT, WAY_SIZE, way_bounds
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
from env_server.warehouse.world import Warehouse
from fleet.core.config.world import WorldConfig

# cells 0-6, 7-13, 14-20, 21-27: two blocks of shelves 0-3 (rows 1 and 2, columns 1, 2 and 4, 5), goals at 24 and 27
BLOCKS = ".......\n.xx.xx.\n.xx.xx.\n...g..g"
NO_ORDERS = {"leg": NO_LEG, "order": NOTHING, "home": NOTHING, "station": NOTHING}
ROWS = "x.x.x.x.x\n.........\n.........\nx.x.x.x.x\n....g...g"
MAP = "type octile\nheight 4\nwidth 6\nmap\nS.@.E.\n......\n.S.@..\n....E.\n"


def make(layout: str = BLOCKS, robots: int = 1, **settings: Any) -> tuple[Warehouse, npt.NDArray[np.int8]]:
    config = WorldConfig(**{"layout": layout, "robots": robots, "worlds": 1, "dispatch": "random"} | settings)
    world = Warehouse(config)
    out = np.zeros((robots, world.config.worlds, world.spec.observation_size), world.spec.observation_dtype)
    world.reset(3, out)
    return world, out


def put(world: Warehouse, **arrays: Any) -> None:
    """Set parts of the state of copy 0: `cell=[5]`, `leg=[FETCH]` ..."""
    state = world.state()
    for name, value in arrays.items():
        state[name][0] = value
    world.set_state(state)


def act(world: Warehouse, out: npt.NDArray[np.int8], *actions: int) -> list[float]:
    """Step copy 0 and give its rewards."""
    step = world.step(np.array(actions, np.uint8).reshape(-1, 1), out)
    return [float(reward) for reward in step.rewards[:, 0]]


def of(world: Warehouse, name: str) -> list[int]:
    return [int(value) for value in world.state()[name][0]]


def fetching(shelf: int, cell: int, heading: int, station: int = 0, **more: Any) -> dict[str, Any]:
    """One robot on BLOCKS, sent for `shelf`."""
    slots = [8, 9, 11, 12, 15, 16, 18, 19]
    order = {"order": shelf, "home": slots[shelf], "leg": FETCH, "station": station, "queue": [shelf]}
    return order | {"cell": cell, "heading": heading} | more


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


def carrying(shelf: int, cell: int, heading: int, leg: int, **more: Any) -> dict[str, Any]:
    """One robot on BLOCKS under way with `shelf`."""
    cells = [8, 9, 11, 12, 15, 16, 18, 19]
    cells[shelf] = cell
    return fetching(shelf, cell, heading) | {"leg": leg, "carrying": shelf, "shelf_cell": cells} | more


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


@pytest.mark.parametrize("rule", ["random", "nearest", "matching"])
def test_a_bounded_cache_of_distances_changes_nothing(rule: str) -> None:
    world, out = make(ROWS, robots=3, request_queue=4, dispatch=rule, max_steps=100)
    tight, tight_out = make(ROWS, robots=3, request_queue=4, dispatch=rule, max_steps=100)
    few = make_distances(world.floor.blocked, world.floor.highway, targets=100, in_use=3, bound=1)
    assert not few.complete
    tight._dispatch = tight._dispatch._replace(distances=few)
    tight.set_state(world.state())
    generator = np.random.default_rng(5)
    for _ in range(300):
        actions = drive(world, out, generator)
        world.step(actions, out)
        tight.step(actions, tight_out)
        assert (out == tight_out).all()
    assert world.metrics()["deliveries"].sum() > 2


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


def two_carrying(world: Warehouse, leg: int = DELIVER) -> None:
    """Robot 0 at 24's left with shelf 6 (home 18); robot 1 stands, loaded with 4 (home 15), in robot 0's home."""
    put(
        world,
        cell=[22, 18],
        heading=[UP, DOWN],
        carrying=[6, 4],
        shelf_cell=[8, 9, 11, 12, 18, 16, 22, 19],
        leg=[leg, RETURN],
        order=[6, 4],
        home=[18, 15],
        station=[1, 0],
        queue=[6, 0] if leg == DELIVER else [1, 0],
    )


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


@pytest.fixture
def small_map(tmp_path: Path) -> str:
    path = tmp_path / "small.map"
    path.write_text(MAP)
    return str(path)


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


# What must always hold


def slow_way(world: Warehouse, family: int, target: int) -> list[int]:
    floor = world.floor
    graph = nx.grid_2d_graph(floor.height, floor.width)
    graph.remove_nodes_from([(int(r), int(c)) for r, c in zip(*np.nonzero(floor.blocked), strict=True)])
    graph = nx.relabel_nodes(graph, {(r, c): r * floor.width + c for r, c in graph})
    roads = graph if family == FREE else graph.subgraph([c for c in graph if floor.highway.flat[c] or c == target])
    lengths = dict(nx.single_source_shortest_path_length(roads, target))
    beside = {cell: [lengths[c] for c in graph[cell] if c in lengths] for cell in graph if cell not in lengths}
    lengths |= {cell: 1 + min(ways) for cell, ways in beside.items() if ways}
    return [lengths.get(cell, FAR) for cell in range(floor.cells)]


def routes(world: Warehouse) -> Iterator[tuple[int, int, int, int]]:
    """Copy, robot, family and target of every order."""
    s, lifts = world.state(), world.floor.shelves.size > 0
    for e, n in np.argwhere(s["leg"] != NO_LEG):
        leg = s["leg"][e, n]
        target = world.floor.goals[s["station"][e, n]] if leg == DELIVER else s["home"][e, n]
        yield int(e), int(n), LOADED if lifts and leg != FETCH else FREE, int(target)


def assert_all_holds(world: Warehouse) -> None:
    s, lifts = world.state(), world.floor.shelves.size > 0
    for e in range(s["cell"].shape[0]):
        cell, leg, order, load = (s[name][e] for name in ("cell", "leg", "order", "carrying"))
        ordered = order[order != NOTHING]
        assert len(set(ordered)) == len(ordered), "a request has two robots"
        assert ((leg == NO_LEG) == (order == NOTHING)).all()
        assert set(order[np.isin(leg, [FETCH, DELIVER])]) <= set(s["queue"][e])
        assert (leg[cell == NOTHING] == NO_LEG).all()
        if not lifts:
            assert (load == NOTHING).all()
            assert not (leg == RETURN).any()
            continue
        assert len(set(s["queue"][e])) == s["queue"].shape[1]
        assert not set(order[leg == RETURN]) & set(s["queue"][e])
        assert (load == np.where(leg >= DELIVER, order, NOTHING)).all()
        assert (s["shelf_cell"][e, load[leg >= DELIVER]] == cell[leg >= DELIVER]).all()
        fetch = leg == FETCH
        assert (s["shelf_cell"][e, order[fetch]] == s["home"][e, fetch]).all()
        standing = np.setdiff1d(np.arange(world.floor.shelves.size), load)
        slots = [*s["shelf_cell"][e, standing], *s["home"][e, leg >= DELIVER]]
        assert sorted(slots) == sorted(world.floor.shelves), "shelves and homes fill the slots, each one once"
    assert_fields_fit(world)


def assert_nobody_waits_in_vain(world: Warehouse) -> None:
    s = world.state()
    for e in range(s["cell"].shape[0]):
        assert set(s["queue"][e]) <= set(s["order"][e]) or (s["leg"][e, s["body"] == 0] != NO_LEG).all()


def assert_fields_fit(world: Warehouse) -> None:
    d = world._dispatch
    expected = np.full(d.field_of.shape, NOTHING)
    cells = d.distances.highway.size
    for e, n, family, target in routes(world):
        expected[e, n] = d.distances.field_of[family, target]
        assert d.distances.holds[expected[e, n]] == family * cells + target
    assert (d.field_of == expected).all()
    users = np.bincount(d.field_of[d.field_of >= 0], minlength=d.distances.users.size)
    assert (d.distances.users == users).all()


def drive(world: Warehouse, out: npt.NDArray[np.int8], generator: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Follow the way that the observation shows, and now and then do anything."""
    way = out[:, :, -WAY_SIZE:].astype(int)
    ahead, left, right, behind = (way[:, :, 7 + 4 * side] == 1 for side in range(4))
    toggle = (way[:, :, 3] == 1) & (way[:, :, 1] == 0)
    choices = [toggle, ahead, left, right, behind]
    actions = np.select(choices, [TOGGLE, FORWARD, TURN_LEFT, TURN_RIGHT, TURN_LEFT], NOOP)
    anything = generator.random(actions.shape) < 0.15
    return np.where(anything, generator.integers(0, 5, actions.shape), actions).astype(np.uint8)


def change_a_body(world: Warehouse, generator: np.random.Generator) -> None:
    bodies: tuple[Body, ...] = ("online", "stalled", "towed", "online")
    world.set_body(int(generator.integers(world.spec.robots)), bodies[generator.integers(4)])


def expected_dense(world: Warehouse, before: dict[str, Any], after: dict[str, Any]) -> npt.NDArray[np.float32]:
    """The dense reward by its definition, from slow distances, (N, E)."""
    paid = (after["deliveries"] - before["deliveries"]).astype(np.float32)
    for e, n, way in before["ways"]:
        if before["body"][n] == 0:
            paid[e, n] += np.float32(world.config.dense_scale) * (way[before["cell"][e, n]] - way[after["cell"][e, n]])
    return paid.T


GRID = {"layout": None, "shelf_columns": 5, "shelf_rows": 2, "column_height": 4, "stations": 6}
FLOORS = {
    "blocks": {"layout": BLOCKS, "robots": 5, "request_queue": 3, "dispatch": "matching"},
    "one by one": {"layout": ROWS, "robots": 6, "request_queue": 4, "dispatch": "random"},
    "grid": GRID | {"robots": 10},
    "crowd": GRID | {"robots": 25, "request_queue": 12, "dispatch": "nearest", "station": "nearest"},
    "map": {"layout": None, "robots": 4, "request_queue": 4, "dispatch": "nearest"},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOORS)
def test_long_runs_with_robots_coming_and_going(name: str, small_map: str) -> None:
    settings = FLOORS[name] | ({"map": small_map} if name == "map" else {})
    world, out = make(**settings, reward="dense", worlds=3, max_steps=150)
    generator, slow = np.random.default_rng(1), {}
    assert_all_holds(world)
    for turn in range(600):
        if turn % 10 == 0:
            change_a_body(world, generator)
            assert_all_holds(world)
            world.observe(out)
        before = world.state()
        ways = []
        for e, n, family, target in routes(world):
            if (family, target) not in slow:
                slow[family, target] = slow_way(world, family, target)
            ways.append((e, n, slow[family, target]))
        step = world.step(drive(world, out, generator), out)
        assert_all_holds(world)
        assert_nobody_waits_in_vain(world)
        running = ~step.truncated[0]
        expected = expected_dense(world, before | {"ways": ways}, world.state())
        np.testing.assert_allclose(step.rewards[:, running], expected[:, running], atol=1e-6)
        bound = np.concatenate([np.full(2, 127), np.ones(out.shape[2] - 2 - WAY_SIZE), world.spec.bound[-WAY_SIZE:]])
        assert (np.abs(out) <= bound).all()
    assert world.metrics()["deliveries"].sum() > 30
    for (family, target), way in slow.items():
        row = world._dispatch.distances.field_of[family, target]
        assert world._dispatch.distances.fields[row].tolist() == way


@pytest.mark.parametrize("rule", ["random", "nearest", "matching"])
def test_a_state_set_again_goes_on_the_same(rule: str) -> None:
    world, out = make(ROWS, robots=6, request_queue=4, dispatch=rule)
    other, other_out = make(ROWS, robots=6, request_queue=4, dispatch=rule)
    generator = np.random.default_rng(2)
    for _ in range(100):
        world.step(drive(world, out, generator), out)
    other.set_state(world.state())
    for _ in range(100):
        actions = drive(world, out, generator)
        assert world.step(actions, out).rewards.tolist() == other.step(actions, other_out).rewards.tolist()
        assert (out == other_out).all()
    assert world.metrics()["deliveries"].sum() > 0


# The way in the observation


def features(world: Warehouse, out: npt.NDArray[np.int8], robot: int = 0) -> list[int]:
    world.observe(out)
    return [int(number) for number in out[robot, 0, -WAY_SIZE:]]


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
