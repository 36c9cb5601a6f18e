"""The passes that PPO makes over one rollout: each over all samples, in a new order, minibatch by minibatch."""

from collections.abc import Callable, Sequence
from math import ceil

import numpy as np
import numpy.typing as npt

from fleet.core.config import LearnerConfig
from learners.diagnostics import mean_kl
from learners.protocol import Tick

Rows = npt.NDArray[np.int64]


def passes(
    cfg: LearnerConfig,
    orders: np.random.Generator,
    size: int,
    step: Callable[[Rows], Sequence[float]],
    tick: Tick | None,
) -> list[Sequence[float]]:
    """The figures of all gradient steps over `size` samples, `step(rows)` making one; `tick` is called after each.

    Stops after a pass whose mean KL exceeds `target_kl`.
    """
    figures: list[Sequence[float]] = []
    for _ in range(cfg.epochs):
        epoch = []
        for rows in minibatches(orders.permutation(size), cfg.minibatch):
            epoch.append(step(rows))
            if tick is not None:
                tick()
        figures += epoch
        if cfg.target_kl is not None and mean_kl(epoch) > cfg.target_kl:
            break
    return figures


def minibatches(order: Rows, most: int) -> list[Rows]:
    """`order` (n,) in as few equal parts as possible of at most `most` samples."""
    return np.array_split(order, ceil(len(order) / most))
