"""Joint control, the centralized ceiling for few robots: one policy over the joint action, learned by PPO.

pi(a | s) is the product over robots of pi_i(a_i | s, a_1 ... a_(i-1)), so whoever chooses later knows what was chosen
before, and the team can commit to actions that are only good together (as Multi-Agent Transformer does, Wen et al.
2022). It acts as `actors.joint` says, and earns the mean of all robots' rewards.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - its usual name

from actors.joint import joint_sizes
from fleet.core import seeds
from fleet.core.config import Config
from fleet.core.spec import Array, RolloutBatch, WorldSpec
from learners.autograd import entropies, half_squared_error, policy_terms
from learners.central import Learning, Rates, build_central, flushing
from learners.diagnostics import CENTRAL_FIGURES, explained_variance, step_means
from learners.joint_state import JointStates, Rows
from learners.passes import passes
from learners.protocol import F32, LearnerError, Meta, Tick
from learners.returns import gae
from learners.rollouts import check, owned


class Samples(NamedTuple):
    """What the loss needs beside the joint states: actions int64 (B, R), the rest f32 (B,), of the team.

    log_probs are of the joint action; `returns` and `values` are in the critic's own units.
    """

    actions: Tensor
    log_probs: Tensor
    advantages: Tensor
    returns: Tensor
    values: Tensor


class Joint:
    """One learner for all robots of a fleet, one network for each place in the order in which they choose."""

    def __init__(self, config: Config, spec: WorldSpec) -> None:
        self.settings = config.learner
        self.version = 0
        self._spec, self._seed = spec, config.run.seed
        self._horizon = config.learner.lr_horizon or config.run.rounds
        sizes = joint_sizes(config.network, spec.robots, spec.observation_size, spec.actions)
        self.parts = build_central(config, spec, sizes, 1, shared=False)

    def update(self, rollout: RolloutBatch, tick: Tick | None = None) -> dict[str, float]:
        """`epochs` passes over one rollout. See `Learner.update`; the entropy is the mean over robots."""
        check(rollout, self._spec)
        states = JointStates(rollout, self._spec.robots, *self.parts.scaling(self._spec.robots))
        before = self.save()
        values, advantages, returns, samples = self.targets(rollout, states)
        rates = Rates.at(self.settings, self._spec.robots, self._horizon, self.version)
        learning = Learning(torch.from_numpy(states.present), torch.empty(0, dtype=torch.int64))
        step = partial(self._step, states, samples, learning, rates)
        orders = seeds.generator(self._seed, "minibatch", 0, self.version)
        with flushing():
            steps = passes(self.settings, orders, advantages.size, step, tick)
        figures = step_means(steps, CENTRAL_FIGURES)
        figures |= {
            "explained_variance": explained_variance(values[:-1], returns),
            "learning_rate": rates.actor,
            "reward_mean": float(rollout.rewards.mean(dtype=np.float64)),
        }
        broken = [name for name, value in figures.items() if not np.isfinite(value)]
        if broken or not self.parts.is_finite():
            self.restore(*before)
            raise LearnerError(f"update {self.version + 1} left the finite numbers: {broken or 'the weights'}")
        self.parts.take_in(rollout)
        self.version += 1
        return figures

    def targets(self, rollout: RolloutBatch, states: JointStates) -> tuple[F32, F32, F32, Samples]:
        """The critic's values (T+1, E), advantages and returns (T, E) of the team, and all of it as samples.

        The team's episode terminates when all robots' have; where one's is cut off, the team's is.
        """
        outputs, final_outputs = (part[..., 0] for part in self.parts.outputs(states))
        mean, deviation = self._moments()
        values = outputs * deviation + mean
        cfg = self.settings
        targets = gae(
            rollout.rewards.mean(0, dtype=np.float32, keepdims=True),
            np.all(rollout.terminated, 0, keepdims=True),
            np.any(rollout.truncated & ~rollout.terminated, 0, keepdims=True),
            values[None],
            final_outputs * deviation + mean,
            *(cfg.gamma, cfg.gae_lambda),
        )
        advantages, returns = (part[0] for part in targets)
        self.parts.value_norm.take_in(0, returns)
        mean, deviation = self._moments()
        samples = Samples(
            actions=owned(np.moveaxis(rollout.actions, 0, -1), torch.int64).flatten(0, 1),
            log_probs=owned(rollout.log_probs.sum(0)).flatten(),
            advantages=owned(advantages).flatten(),
            returns=owned((returns - mean) / deviation).flatten(),
            values=owned(outputs[:-1]).flatten(),
        )
        return values, advantages, returns, samples

    def weights(self) -> dict[str, F32]:
        """See `Learner.weights`; all with a leading axis of robots."""
        return self.parts.weights()

    def save(self) -> tuple[dict[str, Array], Meta]:
        """See `Learner.save`."""
        arrays, meta = self.parts.save()
        return arrays, {"algorithm": "joint", "version": self.version, **meta}

    def restore(self, arrays: Mapping[str, Array], meta: Meta) -> None:
        """See `Learner.restore`."""
        self.parts.restore(arrays, meta, "joint")
        self.version = int(meta["version"])

    def start_from(self, arrays: Mapping[str, Array]) -> None:
        """See `Learner.start_from`."""
        self.parts.start_from(arrays)

    def log_policies(self, actors: Tensor, states: JointStates, rows: Rows, scaled: Tensor, actions: Tensor) -> Tensor:
        """Each robot's log-probabilities given what the earlier ones did, (R, A, B).

        rows (B,): the samples; scaled: their states (B, N, D); actions (B, R) of the rollout's robots.
        """
        robots, choices = self._spec.robots, self._spec.actions
        chosen = torch.zeros(len(rows), robots, choices)
        chosen[:, states.present] = F.one_hot(actions, choices).float()
        chosen[states.blind(rows)] = 0.0  # nobody is told of what an offline robot drew
        state_size = scaled[0].numel()
        inputs = torch.zeros(len(states.present), len(rows), state_size + robots * choices)
        inputs[:, :, :state_size] = scaled.flatten(1)
        for place, robot in enumerate(states.present):
            inputs[place, :, state_size : state_size + robot * choices] = chosen[:, :robot].flatten(1)
        outputs = self.parts.actor(actors, inputs)
        heads = outputs.view(*outputs.shape[:-1], -1, choices)
        told = inputs[..., state_size : state_size + heads.shape[-2] - 1]
        logits = heads[..., 0, :] + (told.unsqueeze(-2) @ heads[..., 1:, :]).squeeze(-2)
        return F.log_softmax(logits.mT, -2)

    def loss(
        self, leaves: tuple[Tensor, Tensor], states: JointStates, rows: Rows, batch: Samples
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """What a gradient step over samples `rows` (B,) descends, and its figures: PPO's, of the joint action."""
        cfg, (actors, critic) = self.settings, leaves
        scaled = states.scaled(rows)
        log_pi = self.log_policies(actors, states, rows, scaled, batch.actions)
        log_prob = log_pi.gather(-2, batch.actions.T.unsqueeze(-2)).squeeze(-2).sum(0)
        policy_loss, kl, clip_fraction = policy_terms(cfg, log_prob - batch.log_probs, batch.advantages)
        values = self.parts.critic(critic, scaled.flatten(1)).squeeze(-1)
        value_loss = half_squared_error(cfg.value_clip, values, batch.values, batch.returns).mean()
        entropy = entropies(log_pi).mean(-1)
        total = policy_loss + cfg.value_coef * value_loss - cfg.entropy_coef * entropy.sum()
        figures = (policy_loss, value_loss, entropy.mean(), kl, clip_fraction)
        return total, tuple(figure.detach() for figure in figures)

    def _step(
        self, states: JointStates, samples: Samples, learning: Learning, rates: Rates, rows: Rows
    ) -> Sequence[float]:
        leaves = self.parts.leaves(learning)
        picked = torch.from_numpy(rows)
        batch = Samples._make(column.index_select(0, picked) for column in samples)
        total, figures = self.loss(leaves, states, rows, batch)
        norms, critic_norm = self.parts.descend(self.settings, total, leaves, learning, rates)
        return torch.stack([*figures, norms.mean(), critic_norm]).tolist()

    def _moments(self) -> tuple[np.float32, np.float32]:
        mean, deviation = self.parts.value_norm.moments(np.zeros(1, np.int64))
        return mean[0], deviation[0]
