"""The pictures the renderer puts on cells, from distances to their outlines, so that they are smooth at any size.

Each function gives a float32 (size, size, 4): red, green, blue in 0..255 times opacity, then opacity in 0..1.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from env_server.warehouse.state import DOWN, LEFT, RIGHT, UP

Sprite = npt.NDArray[np.float32]
Distance = npt.NDArray[np.float64]  # to an outline, in cells; negative inside
Colour = tuple[int, int, int]

WALL: Colour = (52, 58, 68)
HIGHWAY: Colour = (246, 244, 239)
SEAM: Colour = (233, 230, 222)
SLOT: Colour = (226, 221, 210)
SHELF: Colour = (164, 148, 128)
SHELF_EDGE: Colour = (122, 106, 88)
REQUESTED: Colour = (246, 172, 30)
REQUESTED_EDGE: Colour = (184, 112, 0)
GOAL: Colour = (38, 150, 104)
SERVICE: Colour = (176, 203, 229)
SERVICE_AFAR: Colour = (214, 226, 239)  # paler where whole cells are filled
ROBOT: Colour = (37, 84, 199)
STALLED: Colour = (128, 130, 136)
ALARM: Colour = (214, 40, 57)
WHITE: Colour = (255, 255, 255)
INK: Colour = (22, 30, 48)

FINE = 10  # pixels per cell below which details would only blur
COARSE = 12  # pixels per robot below which its arrow or cross is left out


@cache
def slot(size: int) -> Sprite:
    """An empty place for a shelf."""
    x, y = _plane(size)
    return _paint((_box(x, y, 0.43, 0.06), SLOT))


@cache
def wall(size: int) -> Sprite:
    """A blocked cell."""
    x, y = _plane(size)
    return _paint((_box(x, y, 0.6, 0.0), WALL))


@cache
def goal(size: int) -> Sprite:
    """A goal or station: a green pad with a white ring."""
    x, y = _plane(size)
    if size < FINE:
        return _paint((_box(x, y, 0.55, 0.0), GOAL))
    radius = np.hypot(x, y)
    return _paint((_box(x, y, 0.46, 0.1), GOAL), (np.abs(radius - 0.27) - 0.045, WHITE), (radius - 0.1, WHITE))


@cache
def service(size: int, requested: bool) -> Sprite:
    """A service point: a pale diamond, amber while something waits to be loaded there."""
    x, y = _plane(size)
    fill, edge = (REQUESTED, REQUESTED_EDGE) if requested else (SERVICE, SERVICE)
    if size < FINE:
        return _paint((_box(x, y, 0.55, 0.0), fill if requested else SERVICE_AFAR))
    diamond = (np.abs(x) + np.abs(y) - 0.38) * np.sqrt(0.5)
    return _paint((diamond, edge), (diamond + 0.06, fill))


@cache
def transfer(size: int, blocked: bool) -> Sprite:
    """A gap in a wall through which loads are handed: a green slot, red while it is blocked."""
    x, y = _plane(size)
    return _paint(
        (np.maximum(np.abs(x) - 0.3, np.abs(y) - 0.6), HIGHWAY), (_box(x, y, 0.2, 0.05), ALARM if blocked else GOAL)
    )


@cache
def shelf(size: int, requested: bool) -> Sprite:
    """A standing shelf, seen from above: boards; a requested one is amber with a dot."""
    x, y = _plane(size)
    fill, edge = (REQUESTED, REQUESTED_EDGE) if requested else (SHELF, SHELF_EDGE)
    outline = _box(x, y, 0.42, 0.08)
    if size < FINE:
        return _paint((outline, fill))
    if requested:
        return _paint((outline, edge), (outline + 0.07, fill), (np.hypot(x, y) - 0.13, WHITE))
    boards = np.abs(np.abs(y) - 0.13) - 0.025
    return _paint((outline, edge), (outline + 0.07, fill), (np.maximum(boards, outline + 0.07), edge))


@cache
def robot(size: int, heading: int, load: str, stalled: bool) -> Sprite:
    """A robot with an arrow ahead; `load` is none, plain or requested. Grey and crossed out in red when stalled."""
    x, y = _plane(size)
    fine = size >= COARSE
    body = (STALLED if fine else ALARM) if stalled else ROBOT
    layers: list[tuple[Distance, Colour]] = []
    if load == "none":
        radius = np.hypot(x, y)
        layers += [(radius - 0.45, WHITE), (radius - 0.4, body)]
    else:
        outline = _box(x, y, 0.49, 0.14)
        layers += [(outline, WHITE), (outline + 0.04, body)]
        layers += [(_box(x, y, 0.32 if fine else 0.2, 0.05), REQUESTED if load == "requested" else SHELF)]
    if not fine:
        return _paint(*layers)
    if stalled:
        layers += [(_cross(x, y, 0.3) - 0.06, WHITE), (_cross(x, y, 0.3), ALARM)]
    else:
        arrow = _arrow(x, y, heading)
        layers += [(arrow, WHITE)] if load == "none" else [(arrow - 0.05, INK), (arrow, WHITE)]
    return _paint(*layers)


@cache
def ghost(size: int) -> Sprite:
    """Where a towed robot was taken from: a white disc with a broken red ring and a small cross."""
    x, y = _plane(size)
    if size < COARSE:
        return _paint((np.hypot(x, y) - 0.5, ALARM), (np.hypot(x, y) - 0.3, WHITE))
    ring = np.abs(np.hypot(x, y) - 0.37) - 0.045
    gaps = np.cos(6 * np.arctan2(y, x)) * 0.1 - 0.02
    return _paint((np.hypot(x, y) - 0.47, WHITE), (np.maximum(ring, gaps), ALARM), (_cross(x, y, 0.14), ALARM))


def _plane(size: int) -> tuple[Distance, Distance]:
    """Pixel centres in cells, from the middle of the sprite: x to the right, y down."""
    at = (np.arange(size) + 0.5) / size - 0.5
    y, x = np.meshgrid(at, at, indexing="ij")
    return x, y


def _box(x: Distance, y: Distance, half: float, rounding: float) -> Distance:
    across, down = np.abs(x) - (half - rounding), np.abs(y) - (half - rounding)
    outside = np.hypot(np.maximum(across, 0), np.maximum(down, 0))
    return outside + np.minimum(np.maximum(across, down), 0) - rounding


def _arrow(x: Distance, y: Distance, heading: int) -> Distance:
    """A notched arrowhead whose tip is ahead."""
    side, back = {UP: (x, y), DOWN: (x, -y), LEFT: (y, x), RIGHT: (y, -x)}[heading]
    flank = (2.2 * np.abs(side) - (back + 0.27)) / np.hypot(2.2, 1)
    notch = back - 0.1 - 0.45 * np.abs(side)
    return np.asarray(np.maximum(flank, notch))


def _cross(x: Distance, y: Distance, reach: float) -> Distance:
    along, across = (x + y) * np.sqrt(0.5), (x - y) * np.sqrt(0.5)
    bars = np.minimum(
        np.maximum(np.abs(along) - reach, np.abs(across) - 0.075),
        np.maximum(np.abs(across) - reach, np.abs(along) - 0.075),
    )
    return np.asarray(bars)


def _paint(*layers: tuple[Distance, Colour]) -> Sprite:
    """Paint the shapes one over the other, each with its edge a pixel wide."""
    size = len(layers[0][0])
    sprite = np.zeros((size, size, 4), np.float32)
    for distance, colour in layers:
        cover = np.clip(0.5 - distance * size, 0, 1)[..., None]
        sprite[:] = sprite * (1 - cover) + cover * np.array([*colour, 1.0])
    sprite.flags.writeable = False  # the cache hands the same array to everybody
    return sprite


def background(size: int) -> Sequence[Colour]:
    """The colours of a free cell and of its seam; without a seam where cells are too small to have one."""
    return (HIGHWAY, SEAM if size >= FINE else HIGHWAY)
