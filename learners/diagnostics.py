"""What an update says about itself. The loop only collects tensors; they are read once, when it is over."""

import torch
from torch import Tensor

STEP_FIGURES = ("policy_loss", "value_loss", "entropy", "kl", "clip_fraction", "grad_norm")


def step_means(steps: list[tuple[Tensor, ...]]) -> dict[str, float]:
    """The mean over an update's gradient steps of each of STEP_FIGURES, from one tuple of scalars per step."""
    means = torch.stack([torch.stack(step) for step in steps]).mean(0).tolist()
    return dict(zip(STEP_FIGURES, means, strict=True))


def mean_kl(steps: list[tuple[Tensor, ...]]) -> float:
    """The mean KL over some gradient steps."""
    kl = STEP_FIGURES.index("kl")
    return float(torch.stack([step[kl] for step in steps]).mean())


def approximate_kl(log_ratio: Tensor, ratio: Tensor) -> Tensor:
    """KL(old policy || new policy) from samples of the old: the k3 estimator, never negative (Schulman 2020)."""
    return (ratio - 1 - log_ratio).mean()


def explained_variance(values: Tensor, returns: Tensor) -> float:
    """1 - Var(returns - values) / Var(returns): 1 is a perfect critic, 0 a constant one. 0 for constant returns."""
    spread = float(returns.var(correction=0))
    return 1.0 - float((returns - values).var(correction=0)) / spread if spread > 0 else 0.0
