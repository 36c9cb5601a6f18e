"""Small parallel environments for the tests of foreign worlds, named in configs by `tests.env_server.foreign:...`."""

from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import AECEnv, ParallelEnv

AGENTS = ("early", "middle", "last")


class Leaving(ParallelEnv[str, Any, int]):
    """Agent k leaves in step `ends[k]`, counted from 1: terminated, or truncated where `cut` names it.

    Agent k has k + 2 actions counted from k, observes k + 1 numbers: its draw of the episode, then the steps so far. It
    is paid its action plus ten times its number. `keep` leaves who has ended in `agents`, as some environments do.
    """

    metadata = {"name": "leaving"}

    def __init__(
        self,
        ends: tuple[int, ...] = (2, 3, 5),
        cut: tuple[str, ...] = (),
        keep: bool = False,
        silent: bool = False,
        render_mode: str | None = None,
        absent: tuple[str, ...] = (),
        fails_at: int = 0,
        poison: float | None = None,
    ) -> None:
        self.possible_agents = list(AGENTS[: len(ends)])
        self.render_mode = render_mode
        self.ends = dict(zip(self.possible_agents, ends, strict=True))
        self.cut, self.keep, self.silent, self.absent = cut, keep, silent, absent
        self.fails_at, self.poison = fails_at, poison
        self.given: list[dict[str, int]] = []

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        return spaces.Box(-4.0, 50.0, (1 + AGENTS.index(agent),))

    def action_space(self, agent: str) -> spaces.Space[Any]:
        place = AGENTS.index(agent)
        return spaces.Discrete(place + 2, start=place)

    def reset(self, seed: int | None = None, options: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        self.agents = [agent for agent in self.possible_agents if agent not in self.absent]
        self.done: set[str] = set()
        self.steps, self.draw = 0, np.random.default_rng(seed).random()
        return {agent: self._seen(agent) for agent in self.agents}, {agent: {} for agent in self.agents}

    def step(self, actions: dict[str, int]) -> Any:
        assert set(actions) == set(self.agents)
        assert all(self.action_space(agent).contains(action) for agent, action in actions.items())
        self.given.append(dict(actions))
        self.steps += 1
        if self.steps == self.fails_at:
            raise RuntimeError("out of luck")
        over = {agent: self.steps >= self.ends[agent] for agent in self.agents}
        seen = {agent: self._seen(agent) for agent in self.agents}
        paid = {agent: float(actions[agent] + 10 * AGENTS.index(agent)) for agent in self.agents}
        terminated = {agent: over[agent] and agent not in self.cut for agent in self.agents}
        truncated = {agent: over[agent] and agent in self.cut for agent in self.agents}
        infos: dict[str, Any] = {agent: {} for agent in self.agents}
        self.done |= {agent for agent in self.agents if over[agent]}
        if self.silent:
            terminated = {}
        if not self.keep or len(self.done) == len(self.agents):
            self.agents = [agent for agent in self.agents if agent not in self.done]
        return seen, paid, terminated, truncated, infos

    def render(self) -> Any:
        return np.full((4, 6, 3), self.steps, np.uint8)

    def _seen(self, agent: str) -> np.ndarray:
        place = AGENTS.index(agent)
        row = np.array([self.draw, self.steps, place], np.float64)[: place + 1]
        return row if self.poison is None else np.full_like(row, self.poison)


class Odd(Leaving):
    """One whose spaces are what it is told."""

    def __init__(self, seen: str = "box", acts: str = "discrete", agents: int = 2) -> None:
        super().__init__()
        self.possible_agents = [f"agent_{k}" for k in range(agents)]
        self.seen, self.acts = seen, acts

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        return {
            "box": spaces.Box(-1.0, 1.0, (2,)),
            "image": spaces.Box(0, 255, (84, 84, 3), np.uint8),
            "dict": spaces.Dict({"a": spaces.Discrete(2)}),
        }[self.seen]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        return {"discrete": spaces.Discrete(2), "many": spaces.Discrete(257), "box": spaces.Box(-1.0, 1.0, (2,))}[
            self.acts
        ]


class Turns(AECEnv[str, Any, int]):
    """An environment whose agents take turns."""


leaving, odd, turns = Leaving, Odd, Turns
not_callable = 3


def other() -> object:
    return object()


def breaks() -> None:
    raise ValueError("no luck today")


def prints() -> Leaving:
    print("a banner")
    return Leaving()
