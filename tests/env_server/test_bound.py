"""The bound against what lone robots really do, and against a graph search on floors that are drawn."""

from dataclasses import replace
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from actors.free_flow import Journeys, free_flow, make_spread
from actors.greedy import Greedy
from actors.pibt import Pibt
from actors.planner import make_planner
from actors.view import NOTHING, FloorView, TrafficView
from actors.ways import neighbours_of
from env_server.bound import Bound
from env_server.evaluate import evaluate_planner
from env_server.protocol import Body
from env_server.warehouse.world import Warehouse
from fleet.core.config.load import load_config
from fleet.core.config.world import WorldConfig

DEMO = load_config("demo").world
ALONE = {"robots": 1, "worlds": 3, "stagger": False, "max_steps": 2000, "request_queue": 4}
SMALL_MAP = str(Path(__file__).resolve().parents[2] / "configs" / "maps" / "small.map")


def recorded(config: WorldConfig, planner: type[Greedy] | type[Pibt]) -> tuple[Bound, list[list[int]], np.ndarray]:
    """The bound, each leg's real length in the order in which they end, by copy, and deliveries (E,)."""
    world = Warehouse(config)
    spec = world.spec
    obs = np.zeros((spec.robots, spec.worlds, spec.observation_size), spec.observation_dtype)
    world.reset(3, obs)
    plans = planner(world.floor_view(), spec.robots, spec.worlds, against=0)
    bound = Bound(world.floor_view(), spec.robots, spec.worlds)
    lengths: list[list[int]] = [[0] for _ in range(spec.worlds)]
    for _ in range(config.max_steps - 1):  # the last one would start the next episode
        before = world.state()["leg"][:, 0]
        bound.look(world.traffic_view())
        world.step(plans.act(world.traffic_view()), obs)
        for e, (old, new) in enumerate(zip(before, world.state()["leg"][:, 0], strict=True)):
            lengths[e][-1] += 1
            if old != new:
                lengths[e].append(0)
    return bound, lengths, world.metrics()["deliveries_by_copy"].sum(axis=0)


@pytest.mark.slow
@pytest.mark.parametrize("planner", [Greedy, Pibt])
@pytest.mark.parametrize(
    "floor",
    [
        DEMO.model_copy(update=ALONE),
        WorldConfig(map="rware-tiny-2ag", dispatch="random", **ALONE),
        WorldConfig(map=SMALL_MAP, dispatch="random", **ALONE),
    ],
)
def test_a_robot_alone_delivers_the_bound(floor, planner):
    """Broken by legs measured without the toggle, from the heading of a step later, and without turns."""
    bound, lengths, delivered = recorded(floor, planner)
    most = bound.deliveries()
    steps, kinds = floor.max_steps - 1, 2 if str(floor.map).endswith(".map") else 3
    for e, durations in enumerate(lengths):
        per_order = sum(np.mean(durations[kind:-1:kinds]) for kind in range(kinds))  # the last one is cut off
        begun = np.mean([len(durations[kind::kinds]) for kind in range(kinds)])
        assert most[e] == pytest.approx(1000 / per_order, rel=1.5 / begun)
        assert abs(delivered[e] - most[e] * steps / 1000) <= 1
        free_flow_total = int(bound._steps[e].sum())
        assert sum(durations[:-1]) < free_flow_total  # with the last leg whole
        assert steps <= free_flow_total < steps + max(durations) + 60


def test_each_leg_of_a_robot_alone_takes_exactly_its_measured_steps():
    world = Warehouse(DEMO.model_copy(update={**ALONE, "worlds": 1}))
    spec = world.spec
    obs = np.zeros((1, 1, spec.observation_size), spec.observation_dtype)
    world.reset(5, obs)
    planner = Greedy(world.floor_view(), 1, 1, against=0)
    bound = Bound(world.floor_view(), 1, 1)
    ends, legs = 0, 0
    for step in range(1500):
        bound.look(world.traffic_view())
        if bound._legs.sum() > legs:
            assert step == ends, f"leg {legs} ended after {step} steps, not {ends}"
            legs, ends = int(bound._legs.sum()), int(bound._steps.sum())
        world.step(planner.act(world.traffic_view()), obs)
    assert legs > 50


