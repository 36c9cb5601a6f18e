"""A round's worth of steps: the world and the actors side by side, written once into the arrays that learners get.

Acting sits beside the world because a message per robot per step would cost more than the step. The arrays of a round
are made afresh, since the wire may still be sending the last round's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter, thread_time

import numpy as np
import numpy.typing as npt

from actors.acting import uniforms
from actors.policy import Acting
from env_server.afflictions import Afflictions, Troubles
from env_server.movement import Movement
from env_server.protocol import Body, World
from fleet.core.seeds import stream
from fleet.core.spec import Array, RolloutBatch


@dataclass
class Round:
    """T steps of all robots: robot-major arrays as in `RolloutBatch`, and where the time went (seconds).

    `finals`: for each step that cut episodes off, in order, the observations they ended in, (K, D) in C order of
    (r, e), and where each robot's begin, (N + 1,). `moved`: how far the policies moved since the round before
    (`Movement.since`), and `measures_s` the processor time it took to find out.
    """

    steps: int
    obs: Array
    actions: npt.NDArray[np.uint8]
    log_probs: npt.NDArray[np.float32]
    rewards: npt.NDArray[np.float32]
    terminated: npt.NDArray[np.bool_]
    truncated: npt.NDArray[np.bool_]
    finals: list[tuple[Array, npt.NDArray[np.intp]]] = field(default_factory=list)
    world_s: float = 0.0
    acting_s: float = 0.0
    moved: Mapping[str, float] = field(default_factory=dict)
    measures_s: float = 0.0

    def rollout(self, robots: Sequence[int]) -> RolloutBatch:
        """What one learner gets of it. Arrays of consecutive robots are views, others are copies."""
        first, after = robots[0], robots[-1] + 1
        index: slice | list[int] = slice(first, after) if after - first == len(robots) else list(robots)
        return RolloutBatch(
            robots=tuple(robots),
            obs=self.obs[index],
            actions=self.actions[index],
            log_probs=self.log_probs[index],
            rewards=self.rewards[index],
            terminated=self.terminated[index],
            truncated=self.truncated[index],
            final_obs=self._finals(robots),
        )

    def _finals(self, robots: Sequence[int]) -> Array:
        """Final observations of truncated episodes (K, D), in C order of (r, t, e)."""
        none: Array = np.empty((0, self.obs.shape[-1]), self.obs.dtype)
        parts = [rows[first[robot] : first[robot + 1]] for robot in robots for rows, first in self.finals]
        return np.concatenate([none, *parts])


class Collector:
    """Steps `world` under `policy`, round by round; keeps the current observation and the running returns.

    Robots can be afflicted: what they see and do then goes through an `Afflictions`. What a rollout holds is what the
    robot saw and what its policy chose, not what was there and what came of it.
    """

    def __init__(self, world: World, policy: Acting, seed: int, steps: int) -> None:
        self.world = world
        self.policy = policy
        self._seed = seed
        self._steps = steps
        spec = world.spec
        self._obs: Array = np.zeros((spec.robots, spec.worlds, spec.observation_size), spec.observation_dtype)
        self._returns = np.zeros((spec.robots, spec.worlds), np.float64)
        self._afflicted: Afflictions | None = None
        self._movement = Movement(policy)
        self.episode_returns: list[npt.NDArray[np.float64]] = []

    def reset(self, life: int = 0) -> None:
        """Start every copy afresh from the run's seed; a later life of the server has episodes of its own."""
        seed = int(stream(self._seed, "life", life).generate_state(1, np.uint64)[0] >> 1) if life else self._seed
        self.world.reset(seed, self._obs)

    def suffer(self, afflictions: Afflictions, bodies: Mapping[int, Body]) -> None:
        """From now on the robots are afflicted so, and `bodies` are off; all others are as they should be.

        Between two rounds. Whoever sees sees at once what has changed; whoever is frozen keeps what it saw last.
        """
        before = self._obs.copy()
        for robot, now in enumerate(self.world.bodies):
            wanted = bodies.get(robot, "online")
            if wanted != now:
                self.world.set_body(robot, wanted)
        self.world.observe(self._obs)
        afflictions.blinded(self._obs, before)
        self._afflicted = afflictions or None

    def collect(self, number: int, stop: Callable[[], bool] = lambda: False) -> Round:
        """Round `number`: T steps, fewer if `stop()` turns true between two steps (`Round.steps` says how many)."""
        spec, steps = self.world.spec, self._steps
        shape = (spec.robots, steps, spec.worlds)
        taken = Round(
            steps=steps,
            obs=np.empty((spec.robots, steps + 1, spec.worlds, spec.observation_size), spec.observation_dtype),
            actions=np.empty(shape, np.uint8),
            log_probs=np.empty(shape, np.float32),
            rewards=np.empty(shape, np.float32),
            terminated=np.empty(shape, np.bool_),
            truncated=np.empty(shape, np.bool_),
        )
        began = thread_time()
        taken.moved = self._movement.since()
        taken.measures_s = thread_time() - began
        taken.obs[:, 0] = self._obs
        drawn = uniforms(self._seed, range(spec.robots), number, steps, spec.worlds)
        troubles = self._afflicted.draw(self._seed, number, steps, spec.worlds) if self._afflicted else None
        self.episode_returns = []
        for step in range(steps):
            if stop():
                taken.steps = step
                break
            self._step(taken, step, drawn[step], troubles)
        self._obs = taken.obs[:, taken.steps].copy()
        if taken.steps == steps:
            began = thread_time()
            self._movement.keep(taken.obs, taken.actions)
            taken.measures_s += thread_time() - began
        return taken

    def _step(self, taken: Round, step: int, drawn: npt.NDArray[np.float32], troubles: Troubles | None) -> None:
        began = perf_counter()
        actions, log_probs = self.policy.act(taken.obs[:, step], drawn)
        acted = perf_counter()
        done = actions if troubles is None else troubles.done(actions, step)
        result = self.world.step(done, taken.obs[:, step + 1])
        final_obs = result.final_obs
        if self._afflicted is not None:
            final_obs = self._blind(taken, step, final_obs)
        taken.acting_s += acted - began
        taken.world_s += perf_counter() - acted
        taken.actions[:, step] = actions
        taken.log_probs[:, step] = log_probs
        taken.rewards[:, step] = result.rewards
        taken.terminated[:, step] = result.terminated
        taken.truncated[:, step] = result.truncated
        self._returns += result.rewards
        cut = result.truncated & ~result.terminated
        if cut.any():
            taken.finals.append((final_obs[cut], np.concatenate([[0], cut.sum(axis=1).cumsum()])))
        ended = result.terminated | result.truncated
        if result.gone is not None:
            ended &= ~result.gone
        if ended.any():
            self.episode_returns.append(self._returns[ended])
            self._returns[ended] = 0.0

    def _blind(self, taken: Round, step: int, final_obs: Array) -> Array:
        """Have the blind see nothing of what the step led to; gives what they make of how episodes ended."""
        assert self._afflicted is not None
        if not self._afflicted.blind:
            return final_obs
        self._afflicted.blinded(taken.obs[:, step + 1], taken.obs[:, step])
        final_obs = final_obs.copy()
        self._afflicted.blinded(final_obs, taken.obs[:, step])
        return final_obs

    def state(self) -> dict[str, Array]:
        """What a snapshot keeps: the world's state under `world.`, the current observation and the running returns."""
        kept = {f"world.{name}": array for name, array in self.world.state().items()}
        return kept | {"obs": self._obs.copy(), "returns": self._returns.copy()}

    def set_state(self, state: dict[str, Array]) -> None:
        """Go on from what `state()` gave."""
        self.world.set_state({k.removeprefix("world."): v for k, v in state.items() if k.startswith("world.")})
        self._obs = state["obs"].copy()
        self._returns = np.asarray(state["returns"], np.float64).copy()
