"""What the policies of a game's two agents are worth, and the most that one of them could get against the other. Pure.

Exact, by backward induction over the steps of an episode (Bellman 1957), where a learner's own returns are samples.
Policies f64 (..., S, A) are the probability with which an agent chooses each action in each state.
"""

import numpy as np
import numpy.typing as npt

from env_server.games.stages import Stages

F64 = npt.NDArray[np.float64]


def worth(stages: Stages, policies: F64, steps: int) -> F64:
    """The return that each agent can expect of an episode of `steps` steps, not discounted.

    policies f64 (..., 2, S, A), the returns f64 (..., 2).
    """
    joint = _joint(policies)
    value = np.zeros((*joint.shape[:-2], 2))
    for _ in range(steps):
        following = np.moveaxis(value[..., stages.following, :], -1, -3)
        value = np.einsum("...sab,...siab->...si", joint, stages.payoffs + following)
    return value[..., 0, :]


def best_response(stages: Stages, agent: int, other: F64, steps: int) -> F64:
    """The most that `agent` can expect of an episode of `steps` steps against one that plays `other`.

    other f64 (..., S, A), the returns f64 (...). What is best may depend on how many steps are left. Learners aren't
    told, so in a game of several states the last steps of an episode may keep them a little below.
    """
    others = -1 - agent  # its axis of (..., S, A, A)
    chances, payoffs = np.expand_dims(other, -2 + agent), stages.payoffs[:, agent]
    value = np.zeros(other.shape[:-1])
    for _ in range(steps):
        value = (chances * (payoffs + value[..., stages.following])).sum(others).max(-1)
    return value[..., 0]


def visits(stages: Stages, policies: F64, steps: int) -> F64:
    """The share of the steps of an episode that are taken in each state, f64 (S,), by policies f64 (2, S, A)."""
    states = np.arange(stages.states)
    leads = np.zeros((stages.states, stages.states))
    np.add.at(leads, (states[:, None, None], stages.following), _joint(policies))
    here, shares = np.eye(stages.states)[0], np.zeros(stages.states)
    for _ in range(steps):
        shares += here / steps
        here = here @ leads
    return shares


def _joint(policies: F64) -> F64:
    """The probability of each joint action in each state, (..., S, A, A)."""
    return policies[..., 0, :, :, None] * policies[..., 1, :, None, :]
