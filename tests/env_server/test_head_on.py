"""Who is charged where two loaded robots meet in a lane: small scenes, and whole episodes against a slow version."""

import numpy as np
import pytest
from pydantic import ValidationError

from actors.planner import make_planner
from env_server.warehouse.dispatch import SIGHT
from env_server.warehouse.state import DELIVER, DOWN, FETCH, LEFT, NOOP, NOTHING, ONLINE, RIGHT, TURN_LEFT, UP
from env_server.warehouse.world import Warehouse
from fleet.core.config.world import WorldConfig
from tests.env_server.dispatching import act, make, put

LANE = "...\nx.x\nx.x\nx.x\nx.x\n...\ng.g"
STEPS = {UP: (-1, 0), DOWN: (1, 0), LEFT: (0, -1), RIGHT: (0, 1)}
OPPOSITE = {UP: DOWN, DOWN: UP, LEFT: RIGHT, RIGHT: LEFT}


def met(*, carrying: tuple[int, int] = (0, 1), **more: object) -> tuple[Warehouse, np.ndarray]:
    """Robots 0 and 1 in the lane, one going down from above, the other up from below."""
    world, out = make(LANE, robots=2, window="turned", reward="individual", head_on=0.125)
    cells = [3, 5, 6, 8, 9, 11, 12, 14]
    places = [4, 10]
    for robot, shelf in enumerate(carrying):
        if shelf != NOTHING:
            cells[shelf] = places[robot]
    legs = [FETCH if shelf == NOTHING else DELIVER for shelf in carrying]
    put(
        world,
        **{
            "cell": places,
            "heading": [DOWN, UP],
            "leg": legs,
            "order": [0, 1],
            "home": [3, 5],
            "station": [0, 1],
            "carrying": list(carrying),
            "shelf_cell": cells,
            "age": [4, 9],
        }
        | more,
    )
    return world, out


def test_who_has_been_on_its_way_for_less_time_pays() -> None:
    world, out = met()
    assert act(world, out, NOOP, NOOP) == [-0.125, 0]
    world, out = met(age=[9, 4])
    assert act(world, out, NOOP, NOOP) == [0, -0.125]
    world, out = met(age=[9, 9])
    assert act(world, out, NOOP, NOOP) == [0, -0.125], "of equals the lower number goes first"


def test_who_turns_away_pays_no_more() -> None:
    world, out = met()
    assert act(world, out, TURN_LEFT, NOOP) == [0, 0]


def test_nobody_pays_who_can_get_past() -> None:
    for carrying in ((NOTHING, 1), (0, NOTHING)):
        world, out = met(carrying=carrying)
        assert act(world, out, NOOP, NOOP) == [0, 0], "one of them may go under the shelves"


def test_a_robot_off_duty_meets_nobody() -> None:
    world, out = met()
    world.set_body(1, "stalled")
    assert act(world, out, NOOP, NOOP) == [0, 0]


def test_a_way_out_between_them_is_a_way_out() -> None:
    ring = "....\n.xx.\n....\n.xx.\n....\ngggg"  # the left lane has a way out at cell 8
    arrays = {
        "heading": [DOWN, UP],
        "leg": [DELIVER] * 2,
        "order": [0, 1],
        "home": [5, 6],
        "station": [0, 1],
        "carrying": [0, 1],
        "age": [4, 9],
    }
    for cells, paid in (([4, 12], 0), ([4, 8], -0.125), ([8, 12], -0.125)):
        world, out = make(ring, robots=2, window="turned", reward="individual", head_on=0.125)
        put(world, cell=cells, shelf_cell=[*cells, 13, 14], **arrays)
        assert act(world, out, NOOP, NOOP) == [paid, 0], cells


