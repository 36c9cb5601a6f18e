"""Distance fields against networkx's breadth-first search, and the cache that keeps them within its bound."""

from pathlib import Path

import networkx as nx
import numpy as np
import numpy.typing as npt
import pytest

from actors.view import FloorView
from actors.ways import neighbours_of, wrong_way
from env_server.warehouse.distance import (
    FAR,
    FREE,
    LOADED,
    Distances,
    capacity,
    distance_bytes,
    make_distances,
    nearest_of,
)
from env_server.warehouse.kept import field, hold, release
from env_server.warehouse.movingai import load_map

Mask = npt.NDArray[np.bool_]


def random_floor(seed: int) -> tuple[Mask, Mask]:
    generator = np.random.default_rng(seed)
    shape = tuple(generator.integers(2, 10, 2))
    blocked = generator.random(shape) < 0.15
    return blocked, ~blocked & (generator.random(shape) < 0.6)


def distances_on(blocked: Mask, highway: Mask, rows: int | None = None, against: int = 0) -> Distances:
    cells = blocked.size
    bound = 1 << 20 if rows is None else 2 * cells * rows
    return make_distances(blocked, highway, targets=2 * cells, in_use=0, bound=bound, against=against)


def steps_between(blocked: Mask) -> nx.Graph:
    height, width = blocked.shape
    graph = nx.grid_2d_graph(height, width)
    graph.remove_nodes_from([(int(r), int(c)) for r, c in zip(*np.nonzero(blocked), strict=True)])
    return nx.relabel_nodes(graph, {(r, c): r * width + c for r, c in graph})


def slow_field(blocked: Mask, highway: Mask, family: int, target: int, against: int = 0) -> list[int]:
    """The definition. Loaded: along highways, then layer by layer into what lies beside the cells reached before."""
    graph = steps_between(blocked)
    roads = graph if family == FREE else graph.subgraph([c for c in graph if highway.flat[c] or c == target])
    drives = roads.to_directed()
    wrong = wrong_way(FloorView(blocked, highway), neighbours_of(blocked)) & (family == LOADED)
    for cell, side in np.argwhere(wrong):
        drives.edges[cell, neighbours_of(blocked)[cell, side]]["weight"] = 1 + against
    lengths = dict(nx.single_source_dijkstra_path_length(drives.reverse(), target))
    layer = set(lengths)
    while layer:
        beside = {c for cell in layer for c in graph[cell]} - set(lengths)
        lengths |= {c: 1 + min(lengths[other] for other in graph[c] if other in layer) for c in beside}
        layer = beside
    return [lengths.get(cell, FAR) for cell in range(blocked.size)]


@pytest.mark.parametrize("family", [FREE, LOADED])
def test_fields_equal_a_plain_search_on_random_floors(family: int) -> None:
    for seed in range(60):
        blocked, highway = random_floor(seed)
        d = distances_on(blocked, highway)
        for target in np.flatnonzero(~blocked)[::5]:
            assert d.fields[field(d, family, int(target))].tolist() == slow_field(blocked, highway, family, int(target))


def test_cells_against_a_lane_count_more_for_loaded_robots() -> None:
    longer = 0
    for seed in range(60):
        blocked, highway = random_floor(seed)
        d, plain = distances_on(blocked, highway, against=3), distances_on(blocked, highway)
        for target in np.flatnonzero(~blocked)[::5].tolist():
            way, short = d.fields[field(d, LOADED, target)], plain.fields[field(plain, LOADED, target)]
            assert way.tolist() == slow_field(blocked, highway, LOADED, target, against=3)
            longer += int((way > short).sum())
            unloaded = d.fields[field(d, FREE, target)]
            assert unloaded.tolist() == slow_field(blocked, highway, FREE, target)
    assert longer > 0


def test_the_way_against_a_lane_is_left_for_the_next_lane() -> None:
    highway = np.ones((6, 7), np.bool_)
    highway[1:-1, [1, 2, 4, 5]] = False  # lanes in columns 0, 3 and 6; the middle one leads the other way
    ways = [distances_on(np.zeros((6, 7), np.bool_), highway, against=against) for against in (0, 9)]
    down, up = ([int(d.fields[field(d, LOADED, to), at]) for d in ways] for at, to in ((3, 38), (38, 3)))
    assert down[0] == up[0] == 5, "two-way: straight through the middle lane"
    assert sorted([down[1], up[1]])[0] == 5, "with the lane as before"
    assert sorted([down[1], up[1]])[1] == 5 + 2 * 3, "the other way by a lane beside it"


