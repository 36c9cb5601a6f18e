"""Independent PPO for several learners at once, on a device: their parameters and samples stacked, each its own.

The same update as `Ippo.update`, with a leading axis of learners: products are batched, losses are summed over learners
that share no parameter, and so each has its own gradient, clip, moments and order of samples. The learners themselves
stay where they are, whole between two updates; an update takes them to the device and back.
"""

from collections.abc import Iterator, Sequence
from math import ceil

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fleet.core.config import Config
from fleet.core.spec import RolloutBatch, WorldSpec
from learners.adam import Adams
from learners.autograd import Samples, clipped_gradient
from learners.diagnostics import STEP_FIGURES, explained_variance
from learners.ippo import Ippo
from learners.protocol import F32, LearnerError, Tick
from learners.returns import gae
from learners.rollouts import check

_KL = STEP_FIGURES.index("kl")


class Stacked:
    """Updates learners at once, all or none: `teach` for `Packed`."""

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)

    def __call__(
        self, members: Sequence[Ippo], rollouts: Sequence[RolloutBatch], tick: Tick | None
    ) -> list[dict[str, float]]:
        """Update each of `members` with its rollout, all of one shape and checked. As `one_by_one`."""
        moving = _Moving(members, self._device)
        samples = self._samples(members, rollouts, moving.parameters)
        steps = self._descend(members, samples, moving, tick)
        figures = [
            {
                **dict(zip(STEP_FIGURES, own.mean(0).tolist(), strict=True)),
                "explained_variance": explained_variance(values, returns),
                "learning_rate": member.rate(),
                "reward_mean": float(rollout.rewards.mean()),
            }
            for member, rollout, own, values, returns in zip(
                members, rollouts, steps, samples.values.cpu().numpy(), samples.returns.cpu().numpy(), strict=True
            )
        ]
        _require_finite(members, figures, moving)
        moving.settle(members)
        for member, rollout in zip(members, rollouts, strict=True):
            member.inside().normalizer.take_in(rollout.obs[:, :-1])
            member.version += 1
        return figures

    def _samples(self, members: Sequence[Ippo], rollouts: Sequence[RolloutBatch], parameters: Tensor) -> Samples:
        """See `AutogradDescent.begin`; with a leading axis of learners."""
        network = members[0].inside().network
        obs = self._scaled(members, np.stack([rollout.obs for rollout in rollouts]))
        values = network.values(parameters, obs.flatten(1, -2)).view(obs.shape[:-1])
        counts = [len(rollout.final_obs) for rollout in rollouts]
        finals = np.zeros((len(members), max(counts), obs.shape[-1]), rollouts[0].obs.dtype)
        for place, rollout in enumerate(rollouts):
            finals[place, : counts[place]] = rollout.final_obs
        padded = network.values(parameters, self._scaled(members, finals)).cpu().numpy()
        advantages, returns = gae(
            np.concatenate([rollout.rewards for rollout in rollouts]),
            np.concatenate([rollout.terminated for rollout in rollouts]),
            np.concatenate([rollout.truncated for rollout in rollouts]),
            values.flatten(0, 1).cpu().numpy(),
            np.concatenate([row[:count] for row, count in zip(padded, counts, strict=True)]),
            members[0].settings.gamma,
            members[0].settings.gae_lambda,
        )
        return Samples(
            obs=obs[:, :, :-1].flatten(1, -2),
            actions=self._moved(np.stack([rollout.actions for rollout in rollouts])).long().flatten(1).unsqueeze(-1),
            log_probs=self._moved(np.stack([rollout.log_probs for rollout in rollouts])).flatten(1),
            advantages=self._moved(advantages).view(len(members), -1),
            returns=self._moved(returns).view(len(members), -1),
            values=values[:, :, :-1].flatten(1),
        )

    def _descend(self, members: Sequence[Ippo], samples: Samples, moving: "_Moving", tick: Tick | None) -> list[F32]:
        """All gradient steps. Of each learner the figures of its own steps, (steps, len(STEP_FIGURES)).

        A learner over its `target_kl` after an epoch makes no more steps; the others go on.
        """
        settings, network = members[0].settings, members[0].inside().network
        orders = [member.orders() for member in members]
        going = np.ones(len(members), np.bool_)
        epochs = np.zeros(len(members), np.intp)
        figures: list[F32] = []
        for _ in range(settings.epochs):
            epoch = []
            for batch in self._minibatches(samples, orders, settings.minibatch):
                gradient, step = clipped_gradient(settings, network, moving.parameters, batch)
                moving.step(gradient, going)
                epoch.append(torch.stack(step))
                if tick is not None:
                    tick()
            figures.append(torch.stack(epoch).cpu().numpy())
            epochs += going
            if settings.target_kl is not None:
                going &= figures[-1][:, _KL].mean(0) <= settings.target_kl
            if not going.any():
                break
        return [np.concatenate([epoch[:, :, k] for epoch in figures[:made]]) for k, made in enumerate(epochs)]

    def _minibatches(self, samples: Samples, orders: Sequence[np.random.Generator], most: int) -> Iterator[Samples]:
        """One epoch, each learner's samples in a new order of its own, in equal parts of at most `most` samples."""
        size = samples.returns.shape[1]
        rows = np.stack([order.permutation(size) + k * size for k, order in enumerate(orders)])
        for part in torch.from_numpy(rows).to(self._device).tensor_split(ceil(size / most), 1):
            picked = part.reshape(-1)
            columns = ((column, column.flatten(0, 1).index_select(0, picked)) for column in samples)
            yield Samples._make(new.view(*part.shape, *column.shape[2:]) for column, new in columns)

    def _scaled(self, members: Sequence[Ippo], obs: npt.NDArray[np.generic]) -> Tensor:
        """Observations (K, ..., D), each learner's scaled as it scales them, f32."""
        scaled = self._moved(obs).float()
        between = (len(members), *[1] * (obs.ndim - 2), obs.shape[-1])
        normalizers = [member.inside().normalizer for member in members]
        scaled -= self._moved(np.stack([one.mean for one in normalizers])).view(between)
        return scaled.mul_(self._moved(np.stack([one.scale for one in normalizers])).view(between))

    def _moved(self, array: npt.NDArray[np.generic]) -> Tensor:
        """A copy on the device."""
        return torch.tensor(array, device=self._device)


