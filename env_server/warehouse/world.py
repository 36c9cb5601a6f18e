"""The warehouse as a `World`: RWARE's rules and what is built on them, stepped by the compiled kernel.

The environment server makes it from the `[world]` table and steps it with what the actors chose.
"""

from collections.abc import Callable, Mapping
from typing import cast

import numpy as np
import numpy.typing as npt

from actors.view import FloorView, TrafficView
from env_server.arguments import BODIES, LastSeen, blank_step, body_number, check_actions, flat_rows
from env_server.errors import WorldError
from env_server.plain import first_clock
from env_server.protocol import Body, Step
from env_server.warehouse.bodies import set_body
from env_server.warehouse.build import make_layout, make_orders, make_scratch, make_state
from env_server.warehouse.compiled import entry_point
from env_server.warehouse.draw import draw
from env_server.warehouse.features import make_others, way_bounds, way_size
from env_server.warehouse.kernel import Window, derive_all, observe_all, restart, step
from env_server.warehouse.observe import Rows, make_tables, rware_bounds
from env_server.warehouse.setup import build_floor, resolve, window_size
from env_server.warehouse.snapshot import read_state, write_state
from env_server.warehouse.state import ACTIONS, NOTHING
from env_server.warehouse.turned import turned_bounds
from env_server.warehouse.view import floor_view, traffic_view
from fleet.core.config.world import WorldConfig
from fleet.core.seeds import stream
from fleet.core.spec import Array, WorldSpec


