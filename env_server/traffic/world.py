"""The traffic grid as a `World`: each intersection is a robot of the fleet, with a learner of its own.

The environment server makes it from a `[world]` table with kind = "traffic".
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from actors.view import FloorView, TrafficView
from env_server.arguments import BODIES, blank_step, body_number, check_actions, flat_rows
from env_server.plain import counted, first_clock, no_floor, read_arrays, write_arrays
from env_server.protocol import Body, Step
from env_server.traffic.draw import draw
from env_server.traffic.setup import ACTIONS, FEATURES, resolve, traffic_table
from env_server.traffic.streets import downstream, entries, leaving, upstream
from fleet.core.config.world import WorldConfig
from fleet.core.seeds import stream
from fleet.core.spec import Array, WorldSpec

_LONGEST = 20  # steps since a change that are told apart


class Traffic:
    """E copies of a grid. Raises BadInput as `resolve`. Call `reset` (or `set_state`) before the first `step`.

    Action a is the wish for signal a (streets.py); a change costs `lost_steps`. An intersection is paid minus the share
    of its room that waiting vehicles take, 0 to 1. It observes its four queues, its signal, the steps since that
    changed (at most 20), and the four queues that its vehicles go to. Offline, its signal stays as it was.
    """

    def __init__(self, config: WorldConfig) -> None:
        self.config = resolve(config)
        self.table = table = traffic_table(config)
        agents, copies = table.rows * table.columns, config.worlds
        grid = (copies, table.rows, table.columns)
        capacity = float(table.capacity)
        self._spec = WorldSpec(
            robots=agents,
            worlds=copies,
            observation_size=FEATURES,
            observation_dtype=np.dtype(np.int8),
            actions=ACTIONS,
            bound=np.array([*[capacity] * 4, 1.0, _LONGEST, *[capacity] * 4], np.float32),
        )
        self._entries = entries(table.rows, table.columns)
        self._queues = np.zeros((*grid, 4), np.int16)
        self._signal = np.zeros(grid, np.uint8)
        self._since = np.full(grid, _LONGEST, np.uint8)
        self._passed = np.zeros((agents, copies), np.int64)
        self._clock = np.zeros(copies, np.int32)
        self._body = np.zeros(agents, np.uint8)
        self._key = np.zeros(2, np.uint64)
        self._time = np.zeros(1, np.uint64)
        self._illegal = np.zeros(agents, np.int64)
        self._step = blank_step(self._spec)

    @property
    def spec(self) -> WorldSpec:
        """Shapes and types; constant."""
        return self._spec

    def reset(self, seed: int, out: Array) -> None:
        """Start every copy with empty streets and write the observations into `out` int8 (N, E, 10).

        `seed` decides who comes when. With `stagger` the first episodes are cut short by different amounts.
        """
        self._key[:] = stream(seed, "world").generate_state(2, np.uint64)
        self._time[:] = 0
        self._empty(np.ones(self._spec.worlds, np.bool_))
        self._clock[:] = first_clock(self.config)
        self.observe(out)

    def step(self, actions: npt.NDArray[np.uint8], out: Array) -> Step:
        """Apply `actions` uint8 (N, E), write the next observations into `out` int8 (N, E, 10); ended copies are reset.

        An action over 1 leaves the signal as it is, and is counted in `metrics()["illegal"]`. Raises WorldError for
        arrays of another shape or type.
        """
        check_actions(actions, self._spec)
        self._switch(actions)
        self._move()
        waiting = self._queues.sum(axis=3, dtype=np.float32)
        self._step.rewards[:] = -waiting.reshape(self._spec.worlds, -1).T / (4 * self.table.capacity)
        self._clock += 1
        ended = self._clock >= self.config.max_steps
        self._step.truncated[:] = ended
        if ended.any():
            self.observe(self._step.final_obs)
            self._empty(ended)
        self.observe(out)
        return self._step

    def observe(self, out: Array) -> None:
        """Write the present observations into `out` int8 (N, E, 10). Raises WorldError for another shape or type."""
        flat_rows(out, self._spec)
        grid = out.reshape(self.table.rows, self.table.columns, self._spec.worlds, FEATURES)
        view = grid.transpose(2, 0, 1, 3)
        view[..., :4] = self._queues
        view[..., 4] = self._signal
        view[..., 5] = self._since
        view[..., 6:] = downstream(self._queues, 0)

    @property
    def bodies(self) -> tuple[Body, ...]:
        """Whether each intersection's signal is its own to change."""
        return tuple(BODIES[body] for body in self._body)

    def set_body(self, robot: int, body: Body) -> None:
        """Leave an intersection's signal as it is in every copy, or give it back; stalled and towed are the same."""
        self._body[robot] = body_number(robot, body, self._spec)

    def floor_view(self) -> FloorView:
        """Raises SetupError: there are no robots on this floor."""
        raise no_floor('"traffic" has no robots on a floor')

    def traffic_view(self) -> TrafficView:
        """Raises SetupError: there are no robots on this floor."""
        raise no_floor('"traffic" has no robots on a floor')

    def metrics(self) -> Mapping[str, npt.NDArray[np.int64]]:
        """Since the world was made: `deliveries` (N,), the vehicles that an intersection let through.

        Also `deliveries_by_copy` (N, E), and `illegal` (N,), the actions that there aren't.
        """
        return counted(self._passed, self._illegal)

    def state(self) -> dict[str, Array]:
        """Copies of all arrays that decide the future, and of the counts."""
        return read_arrays(self._kept())

    def set_state(self, state: Mapping[str, Array]) -> None:
        """Go back to a state that `state()` gave. Raises WorldError if it is another world's or can't be."""
        ranges = {"queues": (0, self.table.capacity + 1), "signal": (0, ACTIONS), "since": (0, _LONGEST + 1)}
        write_arrays(self._kept(), state, self.config, ranges)

    def render(self, copy: int = 0) -> npt.NDArray[np.uint8]:
        """One copy as an image, uint8 (height, width, 3)."""
        return draw(self._queues[copy] / self.table.capacity, self._signal[copy])

    def _switch(self, actions: npt.NDArray[np.uint8]) -> None:
        illegal = actions >= ACTIONS
        self._illegal += illegal.sum(axis=1)
        grid = self._signal.shape
        wanted, wrong = actions.T.reshape(grid), illegal.T.reshape(grid)
        online = (self._body == 0).reshape(grid[1:])
        changes = (wanted != self._signal) & ~wrong & online
        self._signal[changes] ^= 1
        self._since[:] = np.where(changes, 0, np.minimum(self._since + 1, _LONGEST))

    def _move(self) -> None:
        table = self.table
        going = self._since >= table.lost_steps
        gone = leaving(self._queues, self._signal, going, table.flow, table.capacity)
        self._queues += upstream(gone) - gone
        self._passed += gone.sum(axis=3).reshape(self._spec.worlds, -1).T
        self._queues += self._arriving() & (self._queues < table.capacity)

    def _arriving(self) -> npt.NDArray[np.bool_]:
        """Who comes in from outside in this step: drawn from the seed and the step's number alone."""
        draw = np.random.Generator(np.random.Philox(key=self._key, counter=[0, 0, 0, int(self._time[0])]))
        self._time += np.uint64(1)
        coming = np.zeros(self._queues.shape, np.bool_)
        coming[:, self._entries] = (
            draw.random((len(coming), int(self._entries.sum())), np.float32) < self.table.arrivals
        )
        return coming

    def _empty(self, copies: npt.NDArray[np.bool_]) -> None:
        self._queues[copies] = 0
        self._signal[copies] = 0
        self._since[copies] = _LONGEST
        self._clock[copies] = 0

    def _kept(self) -> dict[str, Array]:
        return {
            "queues": self._queues,
            "signal": self._signal,
            "since": self._since,
            "clock": self._clock,
            "body": self._body,
            "deliveries": self._passed,
            "key": self._key,
            "time": self._time,
        }
