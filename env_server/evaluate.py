"""Evaluation: policies or a planner on fresh episodes, without learning. Beside the run's own world, never in it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from actors.choice import Actions
from actors.planner import make_planner
from actors.policy import Acting
from env_server.bound import Bound
from env_server.protocol import Body, World
from env_server.worlds import make_world
from fleet.core.config import WorldConfig
from fleet.core.seeds import generator, stream
from fleet.core.spec import Array


@dataclass(frozen=True)
class Evaluation:
    """Per episode (K,): mean return over robots, and deliveries per robot per 1,000 steps, offline ones counted in.

    `deliveries` are None in a world in which nothing is delivered.
    `bound` is what deliveries would be if no robot ever waited for another (`Bound`); None if it wasn't asked for, or
    without dispatch.
    """

    returns: npt.NDArray[np.float64]
    deliveries: npt.NDArray[np.float64] | None
    bound: npt.NDArray[np.float64] | None = None

    def figures(self) -> dict[str, float]:
        """Means, and the half-width of the 95% interval of each; the bound, if there is one, and the share reached."""
        figures = {"return": float(self.returns.mean()), "return_ci95": half_width(self.returns)}
        if self.deliveries is not None:
            figures["deliveries_per_1000"] = float(self.deliveries.mean())
            figures["deliveries_ci95"] = half_width(self.deliveries)
        if self.deliveries is not None and self.bound is not None:
            most = float(self.bound.mean())
            figures["bound_per_1000"] = most
            figures["bound_ci95"] = half_width(self.bound)
            figures["share_of_bound"] = figures["deliveries_per_1000"] / most if most > 0 else 0.0
        return figures


def half_width(samples: npt.NDArray[np.float64]) -> float:
    """Half the 95% interval of the mean of `samples` (K,), by Student's t; infinite for a single one."""
    count = len(samples)
    if count < 2:
        return float("inf")
    return float(stdtrit(count - 1, 0.975) * samples.std(ddof=1) / np.sqrt(count))


def evaluate(
    world: WorldConfig,
    policy: Acting,
    seed: int,
    *,
    episodes: int,
    greedy: bool = False,
    offline: dict[int, Body] | None = None,
    bounded: bool = False,
    tick: Callable[[], object] = lambda: None,
) -> Evaluation:
    """Play `episodes` whole episodes side by side, each in its own copy.

    `offline` robots are off from the start. Draws depend on `seed` alone, so that two policies evaluated with the same
    seed meet the same episodes. `bounded` works out the bound as well. `tick` is called with each step.
    """
    arena = make_world(_one_copy_each(world, episodes))
    draw = generator(seed, "eval", 1)

    def choose(obs: Array) -> Actions:
        if greedy:
            return policy.greedy(obs)
        return policy.act(obs, draw.random(obs.shape[:2], dtype=np.float32))[0]

    return _play(arena, choose, seed, world, offline or {}, bounded, tick)


def evaluate_planner(
    world: WorldConfig,
    name: str,
    seed: int,
    *,
    episodes: int,
    offline: dict[int, Body] | None = None,
    bounded: bool = False,
    tick: Callable[[], object] = lambda: None,
) -> Evaluation:
    """Play the same episodes as `evaluate` with the planner called `name`.

    Raises BadInput without dispatch, and if there is no such planner.
    """
    arena = make_world(_one_copy_each(world, episodes))
    planner = make_planner(name, arena.floor_view(), arena.spec.robots, episodes)
    return _play(arena, lambda _: planner.act(arena.traffic_view()), seed, world, offline or {}, bounded, tick)


def _one_copy_each(world: WorldConfig, episodes: int) -> WorldConfig:
    """The world with one copy per episode, all started at once."""
    return world.model_copy(update={"worlds": episodes, "stagger": False})


def _play(
    arena: World,
    choose: Callable[[Array], Actions],
    seed: int,
    world: WorldConfig,
    offline: dict[int, Body],
    bounded: bool,
    tick: Callable[[], object],
) -> Evaluation:
    """One episode in each copy, with the actions (N, K) that `choose` gives for observations (N, K, D).

    What is paid in a copy that has begun another, since it ended before `max_steps`, doesn't count.
    """
    spec = arena.spec
    obs: Array = np.zeros((spec.robots, spec.worlds, spec.observation_size), spec.observation_dtype)
    start = int(stream(seed, "eval").generate_state(1)[0])
    arena.reset(start, obs)
    if offline:
        for robot, body in offline.items():
            arena.set_body(robot, body)
        arena.reset(start, obs)  # once more, since nobody has observed yet that they are off
    returns = np.zeros((spec.robots, spec.worlds))
    playing = np.ones(spec.worlds, np.bool_)
    bound = None
    if bounded and world.dispatch != "off":
        bound = Bound(arena.floor_view(), spec.robots, spec.worlds)
    for _ in range(world.max_steps):
        if bound is not None:
            bound.look(arena.traffic_view())
        step = arena.step(choose(obs), obs)
        returns[:, playing] += step.rewards[:, playing]
        playing &= ~(step.terminated | step.truncated).all(axis=0)
        tick()
        if not playing.any():
            break
    delivered = arena.metrics().get("deliveries_by_copy")  # (N, K)
    rate = None if delivered is None else delivered.sum(axis=0) / (spec.robots * world.max_steps) * 1000.0
    return Evaluation(returns.mean(axis=0), rate, None if bound is None else bound.deliveries())
