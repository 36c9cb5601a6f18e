"""`actor_critic.run`, compiled: the same draws from the same generator, so the same preferences bit for bit."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from fleet.core.compiled import Compiler
from learners.tabular.replayed import F64, Integers, Played

compiled = Compiler("tabular-actor-critic", [Path(__file__)])


def run(payoffs: F64, following: Integers, seed: int, steps: int, alpha: float, gamma: float) -> Played:
    """See `actor_critic.run`."""
    rng = np.random.default_rng(seed)
    states, agents, actions = payoffs.shape[:3]
    tables = np.empty((steps + 1, agents, states, actions))
    tables[0] = rng.uniform(0.0, 1.0, (agents, states, actions))
    played = Played(tables, np.empty(steps, np.int64), np.empty((steps, agents), np.int64))
    _learn(rng, np.array(payoffs, order="C"), np.array(following, np.int64, order="C"), alpha, gamma, *played)
    return played


@compiled
def _learn(
    rng: np.random.Generator,
    payoffs: Any,
    following: Any,
    alpha: float,
    gamma: float,
    tables: Any,
    states: Any,
    joints: Any,
) -> None:
    """Fill `tables` from the first on, `states` and `joints`."""
    actions = tables.shape[3]
    values, policies = np.zeros((2, tables.shape[2])), np.empty((2, actions))
    state = 0
    for step in range(len(states)):
        preferences = tables[step + 1]
        preferences[:] = tables[step]
        states[step] = state
        for i in range(2):
            highest, total = preferences[i, state].max(), 0.0
            for a in range(actions):
                policies[i, a] = math.exp(preferences[i, state, a] - highest)
                total += policies[i, a]
            policies[i] /= total
        for i in range(2):
            uniform, reached, chosen = rng.random(), 0.0, 0
            for chosen in range(actions):  # ends with the last one where rounding leaves nothing else
                reached += policies[i, chosen]
                if uniform < reached:
                    break
            joints[step, i] = chosen
        after = following[state, joints[step, 0], joints[step, 1]]
        for i in range(2):
            error = payoffs[state, i, joints[step, 0], joints[step, 1]] + gamma * values[i, after] - values[i, state]
            values[i, state] += alpha * error
            for a in range(actions):
                preferences[i, state, a] += alpha * error * ((a == joints[step, i]) - policies[i, a])
        state = after
