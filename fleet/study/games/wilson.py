"""How often something happened, with the interval of its probability. Pure."""

from dataclasses import dataclass
from math import sqrt

_Z = 1.959963984540054  # the normal distribution's 97.5% quantile


@dataclass(frozen=True)
class Rate:
    """`count` out of `of` as a share, and its 95% Wilson score interval `low` to `high`."""

    count: int
    of: int
    share: float
    low: float
    high: float


def rate(count: int, of: int) -> Rate:
    """Of at least one trial. Wilson (1927): it holds near 0 and 1 too, where the normal interval fails."""
    share, z2 = count / of, _Z * _Z
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = _Z / (1 + z2 / of) * sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return Rate(count, of, share, max(0.0, middle - half), min(1.0, middle + half))
