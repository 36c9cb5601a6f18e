"""What travels between a world, its actors and the learners: the shapes, and one rollout's arrays."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]


@dataclass(frozen=True)
class WorldSpec:
    """The shape of a world. `bound` is the largest magnitude of each observation feature, f32 (D,)."""

    robots: int
    worlds: int
    observation_size: int
    observation_dtype: np.dtype[np.generic]
    actions: int
    bound: npt.NDArray[np.float32]


@dataclass(frozen=True)
class RolloutBatch:
    """T steps of R robots in E copies, as one learner gets them.

    obs (R, T+1, E, D) in the world's dtype, the last one being the observation after step T; actions uint8 (R, T, E);
    log_probs f32 (R, T, E) of the policy that acted; rewards f32 (R, T, E); terminated, truncated bool (R, T, E),
    never merged; final_obs (K, D): the observation in which each truncated (and not terminated) episode ended, in C
    order of (r, t, e), for the bootstrap. Where an episode ended at t, obs[r, t+1, e] already belongs to the next one.
    """

    robots: tuple[int, ...]
    obs: Array
    actions: npt.NDArray[np.uint8]
    log_probs: npt.NDArray[np.float32]
    rewards: npt.NDArray[np.float32]
    terminated: npt.NDArray[np.bool_]
    truncated: npt.NDArray[np.bool_]
    final_obs: Array