class Warehouse:
    """E copies of a warehouse with N robots. Made from a `[world]` table; raises BadInput as `resolve` does.

    Call `reset` (or `set_state`) before the first `step`.
    """

    def __init__(self, config: WorldConfig) -> None:
        self.floor = build_floor(config)
        self.config = resolve(config, self.floor)
        assert self.config.robots is not None
        assert self.config.request_queue is not None
        self._layout = make_layout(self.floor, self.config)
        self._state = make_state(self._layout, self.config.worlds, self.config.robots, self.config.request_queue)
        self._scratch = make_scratch(self._layout, self.config.robots)
        self._dispatch = make_orders(self.floor, self._layout, self.config)
        self._spec = _spec(self.config, self.floor.height, self.floor.width)
        dtype = self._spec.observation_dtype
        self._tables = make_tables(self.floor, dtype)
        self._others = make_others(dtype)
        self._no_draws = np.full((self.config.worlds, self.floor.goals.size), NOTHING, np.int32)
        self._step = blank_step(self._spec)
        self._window = LastSeen(self._look_at)
        self._final = self._look_at(self._step.final_obs)
        self._enter: Callable[..., None] | None = None  # the kernel for this world's types, once it was needed

    @property
    def spec(self) -> WorldSpec:
        """Shapes and types; constant."""
        return self._spec

    def reset(self, seed: int, out: Array) -> None:
        """Start every copy afresh from `seed` and write the observations into `out` (N, E, D).

        With `stagger` the first episodes are cut short by different amounts. Robots offline stay offline.
        """
        window = self._window(out)
        copies = self.config.worlds
        words = [stream(seed, "world", copy).generate_state(4, np.uint64) for copy in range(copies)]
        self._state.rng[:] = np.stack(words)
        restart(self._state, self._layout, self._dispatch, np.ones(copies, np.bool_), window)
        self._state.clock[:] = first_clock(self.config)

    def step(self, actions: npt.NDArray[np.uint8], out: Array, draws: npt.NDArray[np.int32] | None = None) -> Step:
        """Apply `actions` uint8 (N, E), write the next observations into `out` (N, E, D); ended copies are reset.

        An action over 4 is a noop, and counted in `metrics()["illegal"]`.
        `draws` int32 (E, G) names the shelf requested next at each goal's delivery, -1 for one drawn here; it has no
        effect under dispatch. Raises WorldError for arrays of another shape or type.
        """
        check_actions(actions, self._spec)
        window = self._window(out)
        arguments = (
            self._state,
            self._layout,
            self._dispatch,
            self._scratch,
            np.ascontiguousarray(actions),
            self._no_draws if draws is None else self._forced(draws),
            self._step.rewards,
            self._step.truncated,
            window,
            self._final,
        )
        if self._enter is None:
            self._enter = entry_point(step, *arguments)
        self._enter(*arguments)
        ended = self._step.truncated[0]
        if ended.any():
            restart(self._state, self._layout, self._dispatch, ended, window)
        return self._step

    def observe(self, out: Array) -> None:
        """Write the present observations into `out` (N, E, D), after `set_state` or `set_body`."""
        observe_all(self._state, self._layout, self._dispatch, self._window(out))

    def set_body(self, robot: int, body: Body) -> None:
        """Take a robot off in every copy (stalled: an obstacle; towed: off the floor), or put it back online.

        Towed, its shelf is put back (with dispatch to its home, else into the nearest free slot) and its order is open
        again. Back from it, it stands where it was taken from, or on the nearest cell without a robot.
        """
        set_body(self._state, self._layout, self._dispatch, robot, body_number(robot, body, self._spec))

    @property
    def bodies(self) -> tuple[Body, ...]:
        """What each robot's body is, the same in all copies."""
        return tuple(BODIES[body] for body in self._state.body)

    def floor_view(self) -> FloorView:
        """The floor as a planner sees it."""
        return floor_view(self.floor)

    def traffic_view(self) -> TrafficView:
        """All copies as a planner sees them now. Raises SetupError without dispatch."""
        return traffic_view(self._state, self._layout, self._dispatch)

    def metrics(self) -> Mapping[str, npt.NDArray[np.int64]]:
        """Since the world was made: `deliveries` (N,) over all copies, `deliveries_by_copy` (N, E).

        Also `illegal` (N,), the actions outside the space that a robot was given; those a state doesn't keep.
        """
        by_copy = self._state.deliveries.T.copy()
        illegal = self._state.illegal.sum(axis=0)
        return {"deliveries": by_copy.sum(axis=1), "deliveries_by_copy": by_copy, "illegal": illegal}

    def state(self) -> dict[str, Array]:
        """Copies of all arrays that decide the future, by the names of `state.State`, copy-major."""
        return read_state(self._state)

    def set_state(self, state: Mapping[str, Array]) -> None:
        """Go back to a state that `state()` gave. Raises WorldError if it is another world's or can't be."""
        requests = self.floor.shelves.size or self.floor.service.size
        write_state(self._state, self._layout, requests, state)
        derive_all(self._state, self._layout, self._dispatch)

    def render(self, copy: int = 0) -> npt.NDArray[np.uint8]:
        """One copy as an image, uint8 (height, width, 3)."""
        return draw(self.floor, self._state, copy)

    def _look_at(self, out: Array) -> Window:
        """`out` as the kernel writes it. Raises WorldError as `flat_rows`."""
        rows = flat_rows(out, self._spec)
        return Window(
            cast(Rows, rows.flat),
            rows.robot_stride,
            rows.copy_stride,
            self._spec.observation_size,
            window_size(self.config),
            self._tables,
            cast(Rows, self._others),
        )

    def _forced(self, draws: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        if draws.shape != self._no_draws.shape or draws.dtype != np.int32:
            raise WorldError(f"draws are {draws.dtype} {draws.shape}; allowed is int32 {self._no_draws.shape}")
        if draws.min() < NOTHING or draws.max() >= max(self.floor.shelves.size, 1):
            raise WorldError(
                f"draws are {draws.min()} to {draws.max()}; allowed are -1 to {self.floor.shelves.size - 1}"
            )
        return np.ascontiguousarray(draws)


def _spec(config: WorldConfig, height: int, width: int) -> WorldSpec:
    assert config.robots is not None
    dtype = np.dtype(np.int8 if max(height, width) <= np.iinfo(np.int8).max else np.int16)
    turned = config.window == "turned"
    bound = turned_bounds() if turned else rware_bounds(height, width, config.sensor_range)
    if config.dispatch != "off":
        bound = np.concatenate([bound, way_bounds(height, width, config.way == "time")])
        assert bound.size == window_size(config) + way_size(config.way == "time")
    return WorldSpec(
        robots=config.robots,
        worlds=config.worlds,
        observation_size=bound.size,
        observation_dtype=dtype,
        actions=ACTIONS,
        bound=bound.astype(np.float32),
    )
