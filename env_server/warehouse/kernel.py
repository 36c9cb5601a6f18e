"""One step of all copies, compiled: actions in; rewards, ended episodes and observations out, in the caller's arrays.

Observations go out through a `Window`: a flat view of the caller's (N, E, D) array with its first two strides, so that
one compiled version serves every memory layout in which a row is contiguous.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from env_server.warehouse.compiled import compiled
from env_server.warehouse.dispatch import Dispatch
from env_server.warehouse.drive import drive
from env_server.warehouse.episode import start_episode
from env_server.warehouse.features import write_ways
from env_server.warehouse.legs import rebuild
from env_server.warehouse.observe import Rows, Tables, derive, write_rows
from env_server.warehouse.orders import advance
from env_server.warehouse.reference import refer
from env_server.warehouse.rules import deliver, toggle
from env_server.warehouse.state import I32, ONLINE, U8, Layout, Scratch, State
from env_server.warehouse.turned import write_turned


class Window(NamedTuple):
    """Where observations are written: row (n, e) starts at `n * robot_stride + e * copy_stride` of `flat`."""

    flat: Rows
    robot_stride: int  # in items
    copy_stride: int
    size: int  # D
    around: int  # numbers of what a robot sees around itself; dispatch's follow
    tables: Tables
    others: Rows  # what `features.make_others` gives


@compiled
def observe(state: State, layout: Layout, dispatch: Dispatch, e: int, window: Window) -> None:
    """Write the observations of copy `e`; an offline robot's is all zeros."""
    first = e * window.copy_stride
    if layout.turned:
        write_turned(state, dispatch, layout, e, window.flat, first, window.robot_stride, window.size)
    else:
        write_rows(state, layout, e, window.tables, window.flat, first, window.robot_stride, window.size)
    if layout.dispatched:
        write_ways(state, dispatch, layout, e, window.others, window.flat, first + window.around, window.robot_stride)


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
    """Move, load, deliver and pay in copy `e`; the rewards are left in `scratch.rewards`."""
    drive(state, layout, scratch, e, actions)
    if layout.dispatched:
        advance(state, dispatch, layout, e, scratch.before, scratch.actions, scratch.rewards)
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
