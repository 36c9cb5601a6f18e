"""From a rollout, as it came off the wire, to tensors of the learner's own: checked first, then copied."""

import numpy as np
import torch
from torch import Tensor

from fleet.core.spec import Array, RolloutBatch, WorldSpec
from learners.protocol import LearnerError


def check(rollout: RolloutBatch, spec: WorldSpec) -> None:
    """Raise LearnerError, naming the array, if one is not finite or not of the shape the others call for."""
    if rollout.obs.ndim != 4 or rollout.obs.shape[1] < 2 or 0 in rollout.obs.shape:
        raise LearnerError(f"rollout: obs has shape {rollout.obs.shape}; wanted (R, T+1, E, D), none of them 0")
    robots, times, worlds, _ = rollout.obs.shape
    features, step = spec.observation_size, (robots, times - 1, worlds)
    if rollout.terminated.shape == rollout.truncated.shape == step:
        ends = int(np.count_nonzero(rollout.truncated & ~rollout.terminated))
    else:
        raise LearnerError(
            f"rollout: terminated and truncated have shapes {rollout.terminated.shape} and {rollout.truncated.shape}; "
            f"wanted {step}"
        )
    wanted = {
        "obs": (len(rollout.robots), times, worlds, features),
        "actions": step,
        "log_probs": step,
        "rewards": step,
        "final_obs": (ends, features),
    }
    for name, shape in wanted.items():
        array: Array = getattr(rollout, name)
        if array.shape != shape:
            raise LearnerError(f"rollout: {name} has shape {array.shape}; wanted {shape}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise LearnerError(f"rollout: {name} is not finite everywhere")
    if int(rollout.actions.max()) >= spec.actions:
        raise LearnerError(f"rollout: action {rollout.actions.max()}; allowed are 0 to {spec.actions - 1}")


def owned(array: Array, dtype: torch.dtype = torch.float32) -> Tensor:
    """A converted copy in memory that torch allocated.

    Torch aligns its memory; the wire's buffers lie anywhere, and BLAS rounds differently at different alignments.
    """
    tensor = torch.empty(array.shape, dtype=dtype)
    tensor.numpy()[...] = array
    return tensor
