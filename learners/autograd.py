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
    norm = clip_(gradient, cfg.max_grad_norm)
    return gradient, (*figures, norm)


def clip_(gradient: Tensor, most: float | None) -> Tensor:
    """Scale a gradient (..., P) down to norm `most`, in place; gives the norm before, (...)."""
    norm: Tensor = torch.linalg.vector_norm(gradient, dim=-1)
    if most is not None:
        gradient *= (most / (norm + 1e-6)).clamp(max=1.0).unsqueeze(-1)
    return norm


def loss(
    cfg: LearnerConfig, network: ActorCritic, parameters: Tensor, batch: Samples
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """What a gradient step descends, and the step's figures. Equation 9 of the PPO paper, negated.

    With a leading axis of several learners' parameters and samples all are of each learner.
    """
    logits, values = network(parameters, batch.obs)
    log_pi = F.log_softmax(logits.mT, -2)  # (A, B): reducing over a short last axis is slow
    log_ratio = log_pi.gather(-2, batch.actions.mT).squeeze(-2) - batch.log_probs
    policy_loss, kl, clip_fraction = policy_terms(cfg, log_ratio, batch.advantages)
    value_loss = half_squared_error(cfg.value_clip, values, batch.values, batch.returns).mean(-1)
    entropy = entropies(log_pi).mean(-1)
    total = policy_loss + cfg.value_coef * value_loss - cfg.entropy_coef * entropy
    return total, (policy_loss.detach(), value_loss.detach(), entropy.detach(), kl, clip_fraction)


def policy_terms(cfg: LearnerConfig, log_ratio: Tensor, advantages: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """PPO's clipped objective, negated, the KL from the policy that acted, and the share of clipped ratios.

    log_ratio, advantages (..., B) to (...) each. Equation 7 of the PPO paper; only the first has a gradient.
    """
    ratio = log_ratio.exp()
    advantages = normalized(advantages) if cfg.normalize_advantage else advantages
    clipped_ratio = ratio.clamp(1 - cfg.clip_coef, 1 + cfg.clip_coef)
    policy_loss = -torch.minimum(ratio * advantages, clipped_ratio * advantages).mean(-1)
    with torch.no_grad():
        kl = approximate_kl(log_ratio, ratio)
        clip_fraction = (ratio != clipped_ratio).float().mean(-1)
    return policy_loss, kl, clip_fraction


def entropies(log_pi: Tensor) -> Tensor:
    """The entropy of each policy, (..., B) from log-probabilities (..., A, B)."""
    return -(log_pi.exp() * log_pi).sum(-2)


def normalized(advantages: Tensor) -> Tensor:
    """Centred and divided by the standard deviation, (..., B); all zeros if B is 1."""
    deviation, mean = torch.std_mean(advantages, -1, correction=0, keepdim=True)
    return (advantages - mean) / (deviation + 1e-8)


def half_squared_error(clip: float | None, values: Tensor, before: Tensor, returns: Tensor) -> Tensor:
    """The value loss of each sample, as in most implementations; with `clip` the larger of plain and clipped.

    `before`: the values that the critic gave when the rollout arrived. All of one shape.
    """
    error = (values - returns).square()
    if clip is not None:
        change = (values - before).clamp(-clip, clip)
        error = torch.maximum(error, (before + change - returns).square())
    return 0.5 * error
