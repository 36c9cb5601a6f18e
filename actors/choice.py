"""From logits to actions. Every element is treated alone: an action depends on its own logits and uniform only."""

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
Actions = npt.NDArray[np.uint8]


def sampled(logits: F32, uniforms: npt.NDArray[np.floating]) -> tuple[Actions, F32]:
    """Actions (N, E) and their log-probabilities (N, E), from logits (N, E, A) and uniforms (N, E) in [0, 1).

    Inverse CDF: action a is taken when the uniform lies in [P(< a), P(<= a)).
    """
    by_action = np.moveaxis(logits, 2, 0).copy()  # (A, N, E): whole arrays per operation, not rows of A
    by_action -= by_action.max(0)
    cumulative = np.exp(by_action)
    for action in range(1, len(cumulative)):
        cumulative[action] += cumulative[action - 1]
    total = cumulative[-1]
    actions = np.count_nonzero(uniforms.astype(np.float32, copy=False) * total >= cumulative[:-1], axis=0)
    chosen = np.take_along_axis(by_action, actions[None], axis=0)[0]
    return actions.astype(np.uint8), chosen - np.log(total)


def likeliest(logits: F32) -> Actions:
    """The action with the largest logit, the first of equals, (N, E) from (N, E, A)."""
    best: Actions = logits.argmax(-1).astype(np.uint8)
    return best
