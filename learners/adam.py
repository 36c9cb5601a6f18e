"""Adam (Kingma and Ba 2015, algorithm 1) on one flat vector.

torch.optim.Adam does the same at twice the time per step for a network this small, and its first step imports torch's
compiler: 100 MB and a second in every learner. A test holds the two to each other.
"""

import math

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
