"""`independent.run`, compiled: the same draws from the same generator, so the same tables bit for bit."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fleet.core.compiled import Compiler
from learners.tabular.independent import F64

compiled = Compiler("tabular", [Path(__file__)])


def run(payoffs: F64, seed: int, episodes: int, alpha: float, epsilon: float) -> F64:
    """See `independent.run`."""
    rng = np.random.default_rng(seed)
    agents, actions = payoffs.shape[:2]
    path = np.empty((episodes + 1, agents, actions))
    path[0] = rng.uniform(0.0, 1.0, (agents, actions))
    _learn(rng, np.array(payoffs, order="C"), alpha, epsilon, path)
    return path


def sweep(payoffs: F64, seeds: Sequence[int], episodes: int, alpha: float, epsilon: float) -> F64:
    """The tables that each of `seeds` ends with, f64 (seeds, 2, A)."""
    return np.stack([run(payoffs, seed, episodes, alpha, epsilon)[-1] for seed in seeds])


@compiled
def _learn(rng: np.random.Generator, payoffs: Any, alpha: float, epsilon: float, path: Any) -> None:
    """Fill `path` (episodes + 1, 2, A) from its first tables on."""
    actions = path.shape[2]
    for episode in range(len(path) - 1):
        Q = path[episode + 1]
        Q[:] = path[episode]
        first = np.argmax(Q[0]) if rng.random() > epsilon else rng.integers(0, actions)
        second = np.argmax(Q[1]) if rng.random() > epsilon else rng.integers(0, actions)
        Q[0, first] += alpha * (payoffs[0, first, second] - Q[0, first])
        Q[1, second] += alpha * (payoffs[1, first, second] - Q[1, second])
