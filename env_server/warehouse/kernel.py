"""One step of all copies, compiled: actions in; rewards, ended episodes and observations out, in the caller's arrays.

Observations go out through a `Window`: a flat view of the caller's (N, E, D) array with its first two strides, so that
one compiled version serves every memory layout in which a row is contiguous.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from env_server.warehouse.compiled import compiled
from env_server.warehouse.dispatch import Dispatch
from env_server.warehouse.episode import start_episode
from env_server.warehouse.features import write_way
from env_server.warehouse.legs import rebuild
from env_server.warehouse.moves import resolve
from env_server.warehouse.observe import Rows, derive, relook_requests, write_row
from env_server.warehouse.orders import advance
from env_server.warehouse.reference import refer
from env_server.warehouse.rules import deliver, move, toggle, turn
from env_server.warehouse.state import I32, NOOP, ONLINE, TOGGLE, U8, Layout, Scratch, State


class Window(NamedTuple):
    """Where observations are written: row (n, e) starts at `n * robot_stride + e * copy_stride` of `flat`."""

    flat: Rows
    robot_stride: int  # in items
    copy_stride: int
    size: int  # D
    table: Rows  # what `observe.sights` gives
    rware: int  # numbers that are RWARE's; dispatch's follow


@compiled
def observe(state: State, layout: Layout, dispatch: Dispatch, e: int, window: Window) -> None:
    """Write the observations of copy `e`; an offline robot's is all zeros."""
    for n in range(state.cell.shape[1]):
        first = n * window.robot_stride + e * window.copy_stride
        row = window.flat[first : first + window.size]
        write_row(state, layout, e, n, window.table, row)
        if layout.dispatched and state.body[n] == ONLINE:
            write_way(state, dispatch, e, n, layout.width, row, window.rware)


@compiled
def observe_all(state: State, layout: Layout, dispatch: Dispatch, window: Window) -> None:
    """Write the observations of all copies."""
    s, d, f = refer(state), refer(dispatch), refer(layout)
    for e in range(state.cell.shape[0]):
        observe(s, f, d, e, window)


@compiled
def restart(state: State, layout: Layout, dispatch: Dispatch, ended: npt.NDArray[np.bool_], window: Window) -> None:
    """Start an episode in each copy of which `ended` (E,) is true."""
    s, d, f = refer(state), refer(dispatch), refer(layout)
    for e in range(state.cell.shape[0]):
        if ended[e]:
            start_episode(s, f, d, e)
            observe(s, f, d, e, window)


@compiled
def derive_all(state: State, layout: Layout, dispatch: Dispatch) -> None:
    """Make all that derives from the state anew."""
    s, d, f = refer(state), refer(dispatch), refer(layout)
    for e in range(state.cell.shape[0]):
        derive(s, f, e)
    if layout.dispatched:
        rebuild(s, d)


@compiled
def step_copy(
    state: State, layout: Layout, dispatch: Dispatch, scratch: Scratch, e: int, actions: U8, draws: I32
) -> None:
    """Move, load, deliver and pay in copy `e`; the rewards are left in `scratch.rewards`.

    An action that there is none of is counted, and is a noop.
    """
    for n in range(state.cell.shape[1]):
        action = actions[n, e]
        if action > TOGGLE:
            state.illegal[e, n] += 1
            action = NOOP
        scratch.actions[n] = action
        scratch.rewards[n] = 0.0
        scratch.before[n] = state.cell[e, n]
    if resolve(state, layout, scratch, e) > 0:
        move(state, layout, scratch, e)
    turn(state, layout, scratch, e)
    if layout.dispatched:
        for q in range(scratch.asked.size):
            scratch.asked[q] = state.queue[e, q]
        advance(state, dispatch, e, scratch.before, scratch.actions, scratch.rewards)
        relook_requests(state, layout, e, scratch.asked)
    else:
        toggle(state, layout, scratch, e)
        deliver(state, layout, scratch, e, draws)
    state.clock[e] += 1


@compiled
def step(
    state: State,
    layout: Layout,
    dispatch: Dispatch,
    scratch: Scratch,
    actions: U8,
    draws: I32,
    rewards: npt.NDArray[np.float32],
    truncated: npt.NDArray[np.bool_],
    window: Window,
    final: Window,
) -> None:
    """Step all copies under `actions` (N, E); fills `rewards` and `truncated` (N, E) and the observations.

    A copy at its time limit is truncated, never terminated, and its observations go to `final` instead of `window`; it
    is for the caller to `restart` it.
    """
    s, d, f, w = refer(state), refer(dispatch), refer(layout), refer(scratch)
    for e in range(state.cell.shape[0]):
        step_copy(s, f, d, w, e, actions, draws)
        ended = state.clock[e] >= layout.max_steps
        for n in range(scratch.rewards.size):
            rewards[n, e] = scratch.rewards[n] if state.body[n] == ONLINE else 0.0
            truncated[n, e] = ended
        observe(s, f, d, e, final if ended else window)