def test_a_loaded_robots_way_goes_around_the_shelves_and_a_free_ones_under_them() -> None:
    highway = np.ones((3, 5), np.bool_)
    highway[:2, 1:4] = False  # a block of slots two deep, open below
    d = distances_on(np.zeros((3, 5), np.bool_), highway)
    assert d.fields[field(d, FREE, 4), 0] == 4
    assert d.fields[field(d, LOADED, 4), 0] == 8
    assert d.fields[field(d, LOADED, 4), 7] == 1 + 4, "out of its own slot to the highway, then around"
    assert d.fields[field(d, LOADED, 7), 12] == 1, "into the slot that is the target"


def test_a_full_step_nearer_is_always_at_hand() -> None:
    blocked, highway = random_floor(7)
    d = distances_on(blocked, highway)
    for target in np.flatnonzero(~blocked):
        for family in (FREE, LOADED):
            way = d.fields[field(d, family, int(target))].astype(int)
            for cell in np.flatnonzero((way > 0) & (way < FAR)):
                sides = d.neighbours[cell][d.neighbours[cell] >= 0]
                assert way[cell] - 1 in way[sides]


def test_nearest_of_is_the_least_way_along_highways() -> None:
    for seed in range(40):
        blocked, highway = random_floor(seed)
        places = np.flatnonzero(highway)[::4].astype(np.int32)
        nearest = nearest_of(distances_on(blocked, highway), places)
        graph = steps_between(blocked)
        for cell in graph:
            roads = graph.subgraph([c for c in graph if highway.flat[c] or c == cell])
            lengths = nx.single_source_shortest_path_length(roads, cell)
            ways = [lengths.get(int(place), FAR) for place in places]
            assert nearest[cell] == -1 if min(ways) == FAR else ways[nearest[cell]] == min(ways)


def test_capacity_is_all_targets_if_they_fit_else_the_bound_but_enough_for_those_in_use() -> None:
    assert capacity(places=100, targets=50, in_use=10, bound=1 << 20) == 50
    assert capacity(places=100, targets=50, in_use=10, bound=4_000) == 20
    assert capacity(places=100, targets=50, in_use=30, bound=4_000) == 31
    assert distance_bytes(places=100, targets=50, in_use=10, bound=4_000) == 4_000


def test_a_full_cache_keeps_fields_in_use_and_measures_the_others_again() -> None:
    blocked = np.zeros((4, 5), np.bool_)
    d = distances_on(blocked, ~blocked, rows=4)
    assert not d.complete
    held = {target: hold(d, FREE, target) for target in (3, 11, 19)}
    for turn in range(100):
        target = turn * 7 % 20
        assert d.fields[field(d, FREE, target)].tolist() == slow_field(blocked, ~blocked, FREE, target)
        for kept, row in held.items():
            assert d.field_of[FREE, kept] == row
            assert d.fields[row, kept] == 0
    assert (d.field_of >= 0).sum() == 4


def test_a_released_field_makes_room_again() -> None:
    blocked = np.zeros((1, 6), np.bool_)
    d = distances_on(blocked, ~blocked, rows=2)
    first, second = hold(d, FREE, 0), hold(d, FREE, 1)
    with pytest.raises(RuntimeError, match="more distance fields in use than there is room for"):
        field(d, FREE, 2)
    release(d, second)
    assert d.fields[field(d, FREE, 2)].tolist() == [2, 1, 0, 1, 2, 3]
    assert d.field_of[FREE].tolist() == [first, -1, second, -1, -1, -1]


def test_a_field_held_twice_stays_until_both_let_go() -> None:
    blocked = np.zeros((1, 3), np.bool_)
    d = distances_on(blocked, ~blocked, rows=1)
    row = hold(d, FREE, 0)
    assert hold(d, FREE, 0) == row
    release(d, row)
    with pytest.raises(RuntimeError):
        field(d, FREE, 1)


def test_the_sample_map_works_within_the_bound(sample_map: Path) -> None:
    floor = load_map(sample_map)
    targets = floor.service.size + floor.goals.size
    d = make_distances(floor.blocked, floor.highway, targets, in_use=40, bound=20 << 20)
    assert d.fields.shape[0] < 200 < targets
    for target in floor.service[:: floor.service.size // 300]:
        way = d.fields[field(d, FREE, int(target))]
        assert way[target] == 0
        assert (way[floor.goals] < FAR).all()


@pytest.fixture
def sample_map() -> Path:
    path = Path(__file__).parents[3] / "shared/data/lorr/warehouse_long_corridor_large.map"
    if not path.exists():
        pytest.skip("the League of Robot Runners' sample map is not here")
    return path
