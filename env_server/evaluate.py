"""Evaluation: policies or a planner on fresh episodes, without learning. Beside the run's own world, never in it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from actors.choice import Actions
from actors.greedy import Greedy
from actors.policy import Policy
from env_server.protocol import Body, World
from env_server.worlds import make_world
from fleet.core.config import WorldConfig
from fleet.core.seeds import generator, stream
from fleet.core.spec import Array


@dataclass(frozen=True)
class Evaluation:
    """Per episode (K,): mean return over robots, and deliveries per robot per 1,000 steps, offline ones counted in."""

    returns: npt.NDArray[np.float64]
    deliveries: npt.NDArray[np.float64]

    def figures(self) -> dict[str, float]:
        """Means, and the half-width of the 95% interval of each."""
        return {
            "return": float(self.returns.mean()),
            "return_ci95": half_width(self.returns),
            "deliveries_per_1000": float(self.deliveries.mean()),
            "deliveries_ci95": half_width(self.deliveries),
        }


def half_width(samples: npt.NDArray[np.float64]) -> float:
    """Half the 95% interval of the mean of `samples` (K,), by Student's t; infinite for a single one."""
    count = len(samples)
    if count < 2:
        return float("inf")
    return float(stdtrit(count - 1, 0.975) * samples.std(ddof=1) / np.sqrt(count))


def evaluate(
    world: WorldConfig,
    policy: Policy,
    seed: int,
    *,
    episodes: int,
    greedy: bool = False,
    offline: dict[int, Body] | None = None,
    tick: Callable[[], object] = lambda: None,
) -> Evaluation:
    """Play `episodes` whole episodes side by side, each in its own copy.

    `offline` robots are off from the start. Draws depend on `seed` alone, so that two policies evaluated with the same
    seed meet the same episodes. `tick` is called with each step.
    """
    arena = make_world(_one_copy_each(world, episodes))
    draw = generator(seed, "eval", 1)

    def choose(obs: Array) -> Actions:
        if greedy:
            return policy.greedy(obs)
        return policy.act(obs, draw.random(obs.shape[:2], dtype=np.float32))[0]

    return _play(arena, choose, seed, world.max_steps, offline or {}, tick)


def evaluate_planner(
    world: WorldConfig,
    seed: int,
    *,
    episodes: int,
    offline: dict[int, Body] | None = None,
    tick: Callable[[], object] = lambda: None,
) -> Evaluation:
    """Play the same episodes as `evaluate` with the hand-tuned planner. Raises BadInput without dispatch."""
    arena = make_world(_one_copy_each(world, episodes))
    planner = Greedy(arena.floor_view(), arena.spec.robots, episodes)
    return _play(arena, lambda _: planner.act(arena.traffic_view()), seed, world.max_steps, offline or {}, tick)


def _one_copy_each(world: WorldConfig, episodes: int) -> WorldConfig:
    """The world with one copy per episode, all started at once."""
    return world.model_copy(update={"worlds": episodes, "stagger": False})


def _play(
    arena: World,
    choose: Callable[[Array], Actions],
    seed: int,
    steps: int,
    offline: dict[int, Body],
    tick: Callable[[], object],
) -> Evaluation:
    """One episode of `steps` in each copy, with the actions (N, K) that `choose` gives for observations (N, K, D)."""
    spec = arena.spec
    obs: Array = np.zeros((spec.robots, spec.worlds, spec.observation_size), spec.observation_dtype)
    start = int(stream(seed, "eval").generate_state(1)[0])
    arena.reset(start, obs)
    if offline:
        for robot, body in offline.items():
            arena.set_body(robot, body)
        arena.reset(start, obs)  # once more, since nobody has observed yet that they are off
    returns = np.zeros((spec.robots, spec.worlds))
    for _ in range(steps):
        returns += arena.step(choose(obs), obs).rewards
        tick()
    delivered = arena.metrics()["deliveries_by_copy"].sum(axis=0)  # (N, K) to (K,)
    rate = delivered / (spec.robots * steps) * 1000.0
    return Evaluation(returns.mean(axis=0), rate)