@pytest.mark.parametrize("planner", ["greedy", "pibt"])
def test_no_fleet_passes_the_bound_by_more_than_the_order_it_began(planner):
    config = DEMO.model_copy(update={"max_steps": 400})
    played = evaluate_planner(config, planner, 1, episodes=6, bounded=True)
    assert played.bound is not None
    assert played.bound.shape == (6,)
    assert (played.deliveries <= played.bound + 1000 / 400).all()
    assert (played.deliveries > 0.5 * played.bound).all()
    assert evaluate_planner(config, planner, 1, episodes=2).bound is None


def test_robots_offline_deliver_nothing_and_bound_nothing():
    config = DEMO.model_copy(update={"max_steps": 200})
    all_on = evaluate_planner(config, "pibt", 1, episodes=2, bounded=True).bound
    stalled: dict[int, Body] = dict.fromkeys(range(4), "stalled")
    half = evaluate_planner(config, "pibt", 1, episodes=2, bounded=True, offline=stalled).bound
    assert np.allclose(half / all_on, 0.5, atol=0.1)


def test_what_no_copy_has_seen_costs_nothing_and_what_one_has_not_costs_the_mean():
    floor = FloorView(np.zeros((1, 5), np.bool_), np.ones((1, 5), np.bool_))
    off = np.zeros((2, 1), np.bool_)
    first = TrafficView(
        cell=np.zeros((2, 1), np.int32),
        heading=np.full((2, 1), 3, np.uint8),
        loaded=off,
        target=np.array([[3], [NOTHING]], np.int32),
        lifts=off,
        delivers=off,
        online=np.ones(1, np.bool_),
        standing=np.full((2, 5), NOTHING, np.int32),
    )
    bound = Bound(floor, 1, 2)
    assert (bound.deliveries() == 0).all()
    bound.look(first)
    assert bound.deliveries().tolist() == [1000 / 3, 1000 / 3]
    bound.look(first)  # the same leg goes on
    there = replace(first, cell=np.array([[3], [3]], np.int32), target=np.array([[3], [4]], np.int32), delivers=~off)
    bound.look(there)
    assert bound.deliveries().tolist() == [1000 / 4, 1000 / 4]  # a step even where it stands, as every leg takes one


@pytest.mark.parametrize("loaded", [False, True])
def test_free_flow_is_the_shortest_path_in_a_graph_of_cells_and_headings(loaded):
    """Broken by turns that cost nothing, and by a loaded robot that passes through shelves."""
    draw = np.random.default_rng(7)
    for _ in range(30):
        shape = tuple(draw.integers(3, 8, 2))
        blocked, highway = draw.random(shape) < 0.2, draw.random(shape) < 0.7
        neighbours = neighbours_of(blocked)
        cells = np.flatnonzero(~blocked)
        start, target = (int(cell) for cell in draw.choice(cells, 2))
        heading = int(draw.integers(4))
        graph = nx.DiGraph()
        for cell in cells:
            graph.add_edges_from(((cell, a), (cell, b)) for a in range(4) for b in range(4) if a // 2 != b // 2)
            for side, there in enumerate(neighbours[cell]):
                if there != NOTHING and (not loaded or highway.flat[there] or there == target):
                    graph.add_edge((cell, side), (there, side))
        far = nx.single_source_shortest_path_length(graph, (start, heading))
        expected = min((far[target, side] for side in range(4) if (target, side) in far), default=NOTHING)
        asked = Journeys(
            np.array([start], np.int32), np.array([heading], np.uint8), np.array([loaded]), np.array([target], np.int32)
        )
        steps = np.zeros(1, np.int32)
        free_flow(neighbours, highway.reshape(-1), asked, make_spread(blocked.size), steps)
        assert steps[0] == expected


def test_the_planners_made_by_name_are_those():
    view = Warehouse(DEMO).floor_view()
    assert isinstance(make_planner("greedy", view, 2, 1), Greedy)
    assert isinstance(make_planner("pibt", view, 2, 1), Pibt)
