"""A rollout's robots side by side: the joint states that a centralized learner's critic sees."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fleet.core.spec import Array, RolloutBatch
from learners.protocol import F32, LearnerError

Rows = npt.NDArray[np.int64]
_KEPT_AS_THEY_ARE = {np.dtype(np.int8): torch.int8, np.dtype(np.int16): torch.int16}


class JointStates:
    """What all N robots of a fleet saw, copy by copy and step by step.

    A robot that isn't in the rollout, being offline, sees zeros, as it does in the world. States stay in the world's
    dtype until they are asked for, scaled by `mean` and `scale`, f32 (N, D): forty robots' rollout is four times as
    large in f32. `present`: the rollout's robots (R,); `shape`: (T+1, E), and `count` their product.
    """

    def __init__(self, rollout: RolloutBatch, robots: int, mean: F32, scale: F32) -> None:
        present = np.array(rollout.robots)
        if present.min() < 0 or present.max() >= robots or (np.diff(present) <= 0).any():
            raise LearnerError(f"rollout: robots {rollout.robots}; allowed are 0 to {robots - 1}, in ascending order")
        self.present = present
        self._mean = torch.from_numpy(mean.copy()) if mean.any() else None
        self._scale = torch.from_numpy(scale.copy())
        _, times, worlds, size = rollout.obs.shape
        self.shape = (times, worlds)
        self.count = times * worlds
        self._seen = self._room((times, worlds, robots, size), rollout.obs)
        self._seen.numpy()[:, :, present] = rollout.obs.transpose(1, 2, 0, 3)
        cut = rollout.truncated & ~rollout.terminated
        steps, copies = np.nonzero(cut.any(0))
        self._finals = self._room((len(steps), robots, size), rollout.obs)
        self._finals.numpy()[...] = self._seen.numpy()[steps + 1, copies]  # of robots whose episodes go on
        places = np.zeros(cut.shape[1:], np.int64)
        places[steps, copies] = np.arange(len(steps))
        robot, step, copy = np.nonzero(cut)
        self._final_at = (places[step, copy], robot)
        self._finals.numpy()[places[step, copy], present[robot]] = rollout.final_obs

    def scaled(self, rows: Rows) -> Tensor:
        """Scaled states f32 (n, N, D) of samples `rows` (n,), counted over (t, e)."""
        return self._scaled(self._seen.flatten(0, 1).index_select(0, torch.from_numpy(rows)))

    def blind(self, rows: Rows) -> Tensor:
        """Which robots saw nothing but zeros, bool (n, N): in the warehouse those that are offline."""
        return ~self._seen.flatten(0, 1).index_select(0, torch.from_numpy(rows)).any(-1)

    def final_scaled(self) -> Tensor:
        """Scaled states f32 (K', N, D) in which at least one robot's episode was cut off, in C order of (t, e)."""
        return self._scaled(self._finals)

    def final_values(self, values: F32) -> F32:
        """Of values (K', R) of `final_scaled()`, by robot of the rollout, those that `gae` asks for, (K,)."""
        return values[self._final_at]

    def _scaled(self, states: Tensor) -> Tensor:
        scaled = torch.empty(states.shape)  # torch aligns its memory, which decides how BLAS rounds
        scaled.copy_(states)
        if self._mean is not None:
            scaled -= self._mean
        return scaled.mul_(self._scale)

    @staticmethod
    def _room(shape: tuple[int, ...], like: Array) -> Tensor:
        return torch.zeros(shape, dtype=_KEPT_AS_THEY_ARE.get(like.dtype, torch.float32))
