"""Adam (Kingma and Ba 2015, algorithm 1) on one flat vector.

torch.optim.Adam does the same at twice the time per step for a network this small, and its first step imports torch's
compiler: 100 MB and a second in every learner. A test holds the two to each other.
"""

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


class Adam:
    """First and second moments of the gradient, f32 like the parameters, and the number of steps taken."""

    def __init__(self, size: int, eps: float, beta1: float = 0.9, beta2: float = 0.999) -> None:
        self.eps, self.beta1, self.beta2 = eps, beta1, beta2
        self.m, self.v = torch.zeros(size), torch.zeros(size)
        self.steps = 0

    def step(self, parameters: Tensor, gradient: Tensor, learning_rate: float) -> None:
        """Move `parameters` (size,), in place, against `gradient` (size,)."""
        self.steps += 1
        self.m.lerp_(gradient, 1 - self.beta1)
        self.v.mul_(self.beta2).addcmul_(gradient, gradient, value=1 - self.beta2)
        unbiased = math.sqrt(1 - self.beta2**self.steps)
        deviation = self.v.sqrt().div_(unbiased).add_(self.eps)
        parameters.addcdiv_(self.m, deviation, value=-learning_rate / (1 - self.beta1**self.steps))


class Adams:
    """Adam of K learners side by side: moments (K, P), and each learner's own number of steps, int64 (K,)."""

    def __init__(
        self,
        m: Tensor,
        v: Tensor,
        steps: npt.NDArray[np.int64],
        eps: float,
        beta1: float = 0.9,
        beta2: float = 0.999,
    ) -> None:
        self.m, self.v, self.steps = m, v, steps
        self.eps, self.beta1, self.beta2 = eps, beta1, beta2

    def step(
        self,
        parameters: Tensor,
        gradient: Tensor,
        rates: npt.NDArray[np.float64],
        going: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        """Move `parameters` (K, P), in place, against `gradient` (K, P), by a learning rate each (K,).

        Of learners that aren't `going` nothing moves. Unset: all are.
        """
        state = (parameters, self.m, self.v)
        stay = None if going is None or going.all() else [part.clone() for part in state]
        self.steps += 1 if going is None else going
        done = np.maximum(self.steps, 1)
        sizes = np.stack([np.sqrt(1 - self.beta2**done), rates / (1 - self.beta1**done)])
        unbiased, scaled = torch.from_numpy(sizes[:, :, None].astype(np.float32)).to(gradient.device)
        self.m.lerp_(gradient, 1 - self.beta1)
        self.v.mul_(self.beta2).addcmul_(gradient, gradient, value=1 - self.beta2)
        deviation = self.v.sqrt().div_(unbiased).add_(self.eps)
        parameters.addcdiv_(self.m * scaled, deviation, value=-1.0)
        if stay is not None:
            assert going is not None
            moves = torch.from_numpy(going).to(gradient.device)[:, None]
            for part, before in zip(state, stay, strict=True):
                part.copy_(torch.where(moves, part, before))
