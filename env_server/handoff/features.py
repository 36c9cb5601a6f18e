"""What a robot of the handoff task observes beside RWARE's numbers. The kernel writes it for each robot and step.

Sides are turned with the robot, as its actions are: ahead, left, right, behind. In order:

    at  number            magnitude  meaning
    0   loaded                    1
    1   at an end                 1  in the pick-up cell or at the station it is on its way to: TOGGLE now
    2   ready                     1  at its place, facing the transfer point, with something to give or room to receive
    3   partner ready             1  the same of the other robot of the pair, as it is now: not what it will do next
    4   blocked       blocked_steps  steps for which a toggle at the transfer point will do nothing
    5   distance       height+width  steps left to the target, cut off at what the type holds
    6   then for each of the four sides:
        way                       1  1 nearer to the target, -1 open but not nearer, 0 closed; the transfer point is
                                     nearer, though closed, for who is on its way there: turn until it is ahead
"""

import numpy as np
import numpy.typing as npt

from env_server.handoff.compiled import compiled
from env_server.handoff.rules import gap, ready
from env_server.handoff.state import FEATURES, Pairs
from env_server.warehouse.features import SIDES
from env_server.warehouse.observe import Rows
from env_server.warehouse.state import ONLINE, Layout, State


def feature_bounds(height: int, width: int, blocked_steps: int, largest: int) -> npt.NDArray[np.float32]:
    """Largest magnitude of each number, f32 (FEATURES,), at least 1; `largest` is what the type holds."""
    bounds = [1, 1, 1, 1, max(blocked_steps, 1), min(height + width, largest), 1, 1, 1, 1]
    assert len(bounds) == FEATURES
    return np.array(bounds, np.float32)


@compiled
def write_features(s: State, f: Layout, h: Pairs, e: int, flat: Rows, first: int, stride: int) -> None:
    """Write every online robot's numbers in copy `e`, robot n's from `first + n * stride` of `flat` on."""
    longest = min(f.height + f.width, np.iinfo(flat.dtype).max)
    for n in range(s.body.size):
        if s.body[n] != ONLINE:
            continue
        at, cell, target = first + n * stride, s.cell[e, n], h.target[e, n]
        left = gap(f, cell, target)
        flat[at] = h.loaded[e, n]
        flat[at + 1] = left == 0
        flat[at + 2] = ready(s, h, e, n)
        flat[at + 3] = ready(s, h, e, n ^ 1)
        flat[at + 4] = h.blocked[e, n // 2]
        flat[at + 5] = min(left, longest)
        for k in range(4):
            flat[at + 6 + k] = _way(f, h, n, cell, SIDES[s.heading[e, n], k], target, left)


@compiled
def _way(f: Layout, h: Pairs, n: int, cell: int, side: int, target: int, left: int) -> int:
    there = f.ahead[cell, side]
    if there == cell:  # closed
        return 1 if cell == h.place[n] and side == h.facing[n] and target == h.point[n] else 0
    return 1 if gap(f, there, target) < left else -1
