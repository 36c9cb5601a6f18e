"""Advantages and returns of a rollout: generalized advantage estimation (Schulman et al. 2016, equations 11 to 16)."""

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


def gae(
    rewards: F32, terminated: Flags, truncated: Flags, values: F32, final_values: F32, gamma: float, lam: float
) -> tuple[F32, F32]:
    """Advantages and lambda-returns, both f32 (R, T, E).

    rewards, terminated, truncated: (R, T, E). values: (R, T+1, E), V of every observation, the last one being the
    bootstrap at the rollout's end. final_values: (K,), V of the observation in which each truncated and not terminated
    episode ended, in C order of (r, t, e). A terminated episode is worth nothing afterwards; a truncated one would have
    gone on, so it is worth its final observation's V. No advantage flows back over either end.
    """
    cut = truncated & ~terminated
    next_values = values[:, 1:].copy()  # where an episode ended, values[:, t+1] is the next episode's: never used below
    next_values[cut] = final_values
    next_values[terminated] = 0.0
    deltas = rewards + np.float32(gamma) * next_values - values[:, :-1]
    carry = np.float32(gamma * lam) * ~(terminated | truncated)
    advantages = deltas
    for t in range(rewards.shape[1] - 2, -1, -1):
        advantages[:, t] += carry[:, t] * advantages[:, t + 1]
    return advantages, advantages + values[:, :-1]
