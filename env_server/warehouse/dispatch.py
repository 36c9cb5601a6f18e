"""What dispatch works with: a tuple of the rules in force, of what derives from the State, and of scratch.

All that decides the future is in State. What is done with it: handing.py hands orders out and takes them back, legs.py
keeps each robot on its way, orders.py takes an order from leg to leg. None of it is called with dispatch off.
"""

from typing import NamedTuple

import numpy as np

from env_server.warehouse.assign import Table, make_table
from env_server.warehouse.distance import U16, Distances, nearest_of
from env_server.warehouse.state import DOWN, I32, LEFT, NOTHING, RIGHT, U8, UP

OFF, RANDOM, NEAREST, MATCHING = 0, 1, 2, 3  # config world.dispatch, in its order
# Bits of a robot's `sign`; the lowest four say for each side whether the next cell there is nearer to its target
# (with timed ways: whether it gets there no later by that side than by any other).
LOADED_SIGN, RETURNING_SIGN, UNDER_WAY_SIGN = 16, 32, 64
LONGEST_DETOUR = 15  # what is longer is cut off there
STILL = 10  # steps without a move that a robot knows of; from then on it may be charged for them
EXIT = 15  # cells within which a robot knows of the next way out of a lane
SIGHT = 8  # cells that a robot sees ahead; as long as the usual aisle between two crossings


class Dispatch(NamedTuple):
    """What dispatch needs beside the State of E copies of N robots."""

    rule: int  # RANDOM, NEAREST or MATCHING
    reward: int
    dense_scale: float
    standing: float  # what each step costs a robot that hasn't moved for STILL
    head_on: float  # what a step of it costs who has to give way, see head_on.py
    lifts: bool  # shelves are carried; False on a .map floor
    any_station: bool  # an order's station is drawn; False: the nearest to its shelf
    goals: I32  # (G,) cells
    service: I32  # (K,) cells; empty where shelves are carried
    nearest_goal: I32  # (cells,) goal number
    field_of: I32  # (E, N) field each robot is on its way by, NOTHING without a leg
    target: I32  # (E, N) cell each robot is on its way to, NOTHING without a leg
    left: U16  # (E, N) steps (timed: and quarter turns) there from where the robot is, by its field
    detour: U8  # (E, N, 4) timed ways: how much more of it by each side, LONGEST_DETOUR at most
    sign: U8  # (E, N) what others see of a robot's leg and load; see legs.py
    reach: U8  # (cells, 4) how many cells, SIGHT at most, one could drive straight on with nothing on the floor
    exits: U8  # (cells, 4) steps to the next highway cell that one can leave to the left or right; 0 if none in EXIT
    walled: bool  # whether any cell of the floor is blocked
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
    standing: float,
    head_on: float,
    any_station: bool,
    copies: int,
    robots: int,
    queue: int,
    shelves: int,
    goals: I32,
    service: I32,
    walled: bool,
    shows_exits: bool,
    distances: Distances,
) -> Dispatch:
    """Dispatch for E `copies` of a floor with S `shelves`, or none and `service` points. Fields start unheld."""
    cells = distances.highway.size
    return Dispatch(
        rule=rule,
        reward=reward,
        dense_scale=dense_scale,
        standing=standing,
        head_on=head_on,
        lifts=shelves > 0,
        any_station=any_station,
        goals=goals,
        service=service,
        nearest_goal=nearest_of(distances, goals),
        field_of=np.full((copies, robots), NOTHING, np.int32),
        target=np.full((copies, robots), NOTHING, np.int32),
        left=np.zeros((copies, robots), np.uint16),
        detour=np.zeros((copies, robots, 4), np.uint8),
        sign=np.zeros((copies, robots), np.uint8),
        reach=_reach(distances.neighbours),
        exits=_exits(distances) if shows_exits else np.zeros((cells, 4), np.uint8),
        walled=walled,
        taken=np.zeros(max(shelves, service.size), np.uint8),
        idle=np.zeros(robots, np.int32),
        open=np.zeros(queue, np.int32),
        ways=np.zeros(cells, np.uint16),
        table=make_table(robots, queue),
        distances=distances,
    )


def _exits(distances: Distances) -> U8:
    """As far as highways lead: a lane between shelves has no way out to its sides."""
    leads = (distances.neighbours != NOTHING) & (distances.highway[distances.neighbours] == 1)
    crossing = [leads[:, sides].any(1) for sides in ([LEFT, RIGHT], [UP, DOWN])]
    exits = np.zeros(leads.shape, np.uint8)
    for side in range(4):
        there, on = distances.neighbours[:, side], leads[:, side]
        for steps in range(1, EXIT + 1):
            exits[on & crossing[side // 2][there] & (exits[:, side] == 0), side] = steps
            on = on & leads[there, side]
            there = distances.neighbours[there, side]
    return exits


def _reach(neighbours: I32) -> U8:
    reach = np.zeros(neighbours.shape, np.uint8)
    for _ in range(SIGHT):
        reach = np.where(neighbours == NOTHING, 0, 1 + np.take_along_axis(reach, neighbours, axis=0)).astype(np.uint8)
    return reach
