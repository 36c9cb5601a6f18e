"""Independent actor-critic of two agents in a game with states, plainly: on-policy. See `compiled_actor_critic`."""

import math

import numpy as np

from learners.tabular.replayed import F64, Integers, Played


def run(payoffs: F64, following: Integers, seed: int, steps: int, alpha: float, gamma: float) -> Played:
    """Play and learn from state 0 on, each step but once and at once. payoffs, following: see `replayed.run`.

    The one-step actor-critic (Sutton and Barto 2018, section 13.5, without its factor gamma^t, as is usual), of each
    agent alone: a softmax of preferences, and values of states, both with step size `alpha`. `tables` of what it gives
    are the preferences. Draws are made in this order: the first preferences, uniform in [0, 1) as Q-learners' values
    are; then in each step one uniform for agent 0 and one for agent 1. Values of states begin at 0.
    """
    rng = np.random.default_rng(seed)
    states, agents, actions = payoffs.shape[:3]
    preferences = rng.uniform(0.0, 1.0, (agents, states, actions))
    values = np.zeros((agents, states))
    tables, seen, done = [preferences.copy()], [], []
    state = 0
    for _ in range(steps):
        policies = [softmax(own[state].tolist()) for own in preferences]
        joint = tuple(drawn(policy, float(rng.random())) for policy in policies)
        after = int(following[(state, *joint)])
        for i, (policy, action) in enumerate(zip(policies, joint, strict=True)):
            error = payoffs[(state, i, *joint)] + gamma * values[i, after] - values[i, state]
            values[i, state] += alpha * error
            for a in range(actions):
                preferences[i, state, a] += alpha * error * ((a == action) - policy[a])
        tables.append(preferences.copy())
        seen.append(state)
        done.append(joint)
        state = after
    return Played(np.array(tables), np.array(seen, np.int64), np.array(done, np.int64).reshape(-1, agents))


def softmax(preferences: list[float]) -> list[float]:
    """Probabilities in proportion to the exponentials."""
    highest = max(preferences)
    weights = [math.exp(preference - highest) for preference in preferences]
    total = 0.0
    for weight in weights:  # not sum(), which compensates for rounding in newer Pythons
        total += weight
    return [weight / total for weight in weights]


def drawn(policy: list[float], uniform: float) -> int:
    """The first action with which the probabilities' running sum exceeds `uniform`, or the last one."""
    total = 0.0
    for action, probability in enumerate(policy):
        total += probability
        if uniform < total:
            return action
    return len(policy) - 1
