"""What an update says about itself."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from torch import Tensor

from learners.protocol import F32

STEP_FIGURES = ("policy_loss", "value_loss", "entropy", "kl", "clip_fraction", "grad_norm")
CENTRAL_FIGURES = (*STEP_FIGURES, "critic_grad_norm")
"""Of learners that clip the critic's gradient apart from the actors'."""


def step_means(steps: Sequence[Sequence[float]], names: Sequence[str] = STEP_FIGURES) -> dict[str, float]:
    """The mean over an update's gradient steps of each of their figures."""
    return dict(zip(names, np.mean(steps, axis=0).tolist(), strict=True))


def mean_kl(steps: Sequence[Sequence[float]]) -> float:
    """The mean KL over some gradient steps."""
    kl = STEP_FIGURES.index("kl")
    return float(np.mean([step[kl] for step in steps]))


def ghost_gap(errors: F32, versions: npt.NDArray[np.int64]) -> float:
    """How much worse old steps are fitted than new ones: the mean absolute error of the oldest third less the newest's.

    errors f32 (B,), absolute; versions int64 (B,), by which steps are old or new. The oldest third are all that are
    as old as the B // 3 oldest, the newest accordingly. 0 where these overlap, so that age tells nothing apart. Above
    0: what old steps say is no longer what new ones say, as where they are of policies that are gone.
    """
    third = len(versions) // 3
    if third == 0:
        return 0.0
    in_order = np.sort(versions)
    oldest, newest = in_order[third - 1], in_order[-third]
    if oldest >= newest:
        return 0.0
    old, new = errors[versions <= oldest], errors[versions >= newest]
    return float(old.mean(dtype=np.float64) - new.mean(dtype=np.float64))


def approximate_kl(log_ratio: Tensor, ratio: Tensor) -> Tensor:
    """KL(old policy || new policy) from samples of the old: the k3 estimator, never negative (Schulman 2020).

    (..., B) to (...).
    """
    return (ratio - 1 - log_ratio).mean(-1)


def explained_variance(values: F32, returns: F32) -> float:
    """1 - Var(returns - values) / Var(returns): 1 is a perfect critic, 0 a constant one. 0 for constant returns."""
    spread = float(returns.var(dtype=np.float64))
    return 1.0 - float((returns - values).var(dtype=np.float64)) / spread if spread > 0 else 0.0
