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


def softmax(logits: F32) -> npt.NDArray[np.float64]:
    """The probabilities with which `sampled` draws, f64 (N, E, A), from logits (N, E, A)."""
    weights = np.exp(logits - logits.max(-1, keepdims=True), dtype=np.float64)
    probabilities: npt.NDArray[np.float64] = weights / weights.sum(-1, keepdims=True)
    return probabilities


def likeliest(logits: F32) -> Actions:
    """The action with the largest logit, the first of equals, (N, E) from (N, E, A)."""
    best: Actions = logits.argmax(-1).astype(np.uint8)
    return best


def explored(values: F32, explore: F32, uniforms: npt.NDArray[np.floating]) -> tuple[Actions, F32]:
    """Epsilon-greedy actions (N, E) and their log-probabilities (N, E), from values (N, E, A) and uniforms in [0, 1).

    `explore` (N, 1) in [0, 1] is the share of random actions: a uniform below it decides by where it lies in
    [0, explore) which action that is, so that one draw is enough; any other takes the best.
    """
    count, best = values.shape[-1], likeliest(values)
    wandering = uniforms < explore
    place = np.divide(uniforms, explore, out=np.zeros(uniforms.shape), where=wandering)
    anywhere = np.minimum(place * count, count - 1)  # the quotient may round to 1
    actions: Actions = np.where(wandering, anywhere, best).astype(np.uint8)
    # none is 0: where explore is, every action is the best
    probabilities = explore / np.float32(count) + np.where(actions == best, 1 - explore, np.float32(0))
    return actions, np.log(probabilities, dtype=np.float32)


def greedily(values: F32, explore: F32) -> npt.NDArray[np.float64]:
    """The probabilities with which `explored` draws, f64 (N, E, A), from values (N, E, A) and `explore` (N, 1)."""
    share = explore.astype(np.float64)[..., None]
    is_best = likeliest(values)[..., None] == np.arange(values.shape[-1])
    probabilities: npt.NDArray[np.float64] = share / values.shape[-1] + (1.0 - share) * is_best
    return probabilities
