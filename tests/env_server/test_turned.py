"""What a robot sees around itself with `window = "turned"`: small scenes, and all of it against a slow version."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from env_server.warehouse.dispatch import EXIT, SIGHT
from env_server.warehouse.state import DELIVER, DOWN, FETCH, LEFT, NO_LEG, NOOP, NOTHING, RIGHT, TOGGLE, UP
from env_server.warehouse.turned import CORNERS_AT, PER_CORNER, PER_SIDE, TURNED_SIZE, turned_bounds
from env_server.warehouse.world import Warehouse
from fleet.core.config.world import WorldConfig
from tests.env_server.dispatching import act, carrying, drive, fetching, make, of, put, slow_way

STEPS = {UP: (-1, 0), DOWN: (1, 0), LEFT: (0, -1), RIGHT: (0, 1)}
LEFT_OF = {UP: LEFT, LEFT: DOWN, DOWN: RIGHT, RIGHT: UP}
BACK = {UP: DOWN, DOWN: UP, LEFT: RIGHT, RIGHT: LEFT}


def turned(layout: str | None = None, **settings: Any) -> tuple[Warehouse, np.ndarray]:
    return make(*([layout] if layout else []), window="turned", **settings)


def around(world: Warehouse, out: np.ndarray, robot: int = 0) -> list[int]:
    world.observe(out)
    return [int(number) for number in out[robot, 0, :TURNED_SIZE]]


def side(seen: list[int], k: int) -> list[int]:
    return seen[1 + PER_SIDE * k :][:PER_SIDE]


def corner(seen: list[int], k: int) -> list[int]:
    return seen[CORNERS_AT + PER_CORNER * k :][:PER_CORNER]


@pytest.mark.parametrize(("heading", "shelters"), [(UP, [1, 1, 1, 0]), (RIGHT, [1, 1, 0, 1]), (DOWN, [0, 1, 1, 1])])
def test_shelters_turn_with_the_robot(heading: int, shelters: list[int]) -> None:
    world, out = turned(".x.\nx.x\n...\ng..")
    put(world, cell=4, heading=heading, leg=FETCH, order=0, home=1, station=0, queue=[0])
    seen = around(world, out)
    assert seen[0] == 1
    assert [side(seen, k)[0] for k in range(4)] == shelters
    put(world, cell=1)
    assert around(world, out)[0] == 0, "under a shelf"


def test_robots_that_meet_agree_who_is_senior() -> None:
    world, out = turned("g........\n.x.x.x.x.", robots=2)
    orders = {"leg": [FETCH, FETCH], "order": [3, 2], "home": [16, 14], "station": [0, 0], "queue": [3, 2]}
    put(world, cell=[2, 5], heading=[RIGHT, LEFT], age=[4, 9], **orders)
    assert side(around(world, out), 0)[1:3] == [1, 1], "it faces this one, and is longer on its way"
    assert side(around(world, out, robot=1), 0)[1:3] == [1, -1]
    put(world, heading=[RIGHT, RIGHT], age=[9, 9])
    assert side(around(world, out), 0)[1:3] == [-1, -1], "it drives on, and of equals the lower number goes first"
    assert side(around(world, out, robot=1), 3)[1:3] == [1, 1]
    put(world, cell=[2, 2 + SIGHT - 2])
    assert side(around(world, out), 0)[1:3] == [-1, -1], "as far as the floor goes"


def test_two_that_meet_in_a_lane_know_how_far_each_would_have_to_drive_back() -> None:
    world, out = turned("...\nx.x\nx.x\nx.x\nx.x\n...\ng.g", robots=3)
    orders = {"leg": [FETCH] * 3, "order": [0, 1, 2], "home": [3, 5, 6], "station": [0] * 3, "queue": [0, 1, 2]}
    put(world, cell=[4, 10, 13], heading=[DOWN, UP, UP], **orders)
    seen = around(world, out)
    assert [side(seen, k)[4] for k in (0, 3)] == [4, 1], "the road below, and the one behind"
    assert side(seen, 0)[3] == 1, "and the other one can't drive back, as a third is behind it"
    assert [side(around(world, out, robot=1), k)[4] for k in (0, 3)] == [3, 2]
    assert side(around(world, out, robot=1), 0)[3] == 0
    assert [side(seen, k)[4] for k in (1, 2)] == [0, 0], "no way out under shelves"


def test_a_loaded_robot_sees_nobody_behind_a_shelf() -> None:
    world, out = turned("x.x..\n....g", robots=2, request_queue=1)
    nobody = {"leg": [DELIVER, NO_LEG], "order": [0, NOTHING], "home": [0, NOTHING], "station": [0, NOTHING]}
    put(world, cell=[1, 3], heading=[RIGHT, LEFT], carrying=[0, NOTHING], shelf_cell=[1, 2], queue=[0], **nobody)
    assert side(around(world, out), 0)[:3] == [1, 0, 0]
    put(world, cell=[1, 2])
    assert side(around(world, out), 0)[:3] == [1, 1, -1], "but who is under the shelf ahead is seen"


def test_age_counts_the_steps_of_a_leg() -> None:
    world, out = turned()
    put(world, **fetching(shelf=6, cell=18, heading=UP))
    act(world, out, NOOP)
    act(world, out, NOOP)
    assert of(world, "age") == [2]
    act(world, out, TOGGLE)
    assert (of(world, "leg"), of(world, "age")) == ([DELIVER], [0])
    put(world, **carrying(6, cell=25, heading=LEFT, leg=DELIVER), age=[7])
    act(world, out, NOOP)
    assert of(world, "age") == [8]


def slow_around(world: Warehouse, e: int, n: int, ways: dict[tuple[int, int], list[int]]) -> list[int]:
    """The definition, robot `n` of copy `e`, from the state alone."""
    s, floor = {name: array[e].tolist() for name, array in world.state().items() if array.ndim > 1}, world.floor
    row, column = divmod(s["cell"][n], floor.width)
    ahead = s["heading"][n]
    left = LEFT_OF[ahead]
    sides = [ahead, left, BACK[left], BACK[ahead]]
    standing = {cell for shelf, cell in enumerate(s["shelf_cell"]) if shelf not in s["carrying"]}

    def inside(r: int, c: int) -> bool:
        return 0 <= r < floor.height and 0 <= c < floor.width

    def who(r: int, c: int) -> int | None:
        cell = r * floor.width + c
        return s["cell"].index(cell) if inside(r, c) and cell in s["cell"] else None

    def senior(other: int) -> int:
        return 1 if (-s["age"][other], other) < (-s["age"][n], n) else -1

    def nearer(other: int, way: int) -> int:
        """Whether the cell beside `other` on that side is nearer to its target."""
        if s["leg"][other] == NO_LEG:
            return 0
        target = floor.goals[s["station"][other]] if s["leg"][other] == DELIVER else s["home"][other]
        key = (int(s["leg"][other] != FETCH), int(target))
        field = ways.setdefault(key, slow_way(world, *key))
        r, c = divmod(s["cell"][other], floor.width)
        r2, c2 = r + STEPS[way][0], c + STEPS[way][1]
        return int(inside(r2, c2) and field[r2 * floor.width + c2] < field[r * floor.width + c])

    def way_out(way: int) -> int:
        for steps in range(1, EXIT + 1):
            r, c = row + steps * STEPS[way][0], column + steps * STEPS[way][1]
            if not road(r, c):
                return 0
            if any(road(r + STEPS[aside][0], c + STEPS[aside][1]) for aside in (LEFT_OF[way], BACK[LEFT_OF[way]])):
                return steps
        return 0

    def road(r: int, c: int) -> bool:
        return inside(r, c) and bool(floor.highway[r, c])

    seen = [int(floor.highway[row, column])]
    for way in sides:
        r, c = row + STEPS[way][0], column + STEPS[way][1]
        numbers = [int(inside(r, c) and not floor.highway[r, c]), 0, 0, 0, way_out(way)]
        for steps in range(1, SIGHT + 1):
            other = who(r, c)
            if other is not None:
                heading = s["heading"][other]
                backed = steps < SIGHT and who(r + STEPS[way][0], c + STEPS[way][1]) is not None
                numbers[1:4] = [int(heading == BACK[way]) - int(heading == way), senior(other), int(backed)]
            if other is not None or (s["carrying"][n] != NOTHING and r * floor.width + c in standing):
                break
            r, c = r + STEPS[way][0], c + STEPS[way][1]
        seen += numbers
    for along in (ahead, BACK[ahead]):
        for across in (left, BACK[left]):
            other = who(row + STEPS[along][0] + STEPS[across][0], column + STEPS[along][1] + STEPS[across][1])
            if other is None:
                seen += [0] * PER_CORNER
                continue
            heading = s["heading"][other]
            seen += [1, int(heading == BACK[across]) - int(heading == BACK[along])]
            seen += [nearer(other, BACK[across]), nearer(other, BACK[along])]
            seen += [int(s["carrying"][other] != NOTHING), senior(other)]
    return seen


def test_all_of_it_is_as_seen_cell_by_cell() -> None:
    layout = "......g.....\n.xx..x..x...\n.xx.....x...\n............\nx..........."
    world, out = turned(layout, robots=9, worlds=2, request_queue=5, max_steps=60)
    generator, ways = np.random.default_rng(4), {}
    total, most = np.zeros(TURNED_SIZE, int), turned_bounds()
    for _ in range(120):
        world.step(drive(world, out, generator), out)
        for e, n in np.ndindex(2, 9):
            assert out[n, e, :TURNED_SIZE].tolist() == slow_around(world, e, n, ways)
            total += out[n, e, :TURNED_SIZE] != 0
            assert (np.abs(out[n, e, :TURNED_SIZE]) <= most).all()
    assert total.min() > 0, "every number has been seen"


def test_who_is_offline_sees_nothing_and_is_seen() -> None:
    world, out = turned("g........\n.x.x.x.x.", robots=2)
    put(world, cell=[2, 3], heading=[RIGHT, LEFT])
    world.set_body(1, "stalled")
    assert side(around(world, out), 0)[1] == 1
    assert not any(around(world, out, robot=1))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "so it needs `dispatch`"),
        ({"dispatch": "random", "sensor_range": 2}, 'sensor_range = 2 with window = "turned"; allowed is only 1'),
    ],
)
def test_what_it_cannot_go_with_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        WorldConfig(map="rware-tiny-4ag", window="turned", **settings)
