"""Whether what one robot wins another loses: the correlation of their rewards. Pure."""

from math import atanh, sqrt, tanh

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

_WHOLE = 1.0 - 1e-9
F64 = npt.NDArray[np.float64]


def conflict(rewards: F64) -> float:
    """How surely and strongly some pair of robots is at odds, from rewards (N, M) in the same M stretches of play.

    The upper end of the 95% interval of the smallest correlation between two robots (Fisher's z, corrected for the
    number of pairs by Bonferroni), no larger than 0: 0 where no pair is surely at odds, -1 where one wins what another
    loses. Robots whose reward never changed say nothing.
    """
    varied = rewards[rewards.std(axis=1) > 0]
    robots, count = varied.shape
    if robots < 2 or count < 10:
        return 0.0
    correlations = np.corrcoef(varied)[np.triu_indices(robots, 1)]
    smallest = float(correlations.min())
    if abs(smallest) > _WHOLE:
        return min(0.0, round(smallest))
    width = float(ndtri(1.0 - 0.025 / len(correlations))) / sqrt(count - 3)
    return min(0.0, tanh(atanh(smallest) + width))
