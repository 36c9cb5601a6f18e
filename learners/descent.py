"""What PPO asks of whatever makes its gradient steps, and which of them a learner gets."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from fleet.core.config import Config
from fleet.core.spec import RolloutBatch, WorldSpec
from learners.adam import Adam
from learners.autograd import AutogradDescent
from learners.compiled.descent import CompiledDescent, applies
from learners.network import ActorCritic
from learners.normalize import Normalizer
from learners.protocol import F32
from learners.room import Room


class Descent(Protocol):
    """Makes the gradient steps of one update after the other, on parameters and an optimizer that the learner owns.

    values = descent.values(rollout)
    descent.begin(rollout, values, advantages, returns)
    figures = [descent.step(rows, rate) for rows in minibatches]
    """

    def values(self, rollout: RolloutBatch) -> tuple[F32, F32]:
        """The critic's values of `rollout.obs`, (R, T+1, E), and of `rollout.final_obs`, (K,)."""
        ...

    def begin(self, rollout: RolloutBatch, values: F32, advantages: F32, returns: F32) -> None:
        """The steps that follow are over the samples of `rollout`, whose `values` were the last ones asked for."""
        ...

    def step(self, rows: npt.NDArray[np.int64], rate: float) -> Sequence[float]:
        """One gradient step of size `rate` over samples `rows` (n,), counted over (r, t, e): its STEP_FIGURES."""
        ...


def make_descent(
    config: Config,
    spec: WorldSpec,
    network: ActorCritic,
    parameters: Tensor,
    adam: Adam,
    normalizer: Normalizer,
    room: Room,
) -> Descent:
    """The compiled steps where they apply, unless the config says `learner.update = "autograd"`; else autograd's."""
    if config.learner.update == "auto" and applies(config.network, spec):
        return CompiledDescent(config, spec, parameters, adam, normalizer, room)
    return AutogradDescent(config.learner, network, parameters, adam, normalizer)
