"""The uniforms behind every sampled action: a pure function of seed, robot and round, so that no state is saved.

A robot that drives on without its learner, or comes back later, draws the same numbers in the same round.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fleet.core import seeds


def uniforms(seed: int, robots: Sequence[int], round_number: int, steps: int, worlds: int) -> npt.NDArray[np.float32]:
    """Uniforms in [0, 1) of one round, f32 (T, N, E): element [t, i] is for robots[i] at step t."""
    drawn = np.empty((steps, len(robots), worlds), np.float32)
    for i, robot in enumerate(robots):
        drawn[:, i] = seeds.generator(seed, "acting", robot, round_number).random((steps, worlds), dtype=np.float32)
    return drawn
