"""The way to the target in time, quarter turns counted (`way = "time"`): fields against a plain search, and what shows.

Cells of the small floors are numbered as in dispatching.py.
"""

from typing import Any

import networkx as nx
import numpy as np
import pytest
from pydantic import ValidationError

from actors.view import FloorView
from actors.ways import neighbours_of, wrong_way
from env_server.protocol import Body
from env_server.warehouse.dispatch import LONGEST_DETOUR
from env_server.warehouse.distance import FAR, FREE, LOADED, make_distances
from env_server.warehouse.features import PER_SIDE, SIDES, SIDES_AT, WAY_SIZE
from env_server.warehouse.kept import field
from env_server.warehouse.setup import estimate_bytes
from env_server.warehouse.state import DELIVER, DOWN, FORWARD, LEFT, NOOP, RIGHT, TURN_LEFT, TURN_RIGHT, UP
from env_server.warehouse.world import Warehouse
from fleet.core.config.world import WorldConfig
from tests.env_server.dispatching import BLOCKS, ROWS, act, carrying, drive, make, put, routes
from tests.env_server.test_distance import Mask, random_floor

BESIDE = {UP: (LEFT, RIGHT), DOWN: (LEFT, RIGHT), LEFT: (UP, DOWN), RIGHT: (UP, DOWN)}
TURNING = nx.Graph([(heading, other) for heading, both in BESIDE.items() for other in both])


def slow_times(blocked: Mask, highway: Mask, family: int, target: int, against: int = 0) -> list[int]:
    """The definition, by cell and heading: a search over poses, whose edges are quarter turns and steps ahead.

    Loaded: along highways to the target; then layer by layer from the cells beside those reached before, each by a side
    that leads to one of these.
    """
    neighbours = neighbours_of(blocked)
    wrong = wrong_way(FloorView(blocked, highway), neighbours) & (family == LOADED)
    roads = {c for c in range(blocked.size) if family == FREE or highway.flat[c] or c == target}
    poses: nx.DiGraph = nx.DiGraph()
    for cell, heading in np.ndindex(blocked.size, 4):
        if not blocked.flat[cell]:
            poses.add_weighted_edges_from(((cell, heading), (cell, other), 1) for other in BESIDE[heading])
            if (there := int(neighbours[cell, heading])) >= 0:
                poses.add_edge((cell, heading), (there, heading), weight=1 + against * int(wrong[cell, heading]))
    on_roads = nx.DiGraph(poses.subgraph([pose for pose in poses if pose[0] in roads]).reverse())
    on_roads.add_weighted_edges_from(("end", (target, heading), 0) for heading in range(4))
    times = dict(nx.single_source_dijkstra_path_length(on_roads, "end"))
    while True:
        layer = {}
        for cell, heading in poses:
            ways = [(side, times.get((int(neighbours[cell, side]), side))) for side in range(4)]
            turns = {side: nx.shortest_path_length(TURNING, heading, side) for side in range(4)}
            found = [turns[side] + 1 + way for side, way in ways if way is not None]
            if (cell, heading) not in times and found:
                layer[cell, heading] = min(found)
        if not layer:
            return [times.get((cell, heading), FAR) for cell, heading in np.ndindex(blocked.size, 4)]
        times |= layer


@pytest.mark.parametrize("family", [FREE, LOADED])
def test_fields_equal_a_plain_search_over_cells_and_headings(family: int) -> None:
    longer = 0
    for seed in range(15):
        blocked, highway = random_floor(seed)
        cells, against = blocked.size, seed % 3
        d = make_distances(blocked, highway, targets=2 * cells, in_use=0, against=against, timed=True)
        steps = make_distances(blocked, highway, targets=2 * cells, in_use=0, against=against)
        for target in np.flatnonzero(~blocked)[::5].tolist():
            times = d.fields[field(d, family, target)]
            assert times.tolist() == slow_times(blocked, highway, family, target, against)
            least = times.reshape(cells, 4).min(axis=1)
            assert (least >= steps.fields[field(steps, family, target)]).all()
            longer += int((least > steps.fields[field(steps, family, target)]).sum())
    assert longer > 0


def shown(world: Warehouse, out: np.ndarray, robot: int = 0) -> tuple[int, list[int], list[int]]:
    """What is left, the sides' `way`, and the sides' detours."""
    world.observe(out)
    row = [int(number) for number in out[robot, 0, -(WAY_SIZE + 4) :]]
    return row[4], [row[SIDES_AT + PER_SIDE * k] for k in range(4)], row[WAY_SIZE:]


