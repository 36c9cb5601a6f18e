"""Value normalization (Yu et al. 2022, section 5.1): a critic learns returns centred and scaled by those so far.

Rewards, and with them returns, differ by orders of magnitude between worlds and over training; the critic's step size
then needs no tuning to them.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from fleet.core.spec import Array
from learners.protocol import F32

_KEPT = 0.99
"""Of the averages, by each rollout. The paper's code keeps 0.99999 by each minibatch, which is nearly an average over
the whole run; the returns of a fleet that learns to deliver grow many times over."""
_LEAST_VARIANCE = 1e-2  # the paper's code's


class ValueNorm:
    """Debiased running averages of the returns and of their squares, f64 (O,), one for each output of the critic.

    Mean 0 and deviation 1 for an output that has seen nothing yet, and for all if it isn't `on`.
    """

    def __init__(self, outputs: int, *, on: bool) -> None:
        self._on = on
        self._sums = np.zeros((3, outputs))  # of returns, of their squares, and of ones: what undoes the bias to zero

    def take_in(self, output: int, returns: F32) -> None:
        """Count the returns of one rollout, in any shape, that `output` is to learn."""
        if self._on:
            new = [returns.mean(dtype=np.float64), np.square(returns, dtype=np.float64).mean(), 1.0]
            self._sums[:, output] += (1 - _KEPT) * (new - self._sums[:, output])

    def moments(self, outputs: npt.NDArray[np.int64]) -> tuple[F32, F32]:
        """Mean and deviation for each of `outputs` (n,), f32 (n,)."""
        total, squares, ones = self._sums[:, outputs]
        seen = np.maximum(ones, 1e-12)
        mean = total / seen
        variance = np.maximum(squares / seen - np.square(mean), _LEAST_VARIANCE)
        return mean.astype(np.float32), np.where(ones > 0, np.sqrt(variance), 1.0).astype(np.float32)

    def save(self) -> dict[str, Array]:
        """A copy of the averages, (3, O)."""
        return {"value_norm": self._sums.copy()}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Go on from what `save()` gave."""
        self._sums = arrays["value_norm"].astype(np.float64)
