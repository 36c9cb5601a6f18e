"""The correlation of two series, from sums that are kept as they come and can be put together in any order.

Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979), and the
same for the product of two: sums of squares are kept about the mean, so nothing large cancels.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.floating]

CONSTANT = 1e-12
"""A spread that is less than this share of the mean is what rounding made of a constant."""


@dataclass(frozen=True)
class CoMoments:
    """Of `count` pairs (x, y) in each of N rows, all f64 (N,): the means `x` and `y`, and the sums about them.

    `xx` and `yy` are sums of squares of what x and y are from their means, `xy` those of both multiplied.
    """

    count: int
    x: F64
    y: F64
    xx: F64
    yy: F64
    xy: F64

    @classmethod
    def none(cls, rows: int) -> Self:
        """Of no pairs."""
        return cls(0, *(np.zeros(rows) for _ in range(5)))

    @classmethod
    def of(cls, x: Numbers, y: Numbers) -> Self:
        """Of the pairs in x and y, (N, K)."""
        if not x.shape[1]:
            return cls.none(len(x))
        mean_x, mean_y = x.mean(1, dtype=np.float64), y.mean(1, dtype=np.float64)
        from_x, from_y = x - mean_x[:, None], y - mean_y[:, None]
        products = [np.einsum("nk,nk->n", a, b) for a, b in ((from_x, from_x), (from_y, from_y), (from_x, from_y))]
        return cls(x.shape[1], mean_x, mean_y, *products)

    def __add__(self, other: Self) -> Self:
        """Of both's pairs."""
        count = self.count + other.count
        if not count:
            return self
        apart_x, apart_y = other.x - self.x, other.y - self.y
        share, weight = other.count / count, self.count * other.count / count
        return type(self)(
            count,
            self.x + apart_x * share,
            self.y + apart_y * share,
            self.xx + other.xx + apart_x * apart_x * weight,
            self.yy + other.yy + apart_y * apart_y * weight,
            self.xy + other.xy + apart_x * apart_y * weight,
        )

    def correlations(self) -> F64:
        """Pearson's r of each row, f64 (N,); NaN where x or y never changed."""
        least = self.count * CONSTANT**2
        varies = (self.xx > least * self.x**2) & (self.yy > least * self.y**2)
        spread = np.sqrt(self.xx * self.yy)
        found: F64 = np.divide(self.xy, spread, out=np.full(len(spread), np.nan), where=varies)
        return found
