"""What dispatch works with: a tuple of the rules in force, of what derives from the State, and of scratch.

All that decides the future is in State. What is done with it: handing.py hands orders out and takes them back, legs.py
keeps each robot on its way, orders.py takes an order from leg to leg. None of it is called with dispatch off.
"""

from typing import NamedTuple

import numpy as np

from env_server.warehouse.assign import Table, make_table
from env_server.warehouse.distance import U16, Distances, nearest_of
from env_server.warehouse.state import I32, NOTHING, U8

OFF, RANDOM, NEAREST, MATCHING = 0, 1, 2, 3  # config world.dispatch, in its order


class Dispatch(NamedTuple):
    """What dispatch needs beside the State of E copies of N robots."""

    rule: int  # RANDOM, NEAREST or MATCHING
    reward: int
    dense_scale: float
    lifts: bool  # shelves are carried; False on a .map floor
    any_station: bool  # an order's station is drawn; False: the nearest to its shelf
    goals: I32  # (G,) cells
    service: I32  # (K,) cells; empty where shelves are carried
    nearest_goal: I32  # (cells,) goal number
    field_of: I32  # (E, N) field each robot is on its way by, NOTHING without a leg
    taken: U8  # (max(S, K),) scratch: no robot may be sent there
    idle: I32  # (N,) scratch: robots without an order
    open: I32  # (Q,) scratch: requests without a robot
    ways: U16  # (cells,) scratch: distances from one robot
    table: Table
    distances: Distances


def make_dispatch(
    *,
    rule: int,
    reward: int,
    dense_scale: float,
    any_station: bool,
    copies: int,
    robots: int,
    queue: int,
    shelves: int,
    goals: I32,
    service: I32,
    distances: Distances,
) -> Dispatch:
    """Dispatch for E `copies` of a floor with S `shelves`, or none and `service` points. Fields start unheld."""
    cells = distances.highway.size
    return Dispatch(
        rule=rule,
        reward=reward,
        dense_scale=dense_scale,
        lifts=shelves > 0,
        any_station=any_station,
        goals=goals,
        service=service,
        nearest_goal=nearest_of(distances, goals),
        field_of=np.full((copies, robots), NOTHING, np.int32),
        taken=np.zeros(max(shelves, service.size), np.uint8),
        idle=np.zeros(robots, np.int32),
        open=np.zeros(queue, np.int32),
        ways=np.zeros(cells, np.uint16),
        table=make_table(robots, queue),
        distances=distances,
    )
