"""Long runs under dispatch with robots coming and going: what must always hold, and that a state goes on the same."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from env_server.protocol import Body
from env_server.warehouse.distance import make_distances
from env_server.warehouse.features import WAY_SIZE
from env_server.warehouse.state import NO_LEG
from env_server.warehouse.world import Warehouse
from tests.env_server.dispatching import BLOCKS, ROWS, assert_all_holds, drive, make, routes, slow_way

GRID = {"layout": None, "shelf_columns": 5, "shelf_rows": 2, "column_height": 4, "stations": 6}
FLOORS = {
    "blocks": {"layout": BLOCKS, "robots": 5, "request_queue": 3, "dispatch": "matching"},
    "one by one": {"layout": ROWS, "robots": 6, "request_queue": 4, "dispatch": "random"},
    "grid": GRID | {"robots": 10},
    "crowd": GRID | {"robots": 25, "request_queue": 12, "dispatch": "nearest", "station": "nearest"},
    "map": {"layout": None, "robots": 4, "request_queue": 4, "dispatch": "nearest"},
}


def assert_nobody_waits_in_vain(world: Warehouse) -> None:
    s = world.state()
    for e in range(s["cell"].shape[0]):
        assert set(s["queue"][e]) <= set(s["order"][e]) or (s["leg"][e, s["body"] == 0] != NO_LEG).all()


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


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert {name: array.tolist() for name, array in one.items()} == {n: array.tolist() for n, array in other.items()}


@pytest.mark.parametrize("rule", ["random", "nearest", "matching"])
def test_a_state_set_again_goes_on_the_same(rule: str) -> None:
    world, out = make(ROWS, robots=6, request_queue=4, dispatch=rule)
    other, other_out = make(ROWS, robots=6, request_queue=4, dispatch=rule)
    generator = np.random.default_rng(2)
    for _ in range(100):
        world.step(drive(world, out, generator), out)
    state = world.state()
    assert state["still"].max() > 0
    assert state["waited"].max() > 0
    other.set_state(state)
    assert_same(state, other.state())
    for _ in range(100):
        actions = drive(world, out, generator)
        assert world.step(actions, out).rewards.tolist() == other.step(actions, other_out).rewards.tolist()
        assert (out == other_out).all()
        assert_same(world.state(), other.state())
    assert world.metrics()["deliveries"].sum() > 0


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
