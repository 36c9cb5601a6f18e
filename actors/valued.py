"""All robots' policies where their networks value actions: mostly the best action, sometimes any (epsilon-greedy).

The share of random actions is the learner's to decide, and comes with its weights.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from actors.choice import Actions, explored, greedily, likeliest
from actors.errors import ActorError
from actors.stacked import StackedPolicy
from fleet.core.config import NetworkConfig
from fleet.core.spec import Array, WorldSpec

F32 = npt.NDArray[np.float32]
EXPLORE = "explore"
"""The array of a policy that holds its share of random actions: one number, or one for each robot."""


class ValuedPolicy:
    """N robots' value networks. A robot whose weights were never loaded acts uniformly at random.

    As with `StackedPolicy`, a robot's actions are a function of its own weights, observations and uniforms alone.
    """

    def __init__(self, spec: WorldSpec, network: NetworkConfig) -> None:
        self._values = StackedPolicy(spec, network)
        self._explore = np.ones((spec.robots, 1), np.float32)

    @property
    def names(self) -> frozenset[str]:
        """What a policy's arrays are called."""
        return self._values.names | {EXPLORE}

    @property
    def loads(self) -> npt.NDArray[np.int64]:
        """How often each robot was given weights, (N,)."""
        return self._values.loads

    def load(self, robots: Sequence[int], weights: Mapping[str, Array]) -> None:
        """Give `robots` the weights and the share of random actions that a learner published.

        See `StackedPolicy.load`. Raises ActorError as `check`, with nothing changed.
        """
        self.check(weights, len(robots))
        self._values.load(robots, _networks(weights))
        self._explore[list(robots)] = weights[EXPLORE][..., None]

    def check(self, weights: Mapping[str, Array], robots: int) -> None:
        """Raise ActorError unless `weights` are for these networks: see `StackedPolicy.check`; shares are in [0, 1]."""
        if EXPLORE not in weights:
            raise ActorError(f"weights are named {sorted(weights)}; wanted {sorted(self.names)}")
        self._values.check(_networks(weights), robots)
        explore, leading = weights[EXPLORE].astype(np.float64), (robots,) if weights["obs.mean"].ndim > 1 else ()
        if explore.shape != leading:
            raise ActorError(f"weights: {EXPLORE} has shape {explore.shape}; wanted {leading}")
        if not ((explore >= 0) & (explore <= 1)).all():
            raise ActorError(f"weights: {EXPLORE} is {explore}; allowed are 0 to 1")

    def act(self, obs: Array, uniforms: npt.NDArray[np.floating]) -> tuple[Actions, F32]:
        """Choose actions, uint8 (N, E), and give the log-probabilities that they had, f32 (N, E).

        obs (N, E, D) in any dtype, uniforms (N, E) in [0, 1).
        """
        return explored(self._values.logits(obs), self._explore, uniforms)

    def greedy(self, obs: Array) -> Actions:
        """The actions of the largest values, uint8 (N, E), for obs (N, E, D)."""
        return likeliest(self._values.logits(obs))

    def probabilities(self, obs: Array, actions: Actions) -> npt.NDArray[np.float64]:
        """See `Policy.probabilities`; `actions` play no part."""
        return greedily(self._values.outputs(obs), self._explore)


def _networks(weights: Mapping[str, Array]) -> dict[str, Array]:
    return {name: array for name, array in weights.items() if name != EXPLORE}
