"""How far a policy has moved in an update: between two tables of probabilities f64 (..., A), by row f64 (...). Pure."""

import numpy as np
import numpy.typing as npt
from scipy.special import rel_entr

F64 = npt.NDArray[np.float64]


def kl_divergence(old: F64, new: F64) -> F64:
    """KL(old || new) in nats; infinite where `new` has given up what `old` still chose."""
    divergence: F64 = rel_entr(old, new).sum(-1)
    return divergence


def total_variation(old: F64, new: F64) -> F64:
    """Half the sum of absolute differences: the most by which the probability of anything has changed, 0 to 1."""
    distance: F64 = 0.5 * np.abs(old - new).sum(-1)
    return distance
