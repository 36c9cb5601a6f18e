"""A traffic grid as a picture: intersections coloured by which way is green, and how full their approaches are."""

import numpy as np
import numpy.typing as npt

_CELL, _CORE = 24, 8
_SIGNALS = np.array([[70, 150, 90], [80, 110, 190]], np.uint8)  # north and south; east and west
_EMPTY, _FULL = np.array([225, 225, 225.0]), np.array([190, 50, 40.0])
_STRIPS = (
    (slice(0, _CORE), slice(_CORE, 2 * _CORE)),  # bound south: waiting above the intersection
    (slice(2 * _CORE, _CELL), slice(_CORE, 2 * _CORE)),
    (slice(_CORE, 2 * _CORE), slice(0, _CORE)),
    (slice(_CORE, 2 * _CORE), slice(2 * _CORE, _CELL)),
)


def draw(fill: npt.NDArray[np.float64], signal: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """`fill` (rows, columns, 4), how full each approach is, 0 to 1; `signal` (rows, columns). uint8 (h, w, 3)."""
    rows, columns = signal.shape
    tiles = np.full((rows, columns, _CELL, _CELL, 3), 250, np.uint8)
    tiles[:, :, _CORE : 2 * _CORE, _CORE : 2 * _CORE] = _SIGNALS[signal][:, :, None, None]
    for approach, (down, across) in enumerate(_STRIPS):
        colour = (_EMPTY + fill[:, :, approach, None] * (_FULL - _EMPTY)).astype(np.uint8)
        tiles[:, :, down, across] = colour[:, :, None, None]
    return np.ascontiguousarray(tiles.transpose(0, 2, 1, 3, 4)).reshape(rows * _CELL, columns * _CELL, 3)
