"""The mean dynamics of independent Q-learners: what their tables do in expectation, with no noise.

With tables Q agent i takes action a with probability x_i(a) = epsilon / A + (1 - epsilon) [a = argmax Q_i], and an
episode moves Q_i(a) on average by alpha x_i(a) (E[payoff of a under the other's x] - Q_i(a)). As alpha goes to nothing,
learning follows the differential equation of that drift, its time being alpha times episodes (Wunder, Littman and Babes
2010). Where an agent's two best values meet, the drift jumps and the solution slides along the edge: small Euler steps
follow it there.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fleet.core.compiled import Compiler

F64 = npt.NDArray[np.float64]
STEP = 0.01
"""Of time. Measured on the coordination game's first tables: at most 1.3% of them end elsewhere with a tenth of it, 10%
with ten times it, where both agents slide in step with each other."""
LONGEST = 1000.0
"""Time after which equilibria have long been reached; even values that are only explored are, for epsilon from 0.05."""

compiled = Compiler("mean-dynamics", [Path(__file__)])


def push(payoffs: F64, tables: F64, time: float, epsilon: float, step: float = STEP) -> F64:
    """Where the mean dynamics take `tables` f64 (n, 2, A) in `time` (at most LONGEST is waited), in a new array.

    payoffs f64 (2, A, A), as a game has them.
    """
    end = np.array(tables, order="C")
    steps = max(1, round(min(time, LONGEST) / step))
    _push(end, np.array(payoffs, order="C"), epsilon, step, steps)
    return end


@compiled
def _push(tables: Any, payoffs: Any, epsilon: float, step: float, steps: int) -> None:
    actions = tables.shape[2]
    explored = np.empty((2, actions))  # what an action pays against one who explores
    for a in range(actions):
        explored[0, a], explored[1, a] = payoffs[0, a].mean(), payoffs[1, :, a].mean()
    for Q in tables:
        for _ in range(steps):
            first, second = np.argmax(Q[0]), np.argmax(Q[1])
            for a in range(actions):
                pays_first = epsilon * explored[0, a] + (1 - epsilon) * payoffs[0, a, second]
                pays_second = epsilon * explored[1, a] + (1 - epsilon) * payoffs[1, first, a]
                Q[0, a] += step * (epsilon / actions + (1 - epsilon) * (a == first)) * (pays_first - Q[0, a])
                Q[1, a] += step * (epsilon / actions + (1 - epsilon) * (a == second)) * (pays_second - Q[1, a])
