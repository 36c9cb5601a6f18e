"""The handoff task as a `World`: the one thing here that two certain robots must do together, or not at all.

The environment server makes it from a `[world]` table with kind = "handoff" and steps it with what the actors chose.
"""

from collections.abc import Callable, Mapping
from typing import cast

import numpy as np
import numpy.typing as npt

from actors.view import FloorView, TrafficView
from env_server.arguments import BODIES, LastSeen, blank_step, body_number, check_actions, flat_rows
from env_server.errors import SetupError
from env_server.handoff.build import make_pairs
from env_server.handoff.compiled import entry_point
from env_server.handoff.draw import draw
from env_server.handoff.features import feature_bounds
from env_server.handoff.kernel import Window, derive_all, observe_all, restart, set_body, step
from env_server.handoff.setup import build_floor, observation_shape, resolve
from env_server.handoff.snapshot import read_state, write_state
from env_server.plain import first_clock
from env_server.protocol import Body, Step
from env_server.warehouse.build import make_layout, make_scratch, make_state
from env_server.warehouse.floor import Floor
from env_server.warehouse.observe import Rows, make_tables, rware_bounds
from env_server.warehouse.state import ACTIONS
from env_server.warehouse.view import floor_view
from fleet.core.config.world import WorldConfig
from fleet.core.seeds import stream
from fleet.core.spec import Array, WorldSpec


class Handoff:
    """E copies of P pairs of robots on either side of a wall; rules.py says what pays.

    Made from a `[world]` table; raises BadInput as `resolve` does. Call `reset` (or `set_state`) before the first
    `step`.
    """

    def __init__(self, config: WorldConfig) -> None:
        self.config = resolve(config)
        self.floor = build_floor(self.config)
        self._spec = _spec(self.config, self.floor)
        spec = self._spec
        self._layout = make_layout(self.floor, self.config)
        self._state = make_state(self._layout, spec.worlds, spec.robots, queue=0)
        self._scratch = make_scratch(self._layout, spec.robots)
        self._pairs = make_pairs(self.floor, self.config)
        self._tables = make_tables(self.floor, spec.observation_dtype)
        self._step = blank_step(spec)
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
        window, copies = self._window(out), self._spec.worlds
        self._state.rng[:] = [stream(seed, "world", copy).generate_state(4, np.uint64) for copy in range(copies)]
        restart(self._state, self._layout, self._pairs, np.ones(copies, np.bool_), window)
        self._state.clock[:] = first_clock(self.config)

    def step(self, actions: npt.NDArray[np.uint8], out: Array) -> Step:
        """Apply `actions` uint8 (N, E), write the next observations into `out` (N, E, D); ended copies are reset.

        An action over 4 is a noop, and counted in `metrics()["illegal"]`. Raises WorldError for arrays of another
        shape or type.
        """
        check_actions(actions, self._spec)
        window = self._window(out)
        arguments = (
            self._state,
            self._layout,
            self._pairs,
            self._scratch,
            np.ascontiguousarray(actions),
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
            restart(self._state, self._layout, self._pairs, ended, window)
        return self._step

    def observe(self, out: Array) -> None:
        """Write the present observations into `out` (N, E, D), after `set_state` or `set_body`."""
        observe_all(self._state, self._layout, self._pairs, self._window(out))

    def set_body(self, robot: int, body: Body) -> None:
        """Take a robot off in every copy (stalled: an obstacle; towed: off the floor), or put it back online.

        Its partner then has nobody to hand over to. Towed, its load is gone.
        """
        set_body(self._state, self._layout, self._pairs, robot, body_number(robot, body, self._spec))

    @property
    def bodies(self) -> tuple[Body, ...]:
        """What each robot's body is, the same in all copies."""
        return tuple(BODIES[body] for body in self._state.body)

    def floor_view(self) -> FloorView:
        """The floor as a planner sees it."""
        return floor_view(self.floor)

    def traffic_view(self) -> TrafficView:
        """Raises SetupError: the planners send each robot on its way alone, and a handoff takes two at once."""
        raise SetupError(
            'world.kind = "handoff" has no orders that a planner could follow robot by robot; allowed are actors that '
            "learned and random ones"
        )

    def metrics(self) -> Mapping[str, npt.NDArray[np.int64]]:
        """Since the world was made: `deliveries` (N,) over all copies, `deliveries_by_copy` (N, E).

        A load delivered counts for both robots of its pair: their mean is loads per pair. Also `illegal` (N,), the
        actions outside the space that a robot was given; those a state doesn't keep.
        """
        by_copy = self._state.deliveries.T.copy()
        illegal = self._state.illegal.sum(axis=0)
        return {"deliveries": by_copy.sum(axis=1), "deliveries_by_copy": by_copy, "illegal": illegal}

    def state(self) -> dict[str, Array]:
        """Copies of all arrays that decide the future, by their names in `State` and `Pairs`, copy-major."""
        return read_state(self._state, self._pairs)

    def set_state(self, state: Mapping[str, Array]) -> None:
        """Go back to a state that `state()` gave. Raises WorldError if it is another world's or can't be."""
        write_state(self._state, self._layout, self._pairs, state)
        derive_all(self._state, self._layout)

    def render(self, copy: int = 0) -> npt.NDArray[np.uint8]:
        """One copy as an image, uint8 (height, width, 3)."""
        return draw(self.floor, self._state, self._pairs, copy)

    def _look_at(self, out: Array) -> Window:
        """`out` as the kernel writes it. Raises WorldError as `flat_rows`."""
        rows = flat_rows(out, self._spec)
        flat = cast(Rows, rows.flat)
        return Window(flat, rows.robot_stride, rows.copy_stride, self._spec.observation_size, self._tables)


def _spec(config: WorldConfig, floor: Floor) -> WorldSpec:
    assert config.robots is not None
    assert config.handoff is not None
    size, itemsize = observation_shape(config, floor)
    kind = np.int8 if itemsize == 1 else np.int16
    own = feature_bounds(floor.height, floor.width, config.handoff.blocked_steps, np.iinfo(kind).max)
    bound = np.concatenate([rware_bounds(floor.height, floor.width, config.sensor_range), own])
    assert bound.size == size
    return WorldSpec(
        robots=config.robots,
        worlds=config.worlds,
        observation_size=size,
        observation_dtype=np.dtype(kind),
        actions=ACTIONS,
        bound=bound,
    )
