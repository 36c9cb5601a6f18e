"""What the handoff task has beside the warehouse's arrays: loads, targets, transfer points and the stakes."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

I32 = npt.NDArray[np.int32]
U8 = npt.NDArray[np.uint8]

FEATURES = 10  # numbers that a robot observes beside RWARE's; see features.py


class Pairs(NamedTuple):
    """P pairs in E copies: robots 2p and 2p + 1 are pair p, the giver and the receiver.

    The first block decides the future; the rest never changes and is the same in all copies.
    """

    loaded: U8  # (E, N)
    target: I32  # (E, N) cell each robot is on its way to: a pick-up cell or station, or the pair's transfer point
    blocked: I32  # (E, P) steps for which the transfer point can't be used any more
    point: I32  # (N,) cell of the pair's transfer point, in the wall
    place: I32  # (N,) cell before it, where the robot hands over or receives
    facing: U8  # (N,) heading in which it does
    ends: I32  # (N, lane) a giver's pick-up cells, a receiver's stations
    homes: I32  # (N, depth * lane) cells a robot may start on: its lane on its side of the wall
    sides: I32  # (2, depth * width) all cells of the givers' side, and of the receivers'
    dense_scale: float
    penalty: float
    share: float
    blocked_steps: int
    absent_costs: bool
