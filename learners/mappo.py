"""MAPPO (Yu et al. 2022): PPO whose critic sees what all robots saw, while each actor sees what its robot saw.

One learner has the rollouts of all robots. The actors are those of independent PPO, each robot's own or one for all;
the joint critic only decides which of their actions were better than expected.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - its usual name

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
    """What the loss needs beside the joint states, all (B, R): actions int64, the rest f32.

    `returns` and `values` are in the critic's own units.
    """

    actions: Tensor
    log_probs: Tensor
    advantages: Tensor
    returns: Tensor
    values: Tensor


class Mappo:
    """One learner for all robots of a fleet. The critic has an output for each robot, or one for the team."""

    def __init__(self, config: Config, spec: WorldSpec) -> None:
        self.settings = config.learner
        self.version = 0
        self._spec, self._seed = spec, config.run.seed
        self._horizon = config.learner.lr_horizon or config.run.rounds
        self._is_team = config.learner.advantage == "team"
        outputs = 1 if self._is_team else spec.robots
        shared = config.learner.actors == "shared"
        sizes = (spec.observation_size, *config.network.hidden, spec.actions)
        self.parts = build_central(config, spec, sizes, outputs, shared=shared)

    def update(self, rollout: RolloutBatch, tick: Tick | None = None) -> dict[str, float]:
        """`epochs` passes over one rollout. See `Learner.update`; the figures are means over steps and robots.

        A minibatch is of joint states, so that a robot makes as many steps as it would alone.
        """
        check(rollout, self._spec)
        states = JointStates(rollout, self._spec.robots, *self.parts.scaling(self._spec.robots))
        before = self.save()
        values, advantages, returns, samples = self.targets(rollout, states)
        rates = Rates.at(self.settings, self._spec.robots, self._horizon, self.version)
        step = partial(self._step, states, samples, self._learning(states), rates)
        orders = seeds.generator(self._seed, "minibatch", 0, self.version)
        with flushing():
            steps = passes(self.settings, orders, advantages[0].size, step, tick)
        figures = step_means(steps, CENTRAL_FIGURES)
        figures |= {
            "explained_variance": explained_variance(values[:, :-1], returns),
            "learning_rate": rates.actor,
            "reward_mean": float(rollout.rewards.mean(dtype=np.float64)),
        }
        broken = [name for name, value in figures.items() if not np.isfinite(value)]
        if broken or not self.parts.is_finite():
            self.restore(*before)
            raise LearnerError(f"update {self.version + 1} left the finite numbers: {broken or 'the weights'}")
        # The statistics change only now: this update scaled its observations as the actors had.
        self.parts.take_in(rollout)
        self.version += 1
        return figures

    def targets(self, rollout: RolloutBatch, states: JointStates) -> tuple[F32, F32, F32, Samples]:
        """The critic's values (R, T+1, E), advantages and returns (R, T, E), and all of it as samples.

        The running moments of the returns take them in before the critic's own targets are made of them, as in the
        paper's code.
        """
        used = self._used_outputs(states)
        outputs, final_outputs = (part[..., used] for part in self.parts.outputs(states))
        mean, deviation = self.parts.value_norm.moments(used)
        values = np.moveaxis(outputs * deviation + mean, -1, 0)
        rewards = np.asarray(rollout.rewards, np.float32)
        advantages, returns = gae(
            np.broadcast_to(rewards.mean(0), rewards.shape) if self._is_team else rewards,
            rollout.terminated,
            rollout.truncated,
            values,
            states.final_values(final_outputs * deviation + mean),
            self.settings.gamma,
            self.settings.gae_lambda,
        )
        for output in np.unique(used):
            self.parts.value_norm.take_in(output, returns[used == output])
        mean, deviation = self.parts.value_norm.moments(used)
        samples = Samples(
            actions=_by_sample(rollout.actions, torch.int64),
            log_probs=_by_sample(rollout.log_probs),
            advantages=_by_sample(advantages),
            returns=(_by_sample(returns) - torch.from_numpy(mean)) / torch.from_numpy(deviation),
            values=owned(outputs[:-1]).flatten(0, 1),
        )
        return values, advantages, returns, samples

    def weights(self) -> dict[str, F32]:
        """See `Learner.weights`; with a leading axis of robots unless weights are shared."""
        return self.parts.weights()

    def save(self) -> tuple[dict[str, Array], Meta]:
        """See `Learner.save`."""
        arrays, meta = self.parts.save()
        return arrays, {"algorithm": "mappo", "version": self.version, **meta}

    def restore(self, arrays: Mapping[str, Array], meta: Meta) -> None:
        """See `Learner.restore`."""
        self.parts.restore(arrays, meta, "mappo")
        self.version = int(meta["version"])

    def start_from(self, arrays: Mapping[str, Array]) -> None:
        """See `Learner.start_from`."""
        self.parts.start_from(arrays)

    def loss(
        self, leaves: tuple[Tensor, Tensor], scaled: Tensor, present: Rows, batch: Samples
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """What a gradient step descends, and its figures: the sum of each actor's own loss and of the critic's.

        scaled: states (B, N, D); present: the robots (R,) that the samples are of.
        """
        cfg, (actors, critic) = self.settings, leaves
        used = torch.from_numpy(np.zeros_like(present) if self._is_team else present)
        values = self.parts.critic(critic, scaled.flatten(1)).index_select(1, used)
        seen = scaled if len(present) == scaled.shape[1] else scaled.index_select(1, torch.from_numpy(present))
        logits = self.parts.actor(actors, self._by_actor(seen))
        log_pi = F.log_softmax(logits.mT, -2)  # (K, A, M): reducing over a short last axis is slow
        actions, log_probs, advantages = map(self._by_actor, (batch.actions, batch.log_probs, batch.advantages))
        log_ratio = log_pi.gather(-2, actions.unsqueeze(-2)).squeeze(-2) - log_probs
        policy_loss, kl, clip_fraction = policy_terms(cfg, log_ratio, advantages)
        value_loss = half_squared_error(cfg.value_clip, values, batch.values, batch.returns).mean()
        entropy = entropies(log_pi).mean(-1)
        total = (policy_loss - cfg.entropy_coef * entropy).sum() + cfg.value_coef * value_loss
        figures = (policy_loss.mean(), value_loss, entropy.mean(), kl.mean(), clip_fraction.mean())
        return total, tuple(figure.detach() for figure in figures)

    def _step(
        self, states: JointStates, samples: Samples, learning: Learning, rates: Rates, rows: Rows
    ) -> Sequence[float]:
        leaves = self.parts.leaves(learning)
        picked = torch.from_numpy(rows)
        batch = Samples._make(column.index_select(0, picked) for column in samples)
        total, figures = self.loss(leaves, states.scaled(rows), states.present, batch)
        norms, critic_norm = self.parts.descend(self.settings, total, leaves, learning, rates)
        return torch.stack([*figures, norms.mean(), critic_norm]).tolist()

    def _used_outputs(self, states: JointStates) -> Rows:
        """The critic's output for each robot of the rollout, (R,)."""
        return np.zeros_like(states.present) if self._is_team else states.present

    def _learning(self, states: JointStates) -> Learning:
        actors = np.zeros(1, np.int64) if self.parts.is_shared else states.present
        idle = np.setdiff1d(np.arange(1 if self._is_team else self._spec.robots), self._used_outputs(states))
        return Learning(torch.from_numpy(actors), torch.from_numpy(idle))

    def _by_actor(self, column: Tensor) -> Tensor:
        """From samples (B, R, ...) to those of each set of actor weights, (K, M, ...)."""
        return column.flatten(0, 1).unsqueeze(0) if self.parts.is_shared else column.transpose(0, 1)


def _by_sample(array: Array, dtype: torch.dtype = torch.float32) -> Tensor:
    """From (R, T, E) to (T * E, R), a copy."""
    return owned(np.moveaxis(array, 0, -1), dtype).flatten(0, 1)
