"""A state of a game as a picture: its payoffs as a grid, agent 0's actions down, agent 1's across."""

import numpy as np
import numpy.typing as npt

_CELL, _FRAME = 48, 4
_LOW, _HIGH = np.array([178, 60, 60.0]), np.array([60, 150, 90.0])
_INK = (20, 20, 30)


def draw(payoffs: npt.NDArray[np.float64], last: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Red pays least of `payoffs` (A, A), green most; the joint action `last` is framed. uint8 (height, width, 3)."""
    least, most = payoffs.min(), payoffs.max()
    share = ((payoffs - least) / (most - least if most > least else 1.0))[:, :, None]
    colours = (_LOW + share * (_HIGH - _LOW)).astype(np.uint8)
    canvas: npt.NDArray[np.uint8] = colours.repeat(_CELL, axis=0).repeat(_CELL, axis=1)
    canvas[::_CELL] = canvas[:, ::_CELL] = _INK
    top, left = (action * _CELL for action in last)
    cell = canvas[top : top + _CELL, left : left + _CELL]
    cell[:_FRAME] = cell[-_FRAME:] = 255
    cell[:, :_FRAME] = cell[:, -_FRAME:] = 255
    return canvas
