"""How often something happened, with the interval of its probability. Pure."""

from dataclasses import dataclass

from scipy.stats import binomtest


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
    interval = binomtest(count, of).proportion_ci(0.95, "wilson")
    return Rate(count, of, count / of, float(interval.low), float(interval.high))
