"""A learner whose policies are published in half precision: half the bytes on the wire, and the same learner inside.

What it learns with, saves and restores stays in single precision. Its robots act by the rounded weights, and everybody
who asks for them gets these, so that a run in one process and an evaluation see what acted.
"""

from collections.abc import Mapping

import numpy as np

from fleet.core.spec import Array, RolloutBatch
from learners.protocol import Learner, LearnerError, Meta, Tick

NETWORK = "actor."
"""How the names of the arrays begin that are halved; what scales observations may be too large or small for it."""

LARGEST = float(np.finfo(np.float16).max)


class Halved:
    """`learner`, but for its weights."""

    def __init__(self, learner: Learner) -> None:
        self._learner = learner

    @property
    def version(self) -> int:
        """See `Learner.version`."""
        return self._learner.version

    @version.setter
    def version(self, version: int) -> None:
        self._learner.version = version

    def update(self, rollout: RolloutBatch, tick: Tick | None = None) -> dict[str, float]:
        """See `Learner.update`."""
        return self._learner.update(rollout, tick)

    def weights(self) -> Mapping[str, Array]:
        """See `Learner.weights`; the networks' in f16. Raises LearnerError for a weight beyond its range."""
        return {
            name: _halved(name, array) if name.startswith(NETWORK) else array
            for name, array in self._learner.weights().items()
        }

    def save(self) -> tuple[dict[str, Array], Meta]:
        """See `Learner.save`."""
        return self._learner.save()

    def restore(self, arrays: Mapping[str, Array], meta: Meta) -> None:
        """See `Learner.restore`."""
        self._learner.restore(arrays, meta)

    def start_from(self, arrays: Mapping[str, Array]) -> None:
        """See `Learner.start_from`."""
        self._learner.start_from(arrays)


def _halved(name: str, array: Array) -> Array:
    largest = float(np.abs(array.astype(np.float32, copy=False)).max())
    if largest > LARGEST:
        raise LearnerError(
            f'{name} holds {largest:.6g}; with wire.policies = "float16" weights are at most {LARGEST:.0f}'
        )
    return array.astype(np.float16)