def test_a_robot_sees_the_soonest_side_and_what_the_others_cost() -> None:
    world, out = make("......\n......\ng...xx", way="time")
    order = {"order": 1, "home": 17, "leg": 1, "station": 0, "queue": [1], "shelf_cell": [16, 17]}
    put(world, **order, cell=6, heading=RIGHT)
    left, way, detours = shown(world, out)
    assert left == 5 + 1 + 1, "five ahead, a quarter turn, one down"
    assert way == [1, -1, -1, 0], "behind is the wall"
    assert detours[0] == 0
    assert detours[2] == (1 + 1 + 1 + 5) - 7, "down first: a turn more"
    assert detours[1] == (1 + 1 + 1 + 5 + 1 + 2) - 7, "up first: two steps and two turns more"
    assert detours[3] == LONGEST_DETOUR, "no way"
    put(world, heading=DOWN)
    left, way, detours = shown(world, out)
    assert left == 1 + 1 + 5
    assert way == [1, -1, 0, -1]
    assert detours[1] == 1 + 5 + 1 + 1 - 7, "left is right: the turn, and another one later"


def test_turning_is_paid_as_driving_is() -> None:
    world, out = make("......\n......\ng...xx", way="time", reward="dense", dense_scale=0.1)
    order = {"order": 1, "home": 17, "leg": 1, "station": 0, "queue": [1], "shelf_cell": [16, 17]}
    put(world, **order, cell=7, heading=UP)
    world.observe(out)
    gains = [round(act(world, out, action)[0] / 0.1) for action in (TURN_RIGHT, FORWARD, NOOP, TURN_LEFT, TURN_LEFT)]
    assert gains == [1, 1, 0, -1, 0], "facing back, down is as near as right"


def test_others_see_where_a_robot_is_going_by_its_soonest_side() -> None:
    world, out = make("......\n......\ng..x.x", way="time", robots=2, request_queue=1)
    put(world, cell=[6, 9], heading=[RIGHT, LEFT], leg=[0, 1], order=[-1, 1], home=[-1, 17], station=[-1, 0], queue=[1])
    world.observe(out)
    intents = out[0, 0, -(WAY_SIZE + 4) + SIDES_AT + 2]
    assert intents == -1, "it leaves the other way"
    put(world, leg=[0, 2], carrying=[-1, 1], shelf_cell=[15, 9])
    world.observe(out)
    assert out[0, 0, -(WAY_SIZE + 4) + SIDES_AT + 2] == 1, "straight on, and only then down"


POCKET = "..........\n.xxx......\n.x.x......\n.x.x......\n.xxx......\n..g......."
FLOORS = {
    "rows": {"layout": ROWS, "robots": 5, "dispatch": "nearest", "against": 1},
    "blocks": {"layout": BLOCKS, "robots": 4, "dispatch": "matching"},
    "pocket": {"layout": POCKET, "robots": 6, "dispatch": "random"},
    "map": {"layout": None, "robots": 4, "dispatch": "nearest"},
}


@pytest.mark.parametrize("name", FLOORS)
def test_everything_shown_and_paid_is_as_by_the_slow_search(name: str, small_map: str) -> None:
    settings = FLOORS[name] | ({"map": small_map} if name == "map" else {})
    world, out = make(**settings, request_queue=4, way="time", reward="dense", max_steps=90)
    floor, generator, slow = world.floor, np.random.default_rng(3), dict[tuple[int, int], np.ndarray]()
    against = world.config.against
    for turn in range(250):
        if turn % 9 == 0:
            bodies: tuple[Body, ...] = ("online", "stalled", "towed", "online")
            world.set_body(int(generator.integers(world.spec.robots)), bodies[generator.integers(4)])
            world.observe(out)
        assert (np.abs(out[:, :, 2:].astype(int)) <= world.spec.bound[2:]).all()
        before = world.state()
        ways = {}
        for e, n, family, target in routes(world):
            if (family, target) not in slow:
                times = slow_times(floor.blocked, floor.highway, family, target, against)
                slow[family, target] = np.array(times).reshape(-1, 4)
            if before["body"][n] == 0:
                ways[n] = slow[family, target]
                _assert_shown(world, out[n, e], n, ways[n])
        step = world.step(drive(world, out[:, :, :-4], generator), out)
        after = world.state()
        expected = (after["deliveries"] - before["deliveries"])[0].astype(float)
        for n, way in ways.items():
            poses = [(int(s["cell"][0, n]), int(s["heading"][0, n])) for s in (before, after)]
            expected[n] += world.config.dense_scale * (way[poses[0]] - way[poses[1]])
        if not step.truncated[0, 0]:
            np.testing.assert_allclose(step.rewards[:, 0], expected, atol=1e-6)
    assert world.metrics()["deliveries"].sum() > 0


