"""How a learner scales its observations, x -> (x - mean) * scale. Mean and scale travel with the actor's weights."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fleet.core.spec import Array
from learners.protocol import WrongWeights

F64 = npt.NDArray[np.float64]

_LEAST_DEVIATION = 0.1
"""As a share of a feature's bound. It keeps a feature that hardly ever changes below 20 after scaling; clipping there
instead would be a nonlinearity, which the actor could not fold into its first layer."""


class Normalizer:
    """none: as it is; range: divided by the bound; running: centred and divided by the deviation seen so far.

    Until running statistics have taken in anything they scale like range. mean and scale are f32 (D,).
    """

    def __init__(self, kind: Literal["none", "range", "running"], bound: npt.NDArray[np.float32]) -> None:
        self.kind = kind
        self._bound = bound.astype(np.float64)
        self._count = 0
        self._mean: F64 = np.zeros(bound.shape)
        self._variance: F64 = np.square(self._bound)
        self._refresh()

    def take_in(self, obs: Array) -> None:
        """Count unscaled observations (..., D) into the running statistics (Chan et al. 1979), if `kind` is that."""
        if self.kind != "running":
            return
        seen = obs.reshape(-1, obs.shape[-1])
        mean, variance = seen.mean(0, dtype=np.float64), seen.var(0, dtype=np.float64)
        share = len(seen) / (self._count + len(seen))
        away = mean - self._mean
        if self._count == 0:  # what stands there before is a guess, not statistics
            self._mean, self._variance = mean, variance
        else:
            self._variance += share * (variance - self._variance + (1 - share) * np.square(away))
            self._mean += share * away
        self._count += len(seen)
        self._refresh()

    def apply_(self, obs: Tensor) -> Tensor:
        """Scale f32 (..., D) in place."""
        if self.kind == "running":
            obs -= torch.tensor(self.mean)
        return obs if self.kind == "none" else obs.mul_(torch.tensor(self.scale))

    def save(self) -> dict[str, Array]:
        """Copies of mean and scale, and of the running statistics in f64."""
        return {
            "obs.mean": self.mean.copy(),
            "obs.scale": self.scale.copy(),
            "running.mean": self._mean.copy(),
            "running.variance": self._variance.copy(),
            "running.count": np.array([self._count], np.int64),
        }

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Go on from what `save()` gave."""
        self._mean = arrays["running.mean"].astype(np.float64)
        self._variance = arrays["running.variance"].astype(np.float64)
        self._count = int(arrays["running.count"][0])
        self._refresh()

    def adopt(self, arrays: Mapping[str, Array], first_layers: Sequence[str]) -> dict[str, Array]:
        """Another learner's arrays, the layers that read observations refitted so that they act here as they did there.

        Running statistics are taken over as they are. Raises WrongWeights if that learner kept none but we do.
        """
        if self.kind == "running":
            if arrays["running.count"][0] == 0:
                raise WrongWeights(
                    'these weights come without running statistics; allowed for observation_scaling are "none", "range"'
                )
            self.restore(arrays)
            return dict(arrays)
        # (x - mean) * scale @ w + b, once with theirs and once with ours, solved for our w and b
        scale = arrays["obs.scale"].astype(np.float64)
        stretch, shift = scale / self.scale, (self.mean - arrays["obs.mean"].astype(np.float64)) * scale
        refitted = dict(arrays)
        for layer in first_layers:
            weight = arrays[f"{layer}.weight"].astype(np.float64)
            refitted[f"{layer}.weight"] = stretch[:, None] * weight
            refitted[f"{layer}.bias"] = arrays[f"{layer}.bias"].astype(np.float64) + shift @ weight
        return refitted

    def _refresh(self) -> None:
        mean = self._mean if self.kind == "running" else np.zeros_like(self._bound)
        if self.kind == "none":
            deviation = np.ones_like(self._bound)
        elif self.kind == "range":
            deviation = self._bound
        else:
            deviation = np.maximum(np.sqrt(self._variance), _LEAST_DEVIATION * self._bound)
        self.mean: npt.NDArray[np.float32] = mean.astype(np.float32)
        self.scale: npt.NDArray[np.float32] = (1.0 / deviation).astype(np.float32)
