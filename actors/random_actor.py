"""Uniformly random actions: the least any policy should beat."""

import numpy as np
import numpy.typing as npt

from fleet.core.spec import Array, WorldSpec


class RandomActor:
    """Acts like a StackedPolicy that never learned anything, at no cost."""

    def __init__(self, spec: WorldSpec) -> None:
        self._actions = spec.actions

    def act(
        self, obs: Array, uniforms: npt.NDArray[np.floating]
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        """Actions uint8 (N, E) from uniforms (N, E) in [0, 1), and their log-probabilities f32; `obs` is not read."""
        # f64: an f32 product could round up to the number of actions itself
        actions = np.floor(uniforms.astype(np.float64) * self._actions).astype(np.uint8)
        return actions, np.full(actions.shape, -np.log(self._actions), np.float32)
