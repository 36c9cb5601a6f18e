"""Bias and nonlinearity in one pass over a layer's products, compiled: numpy's tanh takes longer than the product.

Elementwise with no reduction, so a number comes out the same wherever it stands in the array.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fleet.core.compiled import Compiler, numba

F32 = npt.NDArray[np.float32]

_LARGEST = np.float32(7.90531110763549805)  # beyond it tanh is 1 in f32
compiled = Compiler("acting", [Path(__file__)], fastmath={"contract"})
inlined: Any = numba.njit(inline="always")


@inlined  # type: ignore[untyped-decorator]
def tanh(z: Any) -> Any:
    """The tanh of one f32, to 3e-7: the rational approximation Eigen uses. For use inside compiled functions."""
    z = z if z < _LARGEST else _LARGEST
    z = z if z > -_LARGEST else -_LARGEST
    s = z * z
    p = s * np.float32(-2.76076847742355e-16) + np.float32(2.00018790482477e-13)
    p = s * p + np.float32(-8.60467152213735e-11)
    p = s * p + np.float32(5.12229709037114e-08)
    p = s * p + np.float32(1.48572235717979e-05)
    p = s * p + np.float32(6.37261928875436e-04)
    p = s * p + np.float32(4.89352455891786e-03)
    q = s * np.float32(1.19825839466702e-06) + np.float32(1.18534705686654e-04)
    q = s * q + np.float32(2.26843463243900e-03)
    q = s * q + np.float32(4.89352518554385e-03)
    return z * p / q


@compiled
def bias_tanh(products: F32, bias: F32) -> None:
    """Products (N, E, H) := tanh(products + bias (N, 1, H))."""
    robots, worlds, units = products.shape
    for n in range(robots):
        for e in range(worlds):
            for h in range(units):
                products[n, e, h] = tanh(products[n, e, h] + bias[n, 0, h])


def bias_relu(products: F32, bias: F32) -> None:
    """Products (N, E, H) := max(products + bias (N, 1, H), 0)."""
    products += bias
    np.maximum(products, 0, out=products)


@compiled
def sample(logits: F32, uniforms: F32, actions: npt.NDArray[np.uint8], log_probs: F32) -> None:
    """Actions and their log-probabilities, both (N, E), from logits (N, E, A) and uniforms (N, E) in [0, 1).

    Inverse CDF: action a is taken when the uniform lies in [P(< a), P(<= a)).
    """
    robots, worlds, count = logits.shape
    for n in range(robots):
        for e in range(worlds):
            z = logits[n, e]
            top = z[0]
            for a in range(1, count):
                top = max(top, z[a])
            total = np.float32(0.0)
            for a in range(count):
                total += math.exp(z[a] - top)
            wanted, below, action = uniforms[n, e] * total, np.float32(0.0), -1
            while action < count - 1 and wanted >= below:
                action += 1
                below += math.exp(z[action] - top)
            actions[n, e] = action
            log_probs[n, e] = z[action] - top - np.float32(math.log(total))
