"""Policies in half precision: what of a learner's weights is rounded before robots act by them."""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from fleet.core.spec import Array

Precision = Literal["float32", "float16"]

_NETWORK = "actor."  # how the names of networks' arrays begin; what scales observations may be too small or large
_LARGEST = np.finfo(np.float16).max


def rounded(weights: Mapping[str, Array], precision: Precision) -> dict[str, Array]:
    """The `weights` of a policy as its robots act by them: with "float16" the networks' are f16.

    One beyond the range of f16 (65,504), which no network that works has, becomes the largest there is.
    """
    if precision == "float32":
        return dict(weights)
    return {name: _halved(array) if name.startswith(_NETWORK) else array for name, array in weights.items()}


def _halved(array: Array) -> Array:
    return np.clip(array.astype(np.float32), -_LARGEST, _LARGEST).astype(np.float16)
