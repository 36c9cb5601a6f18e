"""Evaluation: the current policies on fresh episodes, without learning. Beside the run's own world, never in it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from actors.stacked import StackedPolicy
from env_server.protocol import Body
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
    policy: StackedPolicy,
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
    arena = make_world(world.model_copy(update={"worlds": episodes, "stagger": False}))
    spec = arena.spec
    obs: Array = np.zeros((spec.robots, episodes, spec.observation_size), spec.observation_dtype)
    start = int(stream(seed, "eval").generate_state(1)[0])
    arena.reset(start, obs)
    if offline:
        for robot, body in offline.items():
            arena.set_body(robot, body)
        arena.reset(start, obs)  # once more, since nobody has observed yet that they are off
    draw = generator(seed, "eval", 1)
    returns = np.zeros((spec.robots, episodes))
    for _ in range(world.max_steps):
        if greedy:
            actions = policy.greedy(obs)
        else:
            actions, _ = policy.act(obs, draw.random((spec.robots, episodes), dtype=np.float32))
        returns += arena.step(actions, obs).rewards
        tick()
    delivered = arena.metrics()["deliveries_by_copy"].sum(axis=0)  # (N, K) to (K,)
    rate = delivered / (spec.robots * world.max_steps) * 1000.0
    return Evaluation(returns.mean(axis=0), rate)
