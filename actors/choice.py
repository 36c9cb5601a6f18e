"""From logits to actions. Every element is treated alone: an action depends on its own logits and uniform only."""

import numpy as np
import numpy.typing as npt

from actors.kernels import sample

F32 = npt.NDArray[np.float32]
Actions = npt.NDArray[np.uint8]


def sampled(logits: F32, uniforms: npt.NDArray[np.floating]) -> tuple[Actions, F32]:
    """Actions (N, E) and their log-probabilities (N, E), from logits (N, E, A) and uniforms (N, E) in [0, 1)."""
    actions, log_probs = np.empty(uniforms.shape, np.uint8), np.empty(uniforms.shape, np.float32)
    sample(np.ascontiguousarray(logits), np.ascontiguousarray(uniforms, np.float32), actions, log_probs)
    return actions, log_probs


def likeliest(logits: F32) -> Actions:
    """The action with the largest logit, the first of equals, (N, E) from (N, E, A)."""
    best: Actions = logits.argmax(-1).astype(np.uint8)
    return best