class OnDevice(Ippo):
    """One learner whose updates are made on a device; its samples may be of several robots."""

    def __init__(self, config: Config, spec: WorldSpec, learner: int, stacked: Stacked) -> None:
        super().__init__(config, spec, learner)
        self._stacked = stacked

    def update(self, rollout: RolloutBatch, tick: Tick | None = None) -> dict[str, float]:
        """See `Learner.update`."""
        check(rollout, self._spec)
        return self._stacked([self], [rollout], tick)[0]


class _Moving:
    """What an update changes of several learners, on the device: parameters (K, P) and Adam's moments."""

    def __init__(self, members: Sequence[Ippo], device: torch.device) -> None:
        insides = [member.inside() for member in members]
        self.parameters = torch.stack([inside.parameters for inside in insides]).to(device)
        adam = insides[0].adam
        self._adams = Adams(
            torch.stack([inside.adam.m for inside in insides]).to(device),
            torch.stack([inside.adam.v for inside in insides]).to(device),
            np.array([inside.adam.steps for inside in insides]),
            *(adam.eps, adam.beta1, adam.beta2),
        )
        self._rates = np.array([member.rate() for member in members])

    def step(self, gradient: Tensor, going: npt.NDArray[np.bool_]) -> None:
        """A step of the learners that are `going`, against `gradient` (K, P)."""
        self._adams.step(self.parameters, gradient, self._rates, going)

    def settle(self, members: Sequence[Ippo]) -> None:
        """Put it into the learners."""
        adams = self._adams
        rows = zip(*(self.parameters.cpu(), adams.m.cpu(), adams.v.cpu(), adams.steps.tolist()), strict=True)
        for member, (parameters, m, v, steps) in zip(members, rows, strict=True):
            inside = member.inside()
            inside.parameters.copy_(parameters)
            inside.adam.m.copy_(m)
            inside.adam.v.copy_(v)
            inside.adam.steps = steps


def _require_finite(members: Sequence[Ippo], figures: Sequence[dict[str, float]], moving: _Moving) -> None:
    whole = moving.parameters.isfinite().all(1).tolist()
    for member, own, is_whole in zip(members, figures, whole, strict=True):
        broken = [name for name, value in own.items() if not np.isfinite(value)]
        if broken or not is_whole:
            raise LearnerError(f"update {member.version + 1} left the finite numbers: {broken or 'the weights'}")
