"""What the tests of dispatch share: small floors, one copy set up by hand, a driver, and what must always hold.

Cells of BLOCKS: 0-6, 7-13, 14-20, 21-27. Shelves 0 to 7 on 8, 9, 11, 12, 15, 16, 18, 19; goals 0 and 1 on 24 and 27.
"""

from collections.abc import Iterator
from typing import Any

import networkx as nx
import numpy as np
import numpy.typing as npt

from env_server.warehouse.distance import FAR, FREE, LOADED
from env_server.warehouse.features import PER_SIDE, SIDES_AT, WAY_SIZE
from env_server.warehouse.state import (
    DELIVER,
    DOWN,
    FETCH,
    FORWARD,
    NO_LEG,
    NOOP,
    NOTHING,
    RETURN,
    TOGGLE,
    TURN_LEFT,
    TURN_RIGHT,
    UP,
)
from env_server.warehouse.world import Warehouse
from fleet.core.config.world import WorldConfig

BLOCKS = ".......\n.xx.xx.\n.xx.xx.\n...g..g"
ROWS = "x.x.x.x.x\n.........\n.........\nx.x.x.x.x\n....g...g"


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


def carrying(shelf: int, cell: int, heading: int, leg: int, **more: Any) -> dict[str, Any]:
    """One robot on BLOCKS under way with `shelf`."""
    cells = [8, 9, 11, 12, 15, 16, 18, 19]
    cells[shelf] = cell
    return fetching(shelf, cell, heading) | {"leg": leg, "carrying": shelf, "shelf_cell": cells} | more


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


def features(world: Warehouse, out: npt.NDArray[np.int8], robot: int = 0) -> list[int]:
    world.observe(out)
    return [int(number) for number in out[robot, 0, -WAY_SIZE:]]


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
    ahead, left, right, behind = (way[:, :, SIDES_AT + PER_SIDE * side] == 1 for side in range(4))
    toggle = (way[:, :, 3] == 1) & (way[:, :, 1] == 0)
    choices = [toggle, ahead, left, right, behind]
    actions = np.select(choices, [TOGGLE, FORWARD, TURN_LEFT, TURN_RIGHT, TURN_LEFT], NOOP)
    anything = generator.random(actions.shape) < 0.15
    return np.where(anything, generator.integers(0, 5, actions.shape), actions).astype(np.uint8)
