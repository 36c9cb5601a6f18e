"""Some copies of a parallel environment, one after the other: what a worker does between two words with the world.

All that is seen and paid goes into the board. Nothing is carried from one episode to the next but how many there were.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from env_server.errors import SetupError, WorldError
from env_server.pettingzoo.board import Board
from env_server.pettingzoo.make import readers
from env_server.pettingzoo.spaces import first_and_count
from fleet.core.seeds import stream


class Copies:
    """The copies from `first` on of a world, an environment each; `board` has their columns, `clock` first steps.

    An agent that ends before the others of its copy is terminated in that step. From then on it sees zeros, is paid
    nothing, and what it does is passed over; it stays terminated, so that none of this is worth anything to a learner,
    and `gone`, so that nobody takes it for another episode. A copy begins afresh once nobody is left in it.
    """

    def __init__(
        self, envs: Sequence[Any], board: Board, first: int, max_steps: int, clock: npt.NDArray[np.int64]
    ) -> None:
        self._envs, self._board, self._first, self._max_steps = envs, board, first, max_steps
        self._agents = list(envs[0].possible_agents)
        self._place = {agent: place for place, agent in enumerate(self._agents)}
        self._readers = readers(envs[0])
        self._actions = [first_and_count(envs[0].action_space(agent), str(agent)) for agent in self._agents]
        self._first_clock = clock
        self._clock = clock.copy()
        self._alive = np.zeros((len(self._agents), len(envs)), np.bool_)
        self._episode = [0] * len(envs)
        self._seed = 0

    def reset(self, seed: int) -> None:
        """Begin every copy afresh. Each episode of each copy has a seed of its own, whoever steps it."""
        self._seed = seed
        self._episode = [0] * len(self._envs)
        for flags in (self._board.terminated, self._board.truncated, self._board.gone):
            flags[:] = False
        for copy in range(len(self._envs)):
            self._guarded(self._begin, copy)
        self._clock[:] = self._first_clock

    def step(self) -> None:
        """Do what the board's `actions` say, in every copy."""
        for copy in range(len(self._envs)):
            self._guarded(self._advance, copy)

    def render(self, copy: int) -> npt.NDArray[np.uint8]:
        """One of these copies as an image, uint8 (height, width, 3). Raises SetupError if it isn't made for that."""
        mode = getattr(self._envs[copy], "render_mode", None)
        if mode != "rgb_array":
            raise SetupError(f'render_mode = "{mode}"; allowed is world.pettingzoo.args.render_mode = "rgb_array"')
        image = np.asarray(self._envs[copy].render())
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise WorldError(f"an image that is {image.dtype} {image.shape}; wanted uint8 (height, width, 3)")
        return image

    def close(self) -> None:
        """Let go of the environments."""
        for env in self._envs:
            env.close()

    def _guarded(self, do: Callable[[int], None], copy: int) -> None:
        """Have what an environment raises say which copy it was."""
        try:
            do(copy)
        except WorldError as error:
            raise WorldError(f"copy {self._first + copy}: {error}") from error
        except Exception as error:
            raise WorldError(f"copy {self._first + copy}: {type(error).__name__}: {error}") from error

    def _begin(self, copy: int) -> None:
        """The next episode of `copy`."""
        words = stream(self._seed, "world", self._first + copy, self._episode[copy]).generate_state(1)
        self._episode[copy] += 1
        self._clock[copy] = 0
        env = self._envs[copy]
        observations, _ = env.reset(seed=int(words[0] >> 1))  # some take no seed above 2^31
        here = set(env.agents)
        for place, agent in enumerate(self._agents):
            self._alive[place, copy] = agent in here
            self._see(place, copy, observations.get(agent) if agent in here else None)
        if not self._alive[:, copy].any():
            raise WorldError("no agents after its reset")

    def _advance(self, copy: int) -> None:
        env, board = self._envs[copy], self._board
        given = env.step({agent: self._action(self._place[agent], copy) for agent in env.agents})
        observations, rewards, terminations, truncations, _ = given
        self._clock[copy] += 1
        late = bool(self._clock[copy] >= self._max_steps)
        left = set(env.agents)
        for place, agent in enumerate(self._agents):
            if not self._alive[place, copy]:
                self._pass_over(place, copy)
                continue
            truncated = bool(truncations.get(agent, False))
            # one that is left out without a word has ended as well
            terminated = bool(terminations.get(agent, agent not in left and not truncated))
            truncated = truncated or (late and not terminated)
            self._see(place, copy, observations.get(agent))
            self._pay(place, copy, rewards.get(agent, 0.0))
            board.terminated[place, copy], board.truncated[place, copy] = terminated, truncated
            board.gone[place, copy] = False
            if terminated or truncated:
                self._end(place, copy)
        if not self._alive[:, copy].any():
            self._begin(copy)

    def _action(self, place: int, copy: int) -> int:
        """The action in the agent's own numbers, of which there may be fewer than of the others'.

        One beyond its own goes round: they all stay about as likely as one another, where taking them for the first
        would have an agent that tries everything do mostly that.
        """
        first, count = self._actions[place]
        return first + int(self._board.actions[place, copy]) % count if self._alive[place, copy] else first

    def _see(self, place: int, copy: int, seen: Any) -> None:
        row = self._board.obs[place, copy]
        row[:] = 0.0
        if seen is not None:
            reader = self._readers[place]
            row[: reader.size] = reader.read(seen)

    def _pay(self, place: int, copy: int, reward: Any) -> None:
        paid = float(reward)
        if not math.isfinite(paid):
            raise WorldError(f"{self._agents[place]} is paid {paid}")
        self._board.rewards[place, copy] = paid

    def _end(self, place: int, copy: int) -> None:
        self._alive[place, copy] = False
        self._board.final_obs[place, copy] = self._board.obs[place, copy]
        self._see(place, copy, None)

    def _pass_over(self, place: int, copy: int) -> None:
        """A step of one that has ended."""
        board = self._board
        board.rewards[place, copy] = 0.0
        board.terminated[place, copy], board.truncated[place, copy], board.gone[place, copy] = True, False, True
