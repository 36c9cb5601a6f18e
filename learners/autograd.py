"""PPO's gradient steps through torch's autograd: for every network, and what the compiled ones are held to."""

from math import ceil
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - its usual name

from fleet.core.config import LearnerConfig
from fleet.core.spec import RolloutBatch
from learners.adam import Adam
from learners.diagnostics import approximate_kl
from learners.network import ActorCritic
from learners.normalize import Normalizer
from learners.protocol import F32
from learners.rollouts import owned


class Samples(NamedTuple):
    """What the loss needs, flat over (r, t, e): scaled obs (B, D), actions (B, 1) int64, the rest f32 (B,)."""

    obs: Tensor
    actions: Tensor
    log_probs: Tensor
    advantages: Tensor
    returns: Tensor
    values: Tensor


class AutogradDescent:
    """See `Descent`. `parameters` (P,) are moved in place, and `adam` with them."""

    def __init__(
        self, settings: LearnerConfig, network: ActorCritic, parameters: Tensor, adam: Adam, normalizer: Normalizer
    ) -> None:
        self.settings = settings
        self._network, self._parameters, self._adam, self._normalizer = network, parameters, adam, normalizer
        self._obs = torch.empty(0)
        self.samples: Samples | None = None

    def values(self, rollout: RolloutBatch) -> tuple[F32, F32]:
        """See `Descent.values`."""
        self._obs = self._normalizer.apply_(owned(rollout.obs))
        values = self._values(self._obs.flatten(0, 2)).view(self._obs.shape[:3])
        return values.numpy(), self._values(self._normalizer.apply_(owned(rollout.final_obs))).numpy()

    def begin(self, rollout: RolloutBatch, values: F32, advantages: F32, returns: F32) -> None:
        """See `Descent.begin`."""
        self.samples = Samples(
            obs=self._obs[:, :-1].flatten(0, 2),
            actions=owned(rollout.actions, torch.int64).view(-1, 1),
            log_probs=owned(rollout.log_probs).view(-1),
            advantages=owned(advantages).view(-1),
            returns=owned(returns).view(-1),
            values=owned(values[:, :-1]).view(-1),
        )

    def step(self, rows: npt.NDArray[np.int64], rate: float) -> list[float]:
        """See `Descent.step`."""
        assert self.samples is not None
        picked = torch.from_numpy(rows)
        batch = Samples._make(column.index_select(0, picked) for column in self.samples)
        gradient, figures = clipped_gradient(self.settings, self._network, self._parameters, batch)
        self._adam.step(self._parameters, gradient, rate)
        return torch.stack(figures).tolist()

    def _values(self, obs: Tensor) -> Tensor:
        """The critic's values of (B, D), a block at a time, so that a big group's activations stay small."""
        blocks = obs.tensor_split(ceil(len(obs) / 4096) or 1)
        return torch.cat([self._network.values(self._parameters, block) for block in blocks])


def clipped_gradient(
    cfg: LearnerConfig, network: ActorCritic, parameters: Tensor, batch: Samples
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The loss's gradient, clipped, and the step's STEP_FIGURES, the last being its norm before. Axes as in `loss`."""
    leaf = parameters.detach().requires_grad_()
    total, figures = loss(cfg, network, leaf, batch)
    (gradient,) = torch.autograd.grad(total.sum(), leaf)  # of each learner's own loss: they share no parameter
    return gradient, (*figures, clip_(gradient, cfg.max_grad_norm))


def clip_(gradient: Tensor, most: float | None) -> Tensor:
    """The norms (...) that gradients (..., P) had; those above `most`, if there is a limit, are scaled down to it."""
    norm: Tensor = torch.linalg.vector_norm(gradient, dim=-1)
    if most is not None:
        gradient *= (most / (norm + 1e-6)).clamp(max=1.0).unsqueeze(-1)
    return norm


def loss(
    cfg: LearnerConfig, network: ActorCritic, parameters: Tensor, batch: Samples
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """What a gradient step descends, and the step's figures. Equation 9 of the PPO paper, negated.

    The value loss is half the mean squared error, as in most implementations. With a leading axis of several learners'
    parameters and samples all are of each learner.
    """
    logits, values = network(parameters, batch.obs)
    log_pi = F.log_softmax(logits.mT, -2)  # (A, B): reducing over a short last axis is slow
    log_ratio = log_pi.gather(-2, batch.actions.mT).squeeze(-2) - batch.log_probs
    ratio = log_ratio.exp()

    advantages = normalized(batch.advantages) if cfg.normalize_advantage else batch.advantages
    clipped_ratio = ratio.clamp(1 - cfg.clip_coef, 1 + cfg.clip_coef)
    policy_loss = -torch.minimum(ratio * advantages, clipped_ratio * advantages).mean(-1)
    value_loss = _value_loss(cfg.value_clip, values, batch)
    entropy = -(log_pi.exp() * log_pi).sum(-2).mean(-1)
    total = policy_loss + cfg.value_coef * value_loss - cfg.entropy_coef * entropy

    with torch.no_grad():
        kl = approximate_kl(log_ratio, ratio)
        clip_fraction = (ratio != clipped_ratio).float().mean(-1)
    return total, (policy_loss.detach(), value_loss.detach(), entropy.detach(), kl, clip_fraction)


def normalized(advantages: Tensor) -> Tensor:
    """Centred and divided by the standard deviation, (..., B); all zeros if B is 1."""
    deviation, mean = torch.std_mean(advantages, -1, correction=0, keepdim=True)
    return (advantages - mean) / (deviation + 1e-8)


def _value_loss(clip: float | None, values: Tensor, batch: Samples) -> Tensor:
    error = (values - batch.returns).square()
    if clip is not None:
        change = (values - batch.values).clamp(-clip, clip)
        error = torch.maximum(error, (batch.values + change - batch.returns).square())
    return 0.5 * error.mean(-1)
