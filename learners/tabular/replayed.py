"""Independent Q-learning from a memory, of two agents in a game with states, plainly. See `compiled_replayed`."""

from collections import deque
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Integers = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Rule:
    """How two agents learn. `memories`: how many of its newest steps each keeps, one or more.

    replayed: updates after each step, of steps drawn from the memory. alpha, epsilon and gamma are Q-learning's.
    """

    alpha: float
    epsilon: float
    gamma: float
    memories: tuple[int, int]
    replayed: int


class Played(NamedTuple):
    """What came of it: tables f64 (steps + 1, 2, S, A), before the first and after each step, and each step itself.

    Of a step the state, int64 (steps,), and what both did in it, actions int64 (steps, 2).
    """

    tables: F64
    states: I64
    actions: I64


def run(payoffs: F64, following: Integers, seed: int, steps: int, rule: Rule) -> Played:
    """Play and learn from state 0 on. payoffs (S, 2, A, A) and following (S, A, A), the next state, for joint actions.

    Each agent has a table and a memory of its own, and knows nothing of the other (Tan 1993; Mnih et al. 2015). Draws
    are made in this order: the first tables, uniform in [0, 1); then in each step for agent 0, and after it for agent
    1, whether it explores and if so which action; then for agent 0, and after it for agent 1, `replayed` places in its
    memory, uniformly with replacement, counted from its oldest step on. It learns from each before the next is drawn.
    """
    rng = np.random.default_rng(seed)
    states, agents, actions = payoffs.shape[:3]
    Q = rng.uniform(0.0, 1.0, (agents, states, actions))
    memories: list[deque[tuple[int, int, float, int]]] = [deque(maxlen=size) for size in rule.memories]
    tables, seen, done = [Q.copy()], [], []
    state = 0
    for _ in range(steps):
        joint = tuple(
            int(np.argmax(q[state])) if rng.random() > rule.epsilon else int(rng.integers(actions)) for q in Q
        )
        after = int(following[(state, *joint)])
        for i, memory in enumerate(memories):
            memory.append((state, joint[i], float(payoffs[(state, i, *joint)]), after))
            for _ in range(rule.replayed):
                s, action, paid, led = memory[int(rng.integers(len(memory)))]
                Q[i, s, action] += rule.alpha * (paid + rule.gamma * Q[i, led].max() - Q[i, s, action])
        tables.append(Q.copy())
        seen.append(state)
        done.append(joint)
        state = after
    return Played(np.array(tables), np.array(seen, np.int64), np.array(done, np.int64).reshape(-1, agents))