def _assert_shown(world: Warehouse, row: np.ndarray, n: int, way: np.ndarray) -> None:
    s, d = world.state(), world._dispatch.distances
    cell, heading = int(s["cell"][0, n]), int(s["heading"][0, n])
    number = [int(value) for value in row[-(WAY_SIZE + 4) :]]
    assert number[4] == min(way[cell, heading], world.floor.height + world.floor.width)
    for k, side in enumerate(SIDES[heading].tolist()):
        there = int(d.neighbours[cell, side])
        detour = LONGEST_DETOUR
        if there >= 0:
            turns, laden = {0: 0, 1: 1, 2: 1, 3: 2}[k], s["leg"][0, n] >= DELIVER and world.floor.shelves.size > 0
            lane = int(d.costs[cell, side]) if laden else 1
            detour = min(turns + lane + int(way[there, side]) - int(way[cell, heading]), LONGEST_DETOUR)
            beside = (
                world.floor.shelves.size > 0
                and not world.floor.highway.flat[there]
                and there != world._dispatch.target[0, n]
            )
            if detour != 0 and laden and beside:
                detour = LONGEST_DETOUR
        detour = max(0, detour)
        assert number[WAY_SIZE + k] == detour
        assert number[SIDES_AT + PER_SIDE * k] in (0, 1 if detour == 0 else -1)


def test_a_state_set_again_goes_on_the_same() -> None:
    world, out = make(ROWS, robots=6, request_queue=4, way="time")
    other, other_out = make(ROWS, robots=6, request_queue=4, way="time")
    generator = np.random.default_rng(2)
    for _ in range(60):
        world.step(drive(world, out[:, :, :-4], generator), out)
    other.set_state(world.state())
    for _ in range(60):
        actions = drive(world, out[:, :, :-4], generator)
        assert world.step(actions, out).rewards.tolist() == other.step(actions, other_out).rewards.tolist()
        assert (out == other_out).all()


@pytest.mark.parametrize("rule", ["random", "nearest"])
def test_a_bounded_cache_of_times_changes_nothing(rule: str) -> None:
    world, out = make(ROWS, robots=3, request_queue=4, dispatch=rule, max_steps=100, way="time")
    tight, tight_out = make(ROWS, robots=3, request_queue=4, dispatch=rule, max_steps=100, way="time")
    few = make_distances(world.floor.blocked, world.floor.highway, targets=100, in_use=3, bound=1, timed=True)
    assert not few.complete
    tight._dispatch = tight._dispatch._replace(distances=few)
    tight.set_state(world.state())
    generator = np.random.default_rng(5)
    for _ in range(300):
        actions = drive(world, out[:, :, :-4], generator)
        world.step(actions, out)
        tight.step(actions, tight_out)
        assert (out == tight_out).all()
    assert world.metrics()["deliveries"].sum() > 0


def test_a_way_out_of_a_pocket_is_the_shortest_that_any_cell_of_it_knows() -> None:
    world, out = make(POCKET, robots=1, request_queue=1, way="time")
    slots = [11, 12, 13, 21, 23, 31, 33, 41, 42, 43]
    cells = [22, *slots[1:]]
    order = {"order": 0, "home": 11, "leg": DELIVER, "station": 0, "queue": [0], "carrying": 0, "shelf_cell": cells}
    put(world, **order, cell=22, heading=DOWN)
    _, way, detours = shown(world, out)
    assert (way[0], detours[0]) == (1, 0), "down, though the field of this cell alone leads out by its own slot"
    assert min(detours) == 0
    assert max(detours) <= LONGEST_DETOUR


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"map": "rware-tiny-4ag", "way": "time"}, "so it needs `dispatch`"),
        ({"map": "rware-tiny-4ag", "against": 2}, "against = 2 is for loaded robots"),
        ({"map": "floor.map", "dispatch": "random", "against": 2}, "a floor with shelves"),
    ],
)
def test_what_it_cannot_go_with_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        WorldConfig(**settings)


def test_loaded_and_offline_robots_are_shown_too() -> None:
    world, out = make(way="time")
    put(world, **carrying(6, cell=25, heading=LEFT, leg=DELIVER))
    assert shown(world, out)[0] == 1
    world.set_body(0, "stalled")
    world.observe(out)
    assert not out.any()
    world.set_body(0, "online")
    put(world, **carrying(6, cell=21, heading=RIGHT, leg=DELIVER))
    assert shown(world, out)[2] != [0, 0, 0, 0]


def test_fields_of_times_are_counted_as_four() -> None:
    def kept(way: str) -> int:
        table = {"layout": ROWS, "robots": 2, "worlds": 1, "dispatch": "random", "request_queue": 2, "way": way}
        return estimate_bytes(WorldConfig(**table))

    cells, targets = 45, 2 * 10 + 2
    assert kept("time") - kept("steps") == 3 * 2 * cells * targets + 2 * 2 * 4, "and four numbers more to see"
