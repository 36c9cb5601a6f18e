"""What a learner process asks of the algorithm inside it. One learner trains one robot, or a group (`mapping`)."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from fleet.core.errors import BadInput, FleetError
from fleet.core.spec import Array, RolloutBatch

F32 = npt.NDArray[np.float32]
Tick = Callable[[], None]
Meta = dict[str, Any]


class LearnerError(FleetError):
    """A learner can't go on: a rollout it can't use, or an update that left the finite numbers."""


class WrongWeights(LearnerError, BadInput):  # noqa: N818 - as BadInput
    """Weights or a checkpoint of another network, which the user asked to go on from."""


class Learner(Protocol):
    """The four methods of every algorithm (update, weights, save, restore), and a start from other weights."""

    version: int
    """The number of updates made so far."""

    def update(self, rollout: RolloutBatch, tick: Tick | None = None) -> dict[str, float]:
        """Learn from one rollout; `version` grows by one. Returns the update's diagnostics, all finite.

        `tick` is called after each gradient step (the process counts it as progress for its heartbeat). Raises
        LearnerError, with nothing changed, if the rollout has the wrong shapes or is not finite.
        """
        ...

    def weights(self) -> Mapping[str, Array]:
        """Fresh copies of what the actor needs: "actor.0.weight" (in, out), ..., "obs.mean", "obs.scale" (D,).

        All f32; the networks' f16 with `learners.policies = "float16"`.
        """
        ...

    def save(self) -> tuple[dict[str, Array], Meta]:
        """Fresh copies of everything that decides the learner's future: arrays, and a JSON-able rest."""
        ...

    def restore(self, arrays: Mapping[str, Array], meta: Meta) -> None:
        """Become the learner that `save()` was called on, bit for bit. Raises WrongWeights if it is another's."""
        ...

    def start_from(self, arrays: Mapping[str, Array]) -> None:
        """Take over only the networks of what `save()` gave, in any run; the optimizer and version start afresh.

        Raises WrongWeights if the networks differ in shape.
        """
        ...


def expect(arrays: Mapping[str, Array], like: Mapping[str, Array]) -> None:
    """Raise WrongWeights, naming the array, unless the names and shapes are those of `like` and all is finite."""
    if arrays.keys() != like.keys():
        raise WrongWeights(
            f"weights of another network: missing {sorted(like.keys() - arrays.keys())}, "
            f"not wanted {sorted(arrays.keys() - like.keys())}"
        )
    for name, array in arrays.items():
        if array.shape != like[name].shape:
            raise WrongWeights(f"weights of another network: {name} has shape {array.shape}; wanted {like[name].shape}")
        if not np.isfinite(array).all():
            raise WrongWeights(f"weights: {name} is not finite everywhere")
