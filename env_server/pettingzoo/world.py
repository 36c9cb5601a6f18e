"""A parallel environment of PettingZoo as a `World`: each of its agents is a robot of the fleet.

The environment server makes it from a `[world]` table with kind = "pettingzoo". The copies are stepped by worker
processes; this is where their numbers meet.
"""

import os
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from actors.view import FloorView, TrafficView
from env_server.arguments import BODIES, body_number, check_actions, flat_rows
from env_server.errors import SetupError, WorldError
from env_server.pettingzoo.board import Board
from env_server.pettingzoo.job import Job
from env_server.pettingzoo.setup import outline_of, pettingzoo_table, resolve, worker_count
from env_server.pettingzoo.workers import Workers
from env_server.plain import first_clock, no_floor
from env_server.protocol import Body, Step
from fleet.core.config.world import WorldConfig
from fleet.core.spec import Array, WorldSpec

_NO_STATE = 'kind = "pettingzoo" can\'t give its state: nobody knows where a foreign environment keeps it'


class PettingZooWorld:
    """E copies of an environment. Raises BadInput as `resolve`. Its processes are started by the first `reset`.

    Agents that differ have the observations of the widest, with zeros behind their own numbers, and as many actions as
    the one with most; those beyond an agent's own go round (action a of n is a modulo n). An agent that ends before the
    others is `gone` until its copy begins afresh (`Copies`). Offline it takes its first action, sees zeros and is paid
    nothing; stalled or towed is the same here.
    """

    def __init__(self, config: WorldConfig) -> None:
        self.config = resolve(config)
        known = outline_of(config)
        self._spec = WorldSpec(
            robots=len(known.agents),
            worlds=config.worlds,
            observation_size=max(known.features),
            observation_dtype=np.dtype(np.float32),
            actions=max(known.actions),
            bound=np.array(known.bound, np.float32),
        )
        self._body = np.zeros(self._spec.robots, np.uint8)
        self._illegal = np.zeros(self._spec.robots, np.int64)
        self._workers: Workers | None = None
        self._board: Board | None = None

    @property
    def spec(self) -> WorldSpec:
        """Shapes and types; constant."""
        return self._spec

    def reset(self, seed: int, out: Array) -> None:
        """Start every copy afresh and write the observations into `out` f32 (N, E, D). Agents offline stay offline.

        Episode k of copy e is reset with a seed that `seed`, e and k decide. With `stagger` the first episodes are cut
        short by different amounts. Raises WorldError if the environment does.
        """
        if self._workers is None:
            self._board, self._workers = self._begin()
        self._workers.ask(f"reset {seed}")
        self.observe(out)

    def step(self, actions: npt.NDArray[np.uint8], out: Array) -> Step:
        """Apply `actions` uint8 (N, E), write the next observations into `out` f32 (N, E, D); ended copies are reset.

        An action that no agent has is taken for the first, and counted in `metrics()["illegal"]`. Raises WorldError for
        arrays of another shape or type, if an environment raises (the text names the copy), or if a process of it is
        gone; all of them then are.
        """
        check_actions(actions, self._spec)
        board, workers = self._begun()
        illegal = actions >= self._spec.actions
        self._illegal += illegal.sum(axis=1)
        offline = self._body != 0
        board.actions[:] = np.where(illegal | offline[:, None], 0, actions)
        workers.ask("step")
        board.rewards[offline] = 0.0
        board.final_obs[offline] = 0.0
        self.observe(out)
        return Step(board.rewards, board.terminated, board.truncated, board.final_obs, board.gone)

    def observe(self, out: Array) -> None:
        """Write the present observations into `out` f32 (N, E, D). Raises WorldError for another shape or type."""
        flat_rows(out, self._spec)
        board, _ = self._begun()
        out[:] = board.obs
        out[self._body != 0] = 0.0

    @property
    def bodies(self) -> tuple[Body, ...]:
        """Whether each agent takes part."""
        return tuple(BODIES[body] for body in self._body)

    def set_body(self, robot: int, body: Body) -> None:
        """Take an agent out of every copy, or put it back."""
        self._body[robot] = body_number(robot, body, self._spec)

    def floor_view(self) -> FloorView:
        """Raises SetupError: there is no floor that a planner knows."""
        raise no_floor('"pettingzoo" has no floor')

    def traffic_view(self) -> TrafficView:
        """Raises SetupError: there is no floor that a planner knows."""
        raise no_floor('"pettingzoo" has no floor')

    def metrics(self) -> Mapping[str, npt.NDArray[np.int64]]:
        """Since the world was made: `illegal` (N,), the actions that no agent has. Nobody knows what a delivery is."""
        return {"illegal": self._illegal.copy()}

    def state(self) -> dict[str, Array]:
        """Raises WorldError: nobody knows where a foreign environment keeps its state."""
        raise WorldError(_NO_STATE)

    def set_state(self, state: Mapping[str, Array]) -> None:
        """Raises WorldError, as `state`."""
        raise WorldError(_NO_STATE)

    def render(self, copy: int = 0) -> npt.NDArray[np.uint8]:
        """One copy as an image, uint8 (height, width, 3).

        Raises SetupError unless the environment was made with `args.render_mode = "rgb_array"`.
        """
        _, workers = self._begun()
        answer = workers.render(copy)
        shape = np.frombuffer(answer, np.int64, 3)
        return np.frombuffer(answer, np.uint8, offset=shape.nbytes).reshape(shape)

    def _begin(self) -> tuple[Board, Workers]:
        table = pettingzoo_table(self.config)
        descriptor = os.memfd_create("fleet-world")
        try:
            board = Board.on(descriptor, self._spec.robots, self._spec.worlds, self._spec.observation_size)
            job = Job(
                table.env,
                table.args,
                link=-1,
                board=descriptor,
                max_steps=self.config.max_steps,
                clock=tuple(first_clock(self.config).tolist()),
            )
            workers = Workers(job, worker_count(self.config))
        finally:
            os.close(descriptor)
        known = outline_of(self.config)
        for made in workers.outlines:
            if (made.agents, made.actions, made.features) != (known.agents, known.actions, known.features):
                raise WorldError(f"{table.env}: its agents or spaces aren't the same each time it is made")
        return board, workers

    def _begun(self) -> tuple[Board, Workers]:
        if self._board is None or self._workers is None:
            raise SetupError("a world that hasn't begun; call reset first")
        return self._board, self._workers
