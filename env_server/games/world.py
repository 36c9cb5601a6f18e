"""A game of two agents as a `World`: each agent is a robot of the fleet, with a learner process of its own.

The environment server makes it from a `[world]` table with kind = "game". An episode is `max_steps` steps of it.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from actors.view import FloorView, TrafficView
from env_server.arguments import BODIES, blank_step, body_number, check_actions, flat_rows
from env_server.games.draw import draw
from env_server.games.payoffs import AGENTS
from env_server.games.setup import make_stages, resolve
from env_server.plain import counted, first_clock, no_floor, read_arrays, write_arrays
from env_server.protocol import Body, Step
from fleet.core.config.world import WorldConfig
from fleet.core.spec import Array, WorldSpec


class GameWorld:
    """E copies of a game. Raises BadInput as `resolve`. Call `reset` (or `set_state`) before the first `step`.

    An agent that is offline takes action 0 and is paid nothing; stalled or towed is the same to a game.
    """

    def __init__(self, config: WorldConfig) -> None:
        self.config = resolve(config)
        self.stages = make_stages(self.config)
        copies, size = config.worlds, self.stages.seen.shape[2]
        self._spec = WorldSpec(
            robots=AGENTS,
            worlds=copies,
            observation_size=size,
            observation_dtype=self.stages.seen.dtype,
            actions=self.stages.actions,
            bound=np.ones(size, np.float32),
        )
        self._state = np.zeros(copies, np.int32)
        self._clock = np.zeros(copies, np.int32)
        self._body = np.zeros(AGENTS, np.uint8)
        self._best = self.stages.payoffs.max(axis=(0, 2, 3))
        self._paid_best = np.zeros((AGENTS, copies), np.int64)
        self._illegal = np.zeros(AGENTS, np.int64)
        self._last = np.zeros((AGENTS, copies), np.uint8)
        self._step = blank_step(self._spec)

    @property
    def spec(self) -> WorldSpec:
        """Shapes and types; constant."""
        return self._spec

    def reset(self, seed: int, out: Array) -> None:
        """Start every copy afresh and write the observations into `out` int8 (2, E, D). Nothing depends on `seed`.

        With `stagger` the first episodes are cut short by different amounts. Agents offline stay offline.
        """
        self._state[:] = 0
        self._last[:] = 0
        self._clock[:] = first_clock(self.config)
        self.observe(out)

    def step(self, actions: npt.NDArray[np.uint8], out: Array) -> Step:
        """Play `actions` uint8 (2, E), write the next observations into `out` int8 (2, E, D); ended copies are reset.

        An action that the game doesn't have is taken for 0, and counted in `metrics()["illegal"]`. Raises WorldError
        for arrays of another shape or type.
        """
        check_actions(actions, self._spec)
        illegal = actions >= self._spec.actions
        self._illegal += illegal.sum(axis=1)
        online = self._body == 0
        self._last[:] = np.where(illegal | ~online[:, None], 0, actions)
        first, second = self._last
        paid = self.stages.payoffs[self._state, :, first, second].T * online[:, None]
        self._step.rewards[:] = paid
        self._paid_best += (paid == self._best[:, None]) & online[:, None]
        self._state[:] = self.stages.following[self._state, first, second]
        self._clock += 1
        ended = self._clock >= self.config.max_steps
        self._step.truncated[:] = ended
        if ended.any():
            self._step.final_obs[:, ended] = self.stages.seen[:, self._state[ended]]
            self._state[ended] = 0
            self._clock[ended] = 0
        self.observe(out)
        return self._step

    def observe(self, out: Array) -> None:
        """Write the present observations into `out` int8 (2, E, D). Raises WorldError for another shape or type."""
        flat_rows(out, self._spec)
        out[:] = self.stages.seen[:, self._state]

    @property
    def bodies(self) -> tuple[Body, ...]:
        """Whether each agent plays."""
        return tuple(BODIES[body] for body in self._body)

    def set_body(self, robot: int, body: Body) -> None:
        """Take an agent out of every copy, or put it back."""
        self._body[robot] = body_number(robot, body, self._spec)

    def floor_view(self) -> FloorView:
        """Raises SetupError: a game has no floor."""
        raise no_floor(f'"game" ({self.stages.name}) has no floor')

    def traffic_view(self) -> TrafficView:
        """Raises SetupError: a game has no floor."""
        raise no_floor(f'"game" ({self.stages.name}) has no floor')

    def metrics(self) -> Mapping[str, npt.NDArray[np.int64]]:
        """Since the world was made: `deliveries` (2,), the steps that paid an agent the most the game can pay it.

        Also `deliveries_by_copy` (2, E), and `illegal` (2,), the actions that the game doesn't have.
        """
        return counted(self._paid_best, self._illegal)

    def state(self) -> dict[str, Array]:
        """Copies of all arrays that decide the future, and of the counts."""
        return read_arrays(self._kept())

    def set_state(self, state: Mapping[str, Array]) -> None:
        """Go back to a state that `state()` gave. Raises WorldError if it is another world's or can't be."""
        ranges = {"state": (0, self.stages.states), "last": (0, self._spec.actions)}
        write_arrays(self._kept(), state, self.config, ranges)

    def render(self, copy: int = 0) -> npt.NDArray[np.uint8]:
        """What the joint actions of this state pay agent 0, the last one framed: uint8 (height, width, 3)."""
        first, second = (int(action) for action in self._last[:, copy])
        return draw(self.stages.payoffs[self._state[copy], 0], (first, second))

    def _kept(self) -> dict[str, Array]:
        return {
            "state": self._state,
            "clock": self._clock,
            "body": self._body,
            "last": self._last,
            "deliveries": self._paid_best,
        }