def test_next_to_each_other_they_meet_anywhere_and_from_further_away_only_in_a_lane() -> None:
    yard = "......\n......\nx.xx.x\ng....g"
    arrays = {"heading": [RIGHT, LEFT], "leg": [DELIVER] * 2, "order": [0, 1], "home": [12, 14], "station": [0, 1]}
    arrays |= {"carrying": [0, 1], "age": [4, 9]}
    for cells, paid in (([1, 2], -0.125), ([1, 3], 0)):
        world, out = make(yard, robots=2, window="turned", reward="individual", head_on=0.125)
        put(world, cell=cells, shelf_cell=[*cells, 15, 17], **arrays)
        assert act(world, out, NOOP, NOOP) == [paid, 0], cells


def slow(world: Warehouse, state: dict[str, np.ndarray], e: int) -> list[bool]:
    """Who is to give way, by plain search."""
    highway, height, width = world.floor.highway, *world.floor.highway.shape
    robots = {divmod(int(cell), width): n for n, cell in enumerate(state["cell"][e])}
    pays = []
    for n, cell in enumerate(state["cell"][e]):
        at, heading = divmod(int(cell), width), int(state["heading"][e, n])
        step, found = STEPS[heading], None
        for _ in range(SIGHT):
            at = (at[0] + step[0], at[1] + step[1])
            if not (0 <= at[0] < height and 0 <= at[1] < width) or not highway[at]:
                break
            if at in robots:
                found = robots[at]
                break
            aside = [(at[0] + s * step[1], at[1] + s * step[0]) for s in (1, -1)]
            if any(0 <= r < height and 0 <= c < width and highway[r, c] for r, c in aside):
                break
        both = found is not None and state["carrying"][e, [n, found]].min() >= 0
        if found is None or not both or state["heading"][e, found] != OPPOSITE[heading]:
            pays.append(False)
            continue
        mine, theirs = state["age"][e, n], state["age"][e, found]
        pays.append(bool(theirs > mine or (theirs == mine and found < n)) and state["body"][n] == ONLINE)
    return pays


@pytest.mark.parametrize("seed", range(3))
def test_rewards_differ_by_what_a_slow_version_says(seed: int) -> None:
    """Crowded, and driven badly enough to meet: the same steps with and without the charge."""
    settings = {
        **{"shelf_columns": 3, "shelf_rows": 2, "column_height": 5, "stations": 4, "robots": 14, "worlds": 4},
        **{"dispatch": "nearest", "window": "turned", "reward": "dense", "against": 1, "way": "time"},
    }
    charged = Warehouse(WorldConfig(**settings, head_on=0.25))
    free = Warehouse(WorldConfig(**settings))
    spec, rng = free.spec, np.random.default_rng(seed)
    outs = [np.zeros((spec.robots, spec.worlds, spec.observation_size), spec.observation_dtype) for _ in range(2)]
    charged.reset(seed, outs[0])
    free.reset(seed, outs[1])
    planner = make_planner("greedy", free.floor_view(), spec.robots, spec.worlds)  # so that they load and drive on
    times = 0
    for _ in range(150):
        actions = planner.act(free.traffic_view())
        actions = np.where(rng.random(actions.shape) < 0.3, rng.integers(5, size=actions.shape), actions)
        actions = actions.astype(np.uint8)
        paid, wanted = charged.step(actions, outs[0]), free.step(actions, outs[1])
        state = free.state()
        pays = np.array([slow(free, state, e) for e in range(spec.worlds)]).T
        running = ~(wanted.terminated | wanted.truncated)
        assert np.allclose((wanted.rewards - paid.rewards)[running], 0.25 * pays[running], atol=1e-6)
        times += int(pays.sum())
    assert times > 20, "or this shows nothing"


def test_it_needs_the_window_that_shows_who_gives_way() -> None:
    for floor in ({"map": "rware-tiny-2ag"}, {"map": "some.map", "window": "turned"}):
        with pytest.raises(ValidationError, match=r'head_on = 0.1 .* window = "turned".* and a floor with shelves'):
            WorldConfig(**floor, dispatch="nearest", head_on=0.1)
    with pytest.raises(ValidationError, match="head_on"):
        WorldConfig(kind="traffic", head_on=0.1)
