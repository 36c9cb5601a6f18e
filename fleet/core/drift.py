"""How far policies moved, and with them what any one agent faces: pure measures of non-stationarity.

To agent i the others are part of the world. What its action leads to is the world's own kernel, weighed by what they
do: P_i^eff(s' | s, a_i) = sum over a_-i of [product over j != i of pi_j(a_j | s)] P(s' | s, a_i, a_-i). The world stays
as it is, but pi_j is being learned, and P_i^eff drifts with it. In a staged game that drift is exact. In a world it is
bounded by how far the others' policies moved, since P_i^eff is an image of their joint action under one fixed map:
neither KL nor total variation can grow on the way (data-processing inequality).

The environment server measures a running fleet with these; studies measure games.
"""

import numpy as np
import numpy.typing as npt
from scipy.special import rel_entr

F64 = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.floating]


def kl(old: Numbers, new: Numbers) -> F64:
    """KL(old || new) in nats, (...), of probabilities (..., A): sum over a of old(a) log(old(a) / new(a)).

    Infinite where `new` never does what `old` did.
    """
    # what rounding leaves of nearly the same policy may be negative
    divergence: F64 = np.maximum(rel_entr(old, new, dtype=np.float64).sum(-1), 0.0)
    return divergence


def total_variation(old: Numbers, new: Numbers) -> F64:
    """Total variation in [0, 1], (...), of probabilities (..., A): half the sum over a of |old(a) - new(a)|.

    It is how often the two must differ, if their draws agree as often as they can.
    """
    apart: F64 = 0.5 * np.abs(np.subtract(old, new, dtype=np.float64)).sum(-1)
    return apart


def others_kl(each: F64) -> F64:
    """KL of all others' joint action, (N, ...), from each agent's own, (N, ...), in the same states.

    Agents draw independently of each other, so their KLs add up.
    """
    return _of_the_others(each, np.add, 0.0)


def others_variation(each: F64) -> F64:
    """At most the total variation of all others' joint action, (N, ...), from each agent's own, (N, ...).

    1 - product over j != i of (1 - TV_j): the draws of each agree with chance 1 - TV_j at best, independently.
    """
    return 1.0 - _of_the_others(1.0 - each, np.multiply, 1.0)


def _of_the_others(each: F64, join: np.ufunc, none: float) -> F64:
    """For each i along axis 0 all but `each[i]` joined: those before it with those after it.

    Not all with its own taken out again: that may be infinite, or a factor of 0.
    """
    blank = np.full_like(each[:1], none)
    before = join.accumulate(np.concatenate([blank, each[:-1]]), axis=0)
    after = join.accumulate(np.concatenate([blank, each[:0:-1]]), axis=0)[::-1]
    joined: F64 = join(before, after)
    return joined


def effective_kernel(payoffs: F64, following: npt.NDArray[np.integer], other: Numbers, agent: int) -> F64:
    """P_eff of one agent of a two-agent staged game: what comes of its actions while the other plays `other`.

    payoffs (S, 2, A, A): [s, i, a0, a1] is what agent i gets; following (S, A, A), the next state; other (S, A), the
    other's probabilities; agent 0 or 1. Returns f64 (S, A, A). What comes of action a in state s is a reward and a next
    state, so [s, a, b] is the chance of the outcome to which the other's action b leads; where several lead to the
    same one, all of it stands with the first of them.
    """
    paid, leads = payoffs[:, agent], following
    if agent == 1:
        paid, leads = paid.swapaxes(1, 2), leads.swapaxes(1, 2)
    same = (paid[..., None] == paid[..., None, :]) & (leads[..., None] == leads[..., None, :])  # (S, A, A, A)
    first = same.argmax(-1)[..., None] == np.arange(other.shape[-1])  # b's outcome is first met at k
    kernel: F64 = np.einsum("sb,sabk->sak", other, first, dtype=np.float64)
    return kernel


def kernel_drift(payoffs: F64, following: npt.NDArray[np.integer], old: Numbers, new: Numbers, agent: int) -> F64:
    """Total variation, f64 (S, A), that P_eff of one agent moves by when the other's policy goes from `old` to `new`.

    Arguments as of `effective_kernel`, old and new (S, A). Never more than `total_variation(old, new)` of that state.
    """
    kernels = [effective_kernel(payoffs, following, other, agent) for other in (old, new)]
    return total_variation(*kernels)
