"""How far policies move, and the kernel one agent faces, against loops and by hand.

Broken by KL(new || old), by leaving the half out of total variation, by taking the other's actions for the agent's own
where the agent is 1, and by keeping outcomes apart that are the same.
"""

from itertools import product
from math import log

import numpy as np
import pytest

from env_server.games.payoffs import climbing
from env_server.games.stages import Stages, rendezvous, single, two_state
from fleet.core.drift import effective_kernel, kernel_drift, kl, others_kl, others_variation, total_variation


def policies(*shape, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(shape[-1]), shape[:-1])


def test_both_by_hand():
    old, new = np.array([0.5, 0.5]), np.array([0.9, 0.1])
    assert kl(old, new) == pytest.approx(0.5 * log(0.5 / 0.9) + 0.5 * log(0.5 / 0.1))
    assert total_variation(old, new) == pytest.approx(0.4)


def test_both_against_loops():
    old, new = policies(3, 4, 5), policies(3, 4, 5, seed=1)
    for i, j in product(range(3), range(4)):
        p, q = old[i, j], new[i, j]
        assert kl(old, new)[i, j] == pytest.approx(sum(p[a] * log(p[a] / q[a]) for a in range(5)))
        assert total_variation(old, new)[i, j] == pytest.approx(sum(max(0.0, p[a] - q[a]) for a in range(5)))


def test_an_action_that_is_never_taken_any_more_is_infinitely_far_and_one_that_never_was_is_not():
    sure, open_ = np.array([1.0, 0.0]), np.array([0.5, 0.5])
    assert kl(open_, sure) == np.inf
    assert kl(sure, open_) == pytest.approx(log(2))
    assert total_variation(open_, sure) == 0.5
    assert kl(sure, sure) == total_variation(sure, sure) == 0


def test_what_all_others_do_together():
    """Three agents, so each faces the joint action of two, whose KL and total variation are summed up in full."""
    old, new = policies(3, 2, 4), policies(3, 2, 4, seed=1)
    far, apart = others_kl(kl(old, new)), others_variation(total_variation(old, new))
    assert far.shape == apart.shape == (3, 2)
    for i, s in product(range(3), range(2)):
        j, k = (other for other in range(3) if other != i)
        before, after = (np.outer(policy[j, s], policy[k, s]).ravel() for policy in (old, new))
        assert far[i, s] == pytest.approx(kl(before, after))
        assert apart[i, s] >= total_variation(before, after)
        tv_j, tv_k = total_variation(old[j, s], new[j, s]), total_variation(old[k, s], new[k, s])
        assert apart[i, s] == pytest.approx(tv_j + tv_k - tv_j * tv_k)


def test_one_that_moved_infinitely_far_does_so_for_the_others_alone():
    np.testing.assert_array_equal(others_kl(np.array([np.inf, 1.0, 2.0])), [3.0, np.inf, np.inf])
    np.testing.assert_array_equal(others_variation(np.array([1.0, 0.0, 0.5])), [0.5, 1.0, 1.0])
    np.testing.assert_array_equal(others_kl(np.array([3.0])), [0.0])


GAMES = [two_state(), rendezvous(3), single(climbing())]


@pytest.mark.parametrize("agent", [0, 1])
@pytest.mark.parametrize("stages", GAMES, ids=lambda stages: stages.name)
def test_the_kernel_and_its_drift_against_loops_over_joint_actions(stages, agent):
    old, new = policies(stages.states, stages.actions), policies(stages.states, stages.actions, seed=1)
    kernel = effective_kernel(stages.payoffs, stages.following, old, agent)
    drift = kernel_drift(stages.payoffs, stages.following, old, new, agent)
    np.testing.assert_allclose(kernel.sum(-1), 1.0)
    for s, a in list(product(range(stages.states), range(stages.actions)))[::7]:
        before, after = (slow_kernel(stages, other, agent, s, a) for other in (old, new))
        assert sorted(kernel[s, a][kernel[s, a] > 0]) == pytest.approx(sorted(before.values()))
        assert drift[s, a] == pytest.approx(sum(abs(before[key] - after[key]) for key in before) / 2)
    assert (drift <= total_variation(old, new)[:, None] + 1e-12).all()


def slow_kernel(stages: Stages, other, agent, s, a):
    """The chance of each reward and next state."""
    found: dict[tuple[float, int], float] = {}
    for b in range(stages.actions):
        joint = (a, b) if agent == 0 else (b, a)
        outcome = float(stages.payoffs[s, agent][joint]), int(stages.following[s][joint])
        found[outcome] = found.get(outcome, 0.0) + other[s, b]
    return found


def test_the_kernel_of_the_two_state_game_by_hand():
    """In state 0 each action leads to one of two outcomes, as the other likes; in state 1 the other stays as it was.

    Where all joint actions pay alike, nothing that the other does matters.
    """
    stages = two_state()
    old, new = np.array([[0.8, 0.2], [0.5, 0.5]]), np.array([[0.5, 0.5], [0.5, 0.5]])
    drift = kernel_drift(stages.payoffs, stages.following, old, new, 0)
    np.testing.assert_allclose(drift, [[0.3, 0.3], [0.0, 0.0]])
    alike = np.ones((1, 2, 2, 2))
    assert not kernel_drift(alike, np.zeros((1, 2, 2), np.int32), old[:1], new[:1], 1).any()
