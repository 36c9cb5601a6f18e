"""Independent PPO (Schulman et al. 2017; de Witt et al. 2020): one robot's learner, alone with its own rollouts.

Rollouts come from the environment server, weights go back to it; values are computed here, by the critic as it stands
when the rollout arrives. Several robots in one rollout (shared parameters) are simply more samples.
"""

from collections.abc import Iterator, Mapping
from math import ceil
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - its usual name

from fleet.core import seeds
from fleet.core.config import Config
from fleet.core.spec import Array, RolloutBatch, WorldSpec
from learners.adam import Adam
from learners.diagnostics import approximate_kl, explained_variance, mean_kl, step_means
from learners.network import ActorCritic, initial_parameters, named
from learners.normalize import Normalizer
from learners.protocol import F32, LearnerError, Meta, Tick, WrongWeights, expect
from learners.returns import gae
from learners.rollouts import check, owned
from learners.schedule import learning_rate


class Samples(NamedTuple):
    """What the loss needs, flat over (r, t, e): obs (B, D), actions (B, 1) int64, the rest (B,)."""

    obs: Tensor
    actions: Tensor
    log_probs: Tensor
    advantages: Tensor
    returns: Tensor
    values: Tensor


class Ippo:
    """One learner. `parameters` is the flat vector of actor and critic; the loss is a pure function of it."""

    def __init__(self, config: Config, spec: WorldSpec, learner: int) -> None:
        self.settings = config.learner
        self.version = 0
        self._spec, self._learner, self._seed = spec, learner, config.run.seed
        self._horizon = config.learner.lr_horizon or config.run.rounds
        self._network = ActorCritic(spec, config.network)
        self.parameters = initial_parameters(self._network.shapes, seeds.stream(config.run.seed, "init", learner))
        self._adam = Adam(self.parameters.numel(), config.learner.adam_eps)
        self._normalizer = Normalizer(config.network.observation_scaling, spec.bound)

    def update(self, rollout: RolloutBatch, tick: Tick | None = None) -> dict[str, float]:
        """`epochs` passes over one rollout. See `Learner.update`; the diagnostics are means over gradient steps."""
        check(rollout, self._spec)
        before = self.save()
        samples = self.samples(rollout)
        rate = learning_rate(self.settings.learning_rate, self.settings.lr_schedule, self._horizon, self.version)
        figures = step_means(self._descend(samples, rate, tick))
        figures |= {
            "explained_variance": explained_variance(samples.values, samples.returns),
            "learning_rate": rate,
            "reward_mean": float(owned(rollout.rewards).mean()),
        }
        broken = [name for name, value in figures.items() if not np.isfinite(value)]
        if broken or not self.parameters.isfinite().all():
            self.restore(*before)
            raise LearnerError(f"update {self.version + 1} left the finite numbers: {broken or 'the weights'}")
        # The statistics change only now: this update scaled its observations as the actor had.
        self._normalizer.take_in(rollout.obs[:, :-1])
        self.version += 1
        return figures

    def samples(self, rollout: RolloutBatch) -> Samples:
        """The rollout with the critic's values, advantages and returns."""
        obs = self._normalizer.apply_(owned(rollout.obs))
        values = self._values(obs.flatten(0, 2)).view(obs.shape[:3])
        final_values = self._values(self._normalizer.apply_(owned(rollout.final_obs)))
        advantages, returns = gae(
            owned(rollout.rewards).numpy(),
            rollout.terminated,
            rollout.truncated,
            values.numpy(),
            final_values.numpy(),
            self.settings.gamma,
            self.settings.gae_lambda,
        )
        return Samples(
            obs=obs[:, :-1].flatten(0, 2),
            actions=owned(rollout.actions, torch.int64).view(-1, 1),
            log_probs=owned(rollout.log_probs).view(-1),
            advantages=owned(advantages).view(-1),
            returns=owned(returns).view(-1),
            values=values[:, :-1].flatten(),
        )

    def loss(self, parameters: Tensor, batch: Samples) -> tuple[Tensor, tuple[Tensor, ...]]:
        """What a gradient step descends, and the step's figures. Equation 9 of the PPO paper, negated.

        The value loss is half the mean squared error, as in most implementations.
        """
        cfg = self.settings
        logits, values = self._network(parameters, batch.obs)
        log_pi = F.log_softmax(logits.t(), 0)  # (A, B): reducing over a short last axis is slow
        log_ratio = log_pi.gather(0, batch.actions.t()).squeeze(0) - batch.log_probs
        ratio = log_ratio.exp()

        advantages = normalized(batch.advantages) if cfg.normalize_advantage else batch.advantages
        clipped_ratio = ratio.clamp(1 - cfg.clip_coef, 1 + cfg.clip_coef)
        policy_loss = -torch.minimum(ratio * advantages, clipped_ratio * advantages).mean()
        value_loss = self._value_loss(values, batch)
        entropy = -(log_pi.exp() * log_pi).sum(0).mean()
        total = policy_loss + cfg.value_coef * value_loss - cfg.entropy_coef * entropy

        with torch.no_grad():
            kl = approximate_kl(log_ratio, ratio)
            clip_fraction = (ratio != clipped_ratio).float().mean()
        return total, (policy_loss.detach(), value_loss.detach(), entropy.detach(), kl, clip_fraction)

    def weights(self) -> dict[str, F32]:
        """See `Learner.weights`."""
        actor = {name: part for name, part in self._named_arrays().items() if name.startswith("actor")}
        return actor | {"obs.mean": self._normalizer.mean.copy(), "obs.scale": self._normalizer.scale.copy()}

    def save(self) -> tuple[dict[str, Array], Meta]:
        """See `Learner.save`."""
        arrays: dict[str, Array] = {**self._named_arrays(), **self._normalizer.save()}
        arrays |= {"adam.m": self._adam.m.numpy().copy(), "adam.v": self._adam.v.numpy().copy()}
        return arrays, {"algorithm": "ippo", "version": self.version, "adam_steps": self._adam.steps}

    def restore(self, arrays: Mapping[str, Array], meta: Meta) -> None:
        """See `Learner.restore`."""
        if meta.get("algorithm") != "ippo":
            raise WrongWeights(f"a checkpoint of algorithm {meta.get('algorithm')!r}; wanted 'ippo'")
        counts = [meta.get("version"), meta.get("adam_steps")]
        if not all(isinstance(count, int) and count >= 0 for count in counts):
            raise WrongWeights(f"a checkpoint with version, adam_steps = {counts}; wanted two counts")
        expect(arrays, self.save()[0])
        self._take_networks(arrays)
        self._normalizer.restore(arrays)
        self._adam.m, self._adam.v = owned(arrays["adam.m"]), owned(arrays["adam.v"])
        self.version, self._adam.steps = int(meta["version"]), int(meta["adam_steps"])

    def start_from(self, arrays: Mapping[str, Array]) -> None:
        """See `Learner.start_from`. Where observations were scaled otherwise, the first layers are refitted."""
        ours: dict[str, Array] = {**self._named_arrays(), **self._normalizer.save()}
        theirs = {name: arrays[name] for name in ours if name in arrays}
        expect(theirs, ours)
        self._take_networks(self._normalizer.adopt(theirs, self._network.first_layers))

    def _descend(self, samples: Samples, rate: float, tick: Tick | None) -> list[tuple[Tensor, ...]]:
        """All gradient steps of an update; stops after an epoch whose mean KL exceeds `target_kl`."""
        orders = seeds.generator(self._seed, "minibatch", self._learner, self.version)
        figures: list[tuple[Tensor, ...]] = []
        for _ in range(self.settings.epochs):
            epoch = []
            for batch in self._minibatches(samples, orders):
                epoch.append(self._step(batch, rate))
                if tick is not None:
                    tick()
            figures += epoch
            if self.settings.target_kl is not None and mean_kl(epoch) > self.settings.target_kl:
                break
        return figures

    def _minibatches(self, samples: Samples, orders: np.random.Generator) -> Iterator[Samples]:
        """One epoch in a new order, in equal parts of at most `minibatch` samples."""
        size = len(samples.actions)
        order = torch.from_numpy(orders.permutation(size))
        parts = ceil(size / self.settings.minibatch)
        for rows in order.tensor_split(parts):
            yield Samples._make(column.index_select(0, rows) for column in samples)

    def _step(self, batch: Samples, rate: float) -> tuple[Tensor, ...]:
        leaf = self.parameters.detach().requires_grad_()
        total, figures = self.loss(leaf, batch)
        (gradient,) = torch.autograd.grad(total, leaf)
        norm = torch.linalg.vector_norm(gradient)
        if self.settings.max_grad_norm is not None:
            gradient *= (self.settings.max_grad_norm / (norm + 1e-6)).clamp(max=1.0)
        self._adam.step(self.parameters, gradient, rate)
        return *figures, norm

    def _value_loss(self, values: Tensor, batch: Samples) -> Tensor:
        error = (values - batch.returns).square()
        if self.settings.value_clip is not None:
            change = (values - batch.values).clamp(-self.settings.value_clip, self.settings.value_clip)
            error = torch.maximum(error, (batch.values + change - batch.returns).square())
        return 0.5 * error.mean()

    def _values(self, obs: Tensor) -> Tensor:
        """The critic's values of (B, D), a block at a time, so that a big group's activations stay small."""
        blocks = obs.tensor_split(ceil(len(obs) / 4096) or 1)
        return torch.cat([self._network.values(self.parameters, block) for block in blocks])

    def _named_arrays(self) -> dict[str, F32]:
        return {name: part.numpy().copy() for name, part in named(self.parameters, self._network.shapes).items()}

    def _take_networks(self, arrays: Mapping[str, Array]) -> None:
        for name, part in named(self.parameters, self._network.shapes).items():
            part.copy_(owned(arrays[name]))


def normalized(advantages: Tensor) -> Tensor:
    """Centred and divided by the standard deviation, (B,); all zeros if there is only one."""
    deviation, mean = torch.std_mean(advantages, correction=0)
    return (advantages - mean) / (deviation + 1e-8)
