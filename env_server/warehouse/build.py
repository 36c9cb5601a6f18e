"""From a floor and a resolved `[world]` table to the arrays that the kernel works on."""

import numpy as np
import numpy.typing as npt

from actors.ways import neighbours_of
from env_server.warehouse.dispatch import Dispatch, make_dispatch
from env_server.warehouse.distance import make_distances
from env_server.warehouse.floor import Floor
from env_server.warehouse.observe import GUARD, look_bytes
from env_server.warehouse.state import NO_LEG, NOTHING, Layout, Scratch, State
from fleet.core.config.world import WorldConfig

REWARDS = ("individual", "global", "two-stage", "dense")  # their numbers in state.py and dispatch.py
DISPATCHES = ("off", "random", "nearest", "matching")


def make_layout(floor: Floor, config: WorldConfig) -> Layout:
    """The kernel's view of `floor` under the rules of `config` (resolved)."""
    assert config.reward is not None
    row, column = (axis.reshape(-1).astype(np.int32) for axis in np.indices(floor.blocked.shape))
    sight, wide = config.sensor_range, floor.width + 2 * config.sensor_range
    return Layout(
        height=floor.height,
        width=floor.width,
        sight=sight,
        blocked=floor.blocked.reshape(-1).astype(np.uint8),
        ahead=_ahead(floor),
        seen_at=GUARD + (row + sight) * wide + column + sight,
        columns_at=look_bytes(floor.height, floor.width, sight, False) + column * floor.height + row,
        row=row,
        column=column,
        highway=floor.highway.reshape(-1).astype(np.uint8),
        goals=np.ascontiguousarray(floor.goals, np.int32),
        slots=np.ascontiguousarray(floor.shelves, np.int32),
        starts=np.ascontiguousarray(floor.starts, np.int32),
        reward=REWARDS.index(config.reward),
        dispatched=config.dispatch != "off",
        turned=config.window == "turned",
        max_steps=config.max_steps,
    )


def _ahead(floor: Floor) -> npt.NDArray[np.int32]:
    neighbours = neighbours_of(floor.blocked)
    return np.where(neighbours == NOTHING, np.arange(floor.cells, dtype=np.int32)[:, None], neighbours)


def make_state(layout: Layout, copies: int, robots: int, queue: int) -> State:
    """Arrays for E `copies` of N `robots`, all online; nothing is placed yet."""
    cells, shelves = layout.blocked.size, layout.slots.size
    look = look_bytes(layout.height, layout.width, layout.sight, layout.dispatched)
    return State(
        cell=np.full((copies, robots), NOTHING, np.int32),
        heading=np.zeros((copies, robots), np.uint8),
        carrying=np.full((copies, robots), NOTHING, np.int32),
        has_delivered=np.zeros((copies, robots), np.uint8),
        shelf_cell=np.zeros((copies, shelves), np.int32),
        queue=np.zeros((copies, queue), np.int32),
        clock=np.zeros(copies, np.int32),
        rng=np.zeros((copies, 4), np.uint64),
        body=np.zeros(robots, np.uint8),
        order=np.full((copies, robots), NOTHING, np.int32),
        leg=np.full((copies, robots), NO_LEG, np.uint8),
        station=np.full((copies, robots), NOTHING, np.int32),
        home=np.full((copies, robots), NOTHING, np.int32),
        still=np.zeros((copies, robots), np.int32),
        closest=np.zeros((copies, robots), np.int32),
        waited=np.zeros((copies, robots), np.int32),
        age=np.zeros((copies, robots), np.int32),
        left_at=np.full((copies, robots), NOTHING, np.int32),
        deliveries=np.zeros((copies, robots), np.int64),
        standing=np.full((copies, cells), NOTHING, np.int32),
        robot_at=np.full((copies, cells), NOTHING, np.int32),
        requested=np.zeros((copies, shelves), np.uint8),
        look=np.zeros((copies, look), np.uint8),
        illegal=np.zeros((copies, robots), np.int64),
    )


def make_scratch(layout: Layout, robots: int) -> Scratch:
    """Working space for one copy."""
    return Scratch(
        asks=np.zeros(robots, np.int32),
        going=np.zeros(robots, np.int32),
        goes=np.zeros(robots, np.uint8),
        movers=np.zeros(robots, np.int32),
        taken=np.zeros(robots, np.uint8),
        target=np.zeros(robots, np.int32),
        waiting=np.zeros(robots, np.int32),
        depth=np.zeros(robots, np.int32),
        entrant=np.full(layout.blocked.size, NOTHING, np.int32),
        before=np.zeros(robots, np.int32),
        actions=np.zeros(robots, np.uint8),
        rewards=np.zeros(robots, np.float32),
    )


def make_orders(floor: Floor, layout: Layout, config: WorldConfig) -> Dispatch:
    """Dispatch's arrays; with dispatch off as small as they can be, since compiled code needs them all the same."""
    assert config.robots is not None
    assert config.request_queue is not None
    copies, robots, queue = config.worlds, config.robots, config.request_queue
    if not layout.dispatched:
        copies = robots = queue = 1
    return make_dispatch(
        rule=DISPATCHES.index(config.dispatch),
        reward=layout.reward,
        dense_scale=config.dense_scale,
        standing=config.standing,
        head_on=config.head_on,
        any_station=config.station == "random",
        copies=copies,
        robots=robots,
        queue=queue,
        shelves=layout.slots.size,
        goals=layout.goals,
        service=np.ascontiguousarray(floor.service, np.int32),
        walled=bool(floor.blocked.any()),
        shows_exits=layout.turned,
        distances=make_distances(
            floor.blocked,
            floor.highway,
            targets=_targets(floor, layout),
            in_use=copies * robots,
            against=config.against,
            timed=config.way == "time",
        ),
    )


def _targets(floor: Floor, layout: Layout) -> int:
    """Different (family, cell) pairs that orders can ask a distance field for."""
    if not layout.dispatched:
        return 1
    if layout.slots.size == 0:
        return len(np.union1d(floor.service, floor.goals))
    return 2 * layout.slots.size + layout.goals.size
