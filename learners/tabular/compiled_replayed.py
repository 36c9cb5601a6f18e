"""`replayed.run`, compiled: the same draws from the same generator, so the same tables bit for bit."""

from pathlib import Path
from typing import Any

import numpy as np

from fleet.core.compiled import Compiler
from learners.tabular.replayed import F64, Integers, Played, Rule

compiled = Compiler("tabular-replayed", [Path(__file__)])


def run(payoffs: F64, following: Integers, seed: int, steps: int, rule: Rule) -> Played:
    """See `replayed.run`."""
    rng = np.random.default_rng(seed)
    states, agents, actions = payoffs.shape[:3]
    tables = np.empty((steps + 1, agents, states, actions))
    tables[0] = rng.uniform(0.0, 1.0, (agents, states, actions))
    played = Played(tables, np.empty(steps, np.int64), np.empty((steps, agents), np.int64))
    game = np.array(payoffs, order="C"), np.array(following, np.int64, order="C")
    _learn(rng, *game, rule.alpha, rule.epsilon, rule.gamma, rule.memories, rule.replayed, *played)
    return played


@compiled
def _learn(
    rng: np.random.Generator,
    payoffs: Any,
    following: Any,
    alpha: float,
    epsilon: float,
    gamma: float,
    memories: tuple[int, int],
    replayed: int,
    tables: Any,
    states: Any,
    joints: Any,
) -> None:
    """Fill `tables` from the first on, `states` and `joints`. A memory is the newest part of what was played."""
    actions = tables.shape[3]
    state = 0
    for step in range(len(states)):
        Q = tables[step + 1]
        Q[:] = tables[step]
        states[step] = state
        for i in range(2):
            explores = rng.random() <= epsilon
            joints[step, i] = rng.integers(0, actions) if explores else np.argmax(Q[i, state])
        for i in range(2):
            held = min(step + 1, memories[i])
            for _ in range(replayed):
                drawn = step + 1 - held + rng.integers(0, held)
                s, first, second = states[drawn], joints[drawn, 0], joints[drawn, 1]
                action, best = joints[drawn, i], Q[i, following[s, first, second]].max()
                Q[i, s, action] += alpha * (payoffs[s, i, first, second] + gamma * best - Q[i, s, action])
        state = following[state, joints[step, 0], joints[step, 1]]
