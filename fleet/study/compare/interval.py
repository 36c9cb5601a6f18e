"""A figure over seeds: its mean, the interquartile mean, and the bootstrap interval of the mean. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import trim_mean

from fleet.core.seeds import generator

RESAMPLES = 10_000


@dataclass(frozen=True)
class Spread:
    """`low` to `high`: 95% percentile bootstrap interval of the mean; None of a single seed.

    The interquartile mean leaves out the lowest and the highest quarter (Agarwal et al. 2021); `samples` by seed.
    """

    mean: float
    low: float | None
    high: float | None
    interquartile: float
    samples: tuple[float, ...]


def spread(samples: Sequence[float]) -> Spread | None:
    """Of at least one sample; None of none."""
    values = np.asarray(samples, np.float64)
    if not values.size:
        return None
    low = high = None
    if values.size > 1:
        drawn = generator(0, "eval", 5).integers(values.size, size=(RESAMPLES, values.size))
        low, high = (float(bound) for bound in np.percentile(values[drawn].mean(axis=1), (2.5, 97.5)))
    return Spread(float(values.mean()), low, high, float(trim_mean(values, 0.25)), tuple(map(float, values)))
