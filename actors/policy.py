"""What the environment server asks of the robots' policies. Each algorithm has one that knows how it acts."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from actors.choice import Actions
from fleet.core.spec import Array


class Acting(Protocol):
    """What chooses N robots' actions."""

    @property
    def loads(self) -> npt.NDArray[np.int64]:
        """How often each robot was given weights, (N,)."""
        ...

    def act(self, obs: Array, uniforms: npt.NDArray[np.floating]) -> tuple[Actions, npt.NDArray[np.float32]]:
        """Draw actions, uint8 (N, E), and give their log-probabilities, f32 (N, E).

        obs (N, E, D) in any dtype, uniforms (N, E) in [0, 1). A pure function of these and of the weights.
        """
        ...

    def probabilities(self, obs: Array, actions: Actions) -> npt.NDArray[np.float64]:
        """With which probability each robot takes each action, f64 (N, R, A), for obs (N, R, D).

        Where robots choose in turn: given what the earlier ones chose, `actions` uint8 (N, R). Others don't need them.
        """
        ...

    def greedy(self, obs: Array) -> Actions:
        """The best actions as far as the policies know, uint8 (N, E), for obs (N, E, D)."""
        ...


class Policy(Acting, Protocol):
    """The policies of N robots. A robot whose weights were never loaded acts uniformly at random."""

    @property
    def names(self) -> frozenset[str]:
        """What the arrays are called that a learner publishes for it (`Learner.weights`)."""
        ...

    def load(self, robots: Sequence[int], weights: Mapping[str, Array]) -> None:
        """Have `robots` act with these weights. Raises ActorError as `check`, with nothing changed."""
        ...

    def check(self, weights: Mapping[str, Array], robots: int) -> None:
        """Raise ActorError unless `weights` are for these networks, of one or of each of `robots`."""
        ...
