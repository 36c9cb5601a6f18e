"""One step of all copies of the handoff task, compiled: actions in; rewards, ended episodes and observations out.

The robots are the warehouse's, on a floor without shelves: they turn, move, are seen and are counted by its functions.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from env_server.handoff.compiled import compiled
from env_server.handoff.features import write_features
from env_server.handoff.rules import pay_ways, retarget, toggle_pair
from env_server.handoff.state import FEATURES, Pairs
from env_server.warehouse.bodies import bring_back, take_off
from env_server.warehouse.drive import drive
from env_server.warehouse.observe import Rows, Tables, derive, write_rows
from env_server.warehouse.random import below
from env_server.warehouse.reference import refer
from env_server.warehouse.state import NOTHING, ONLINE, TOWED, U8, Layout, Scratch, State


class Window(NamedTuple):
    """Where observations are written: row (n, e) starts at `n * robot_stride + e * copy_stride` of `flat`."""

    flat: Rows
    robot_stride: int  # in items
    copy_stride: int
    size: int  # D
    tables: Tables


@compiled
def observe(s: State, f: Layout, h: Pairs, e: int, window: Window) -> None:
    """Write the observations of copy `e`; an offline robot's is all zeros."""
    first = e * window.copy_stride
    write_rows(s, f, e, window.tables, window.flat, first, window.robot_stride, window.size)
    write_features(s, f, h, e, window.flat, first + window.size - FEATURES, window.robot_stride)


@compiled
def observe_all(state: State, layout: Layout, pairs: Pairs, window: Window) -> None:
    """Write the observations of all copies."""
    s, f, h = refer(state), refer(layout), refer(pairs)
    for e in range(state.cell.shape[0]):
        observe(s, f, h, e, window)


@compiled
def derive_all(state: State, layout: Layout) -> None:
    """Make all that derives from the state anew."""
    s, f = refer(state), refer(layout)
    for e in range(state.cell.shape[0]):
        derive(s, f, e)


@compiled
def restart(state: State, layout: Layout, pairs: Pairs, ended: npt.NDArray[np.bool_], window: Window) -> None:
    """Start an episode in each copy of which `ended` (E,) is true."""
    s, f, h = refer(state), refer(layout), refer(pairs)
    for e in range(state.cell.shape[0]):
        if ended[e]:
            _start_episode(s, f, h, e)
            observe(s, f, h, e, window)


@compiled
def _start_episode(s: State, f: Layout, h: Pairs, e: int) -> None:
    """Each robot somewhere in its lane on its side, any heading, nobody loaded. A towed one will come back there."""
    s.clock[e] = 0
    h.blocked[e] = 0
    for n in range(s.body.size):
        cell = h.homes[n, below(s.rng[e], h.homes.shape[1])]
        s.heading[e, n] = below(s.rng[e], 4)
        towed = s.body[n] == TOWED
        s.cell[e, n] = NOTHING if towed else cell
        s.left_at[e, n] = cell if towed else NOTHING
        h.loaded[e, n] = 0
        retarget(s, h, e, n)
    derive(s, f, e)


@compiled
def step(
    state: State,
    layout: Layout,
    pairs: Pairs,
    scratch: Scratch,
    actions: U8,
    rewards: npt.NDArray[np.float32],
    truncated: npt.NDArray[np.bool_],
    window: Window,
    final: Window,
) -> None:
    """Step all copies under `actions` (N, E); fills `rewards` and `truncated` (N, E) and the observations.

    A copy at its time limit is truncated, never terminated, and its observations go to `final` instead of `window`; it
    is for the caller to `restart` it.
    """
    s, f, h, w = refer(state), refer(layout), refer(pairs), refer(scratch)
    for e in range(state.cell.shape[0]):
        drive(s, f, w, e, actions)
        pay_ways(s, f, h, w, e)
        for p in range(pairs.blocked.shape[1]):
            toggle_pair(s, h, w, e, p)
        state.clock[e] += 1
        ended = state.clock[e] >= layout.max_steps
        for n in range(state.body.size):
            rewards[n, e] = scratch.rewards[n] if state.body[n] == ONLINE else 0.0
            truncated[n, e] = ended
        observe(s, f, h, e, final if ended else window)


@compiled
def set_body(state: State, layout: Layout, pairs: Pairs, n: int, body: int) -> None:
    """Make robot n ONLINE, STALLED or TOWED in all copies; what it is already is left alone.

    Towed, its load goes with it, and a giver gets a new order. Back from it, it stands where it was taken from, or on
    the nearest cell of its side without a robot.
    """
    before = state.body[n]
    if before == body:
        return
    s, f, h = refer(state), refer(layout), refer(pairs)
    for e in range(state.cell.shape[0]):
        if body == TOWED:
            take_off(s, f, e, n)
            if h.loaded[e, n]:
                h.loaded[e, n] = 0
                retarget(s, h, e, n)
        elif before == TOWED:
            bring_back(s, f, e, n, h.sides[n % 2])
    state.body[n] = body
