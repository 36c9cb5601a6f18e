"""The dynamics of the traffic grid: vehicles in queues, which move on by signals. Pure functions on arrays of copies.

A store-and-forward model (Aboudolas, Papageorgiou and Kosmatopoulos 2009) without turning. The four approaches of an
intersection are numbered by where their vehicles are bound: 0 south, 1 north, 2 east, 3 west. Signal 0 is green for
0 and 1, signal 1 for 2 and 3. Arrays are (E, rows, columns) or (E, rows, columns, 4).
"""

import numpy as np
import numpy.typing as npt

I16 = npt.NDArray[np.int16]
_GREEN = np.array([[True, True, False, False], [False, False, True, True]])


def entries(rows: int, columns: int) -> npt.NDArray[np.bool_]:
    """Which approaches vehicles come in by from outside: bool (rows, columns, 4)."""
    outer = np.zeros((rows, columns, 4), np.bool_)
    outer[0, :, 0] = outer[-1, :, 1] = outer[:, 0, 2] = outer[:, -1, 3] = True
    return outer


def downstream(queues: I16, outside: int) -> I16:
    """For each approach, the queue that its vehicles go to next; `outside` where they leave the grid."""
    ahead = np.full_like(queues, outside)
    ahead[:, :-1, :, 0] = queues[:, 1:, :, 0]
    ahead[:, 1:, :, 1] = queues[:, :-1, :, 1]
    ahead[:, :, :-1, 2] = queues[:, :, 1:, 2]
    ahead[:, :, 1:, 3] = queues[:, :, :-1, 3]
    return ahead


def upstream(leaving: I16) -> I16:
    """For each approach, the vehicles that come into it from the intersection before it."""
    coming = np.zeros_like(leaving)
    coming[:, 1:, :, 0] = leaving[:, :-1, :, 0]
    coming[:, :-1, :, 1] = leaving[:, 1:, :, 1]
    coming[:, :, 1:, 2] = leaving[:, :, :-1, 2]
    coming[:, :, :-1, 3] = leaving[:, :, 1:, 3]
    return coming


def leaving(queues: I16, signal: npt.NDArray[np.uint8], going: npt.NDArray[np.bool_], flow: int, capacity: int) -> I16:
    """How many go on from each approach: at most `flow`, where it is green and `going`, and there is room ahead."""
    room = capacity - downstream(queues, 0)
    allowed = np.where(_GREEN[signal] & going[..., None], flow, 0)
    out: I16 = np.minimum(np.minimum(queues, room), allowed).astype(np.int16)
    return out
