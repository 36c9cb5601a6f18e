"""Independent Q-learning of two agents in a game with one state, plainly. `compiled` has the same for sweeps."""

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]


def run(payoffs: F64, seed: int, episodes: int, alpha: float, epsilon: float) -> F64:
    """The Q tables of both agents before the first and after each episode, f64 (episodes + 1, 2, A).

    payoffs f64 (2, A, A): what each agent is paid for the joint action. Stateless Q-learning (Claus and Boutilier
    1998): an agent moves its value of the action it took by `alpha` towards what it was paid, and knows nothing
    of the other. It takes its best action, or with probability `epsilon` any. Tables begin uniform in [0, 1).
    """
    # One stream, and a second draw only by who explores: results can be held to published ones seed by seed.
    rng = np.random.default_rng(seed)
    agents, actions = payoffs.shape[:2]
    path = np.empty((episodes + 1, agents, actions))
    path[0] = Q = rng.uniform(0.0, 1.0, (agents, actions))
    for episode in range(episodes):
        joint = tuple(int(np.argmax(q)) if rng.random() > epsilon else int(rng.integers(actions)) for q in Q)
        for i, action in enumerate(joint):
            Q[i, action] += alpha * (payoffs[(i, *joint)] - Q[i, action])
        path[episode + 1] = Q
    return path


def greedy(tables: F64) -> npt.NDArray[np.int64]:
    """The joint action that each pair of tables (..., 2, A) prefers, int64 (..., 2); of equals the first."""
    joint: npt.NDArray[np.int64] = np.argmax(tables, axis=-1)
    return joint
