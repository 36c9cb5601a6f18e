"""A learner whose policies are published in half precision: half the bytes on the wire, and the same learner inside.

What it learns with, saves and restores stays in single precision. Its robots act by the rounded weights, and everybody
who asks for them gets these, so that a run in one process and an evaluation see what acted.
"""

from collections.abc import Mapping

from fleet.core.precision import rounded
from fleet.core.spec import Array, RolloutBatch
from learners.protocol import Learner, Meta, Tick


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

    def weights(self) -> dict[str, Array]:
        """See `Learner.weights`; the networks' in f16."""
        return rounded(self._learner.weights(), "float16")

    def save(self) -> tuple[dict[str, Array], Meta]:
        """See `Learner.save`."""
        return self._learner.save()

    def restore(self, arrays: Mapping[str, Array], meta: Meta) -> None:
        """See `Learner.restore`."""
        self._learner.restore(arrays, meta)

    def start_from(self, arrays: Mapping[str, Array]) -> None:
        """See `Learner.start_from`."""
        self._learner.start_from(arrays)
