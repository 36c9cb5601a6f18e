"""Tabular learners of games with states: compiled ones held to plain ones, and what a memory does to them."""

import numpy as np
import pytest

from env_server.games.stages import rendezvous, two_state
from learners.tabular import actor_critic, compiled_actor_critic, compiled_replayed, independent, replayed
from learners.tabular.replayed import Rule

TWO = two_state()
PENNIES = np.array([[[[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]]])
AGAIN = np.zeros((1, 2, 2), np.int64)
GAMES = {
    "two-state": (TWO.payoffs, TWO.following),
    "pennies": (PENNIES, AGAIN),
    "rendezvous": (rendezvous(2).payoffs, rendezvous(2).following),
}


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize(
    "rule", [Rule(0.1, 0.1, 0.5, (1, 50), 8), Rule(0.37, 0.9, 0.9, (500, 7), 3), Rule(1.0, 0.0, 0.0, (2, 2), 1)]
)
def test_compiled_replay_is_the_plain_one_bit_for_bit(game, rule):
    """Broken by the agents' memories interchanged, and by drawing places from the newest step backwards."""
    for seed in (0, 7):
        plain = replayed.run(*GAMES[game], seed, 150, rule)
        fast = compiled_replayed.run(*GAMES[game], seed, 150, rule)
        assert [part.tobytes() for part in fast] == [part.tobytes() for part in plain]


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize(("alpha", "gamma"), [(0.1, 0.5), (0.9, 0.0)])
def test_the_compiled_actor_critic_is_the_plain_one_bit_for_bit(game, alpha, gamma):
    """Broken by a policy's value of the state taken after it has been moved."""
    for seed in (0, 7):
        plain = actor_critic.run(*GAMES[game], seed, 150, alpha, gamma)
        fast = compiled_actor_critic.run(*GAMES[game], seed, 150, alpha, gamma)
        assert [part.tobytes() for part in fast] == [part.tobytes() for part in plain]


def test_with_a_memory_of_one_step_it_is_q_learning_of_that_step_again_and_again():
    """Of one state: repeated, a step of alpha is one of 1 - (1 - alpha)^n. Whoever draws places draws more, though."""
    played = replayed.run(PENNIES, AGAIN, 3, 40, Rule(0.1, 0.5, 0.0, (1, 1), 8))
    for before, after, joint in zip(played.tables[:-1], played.tables[1:], played.actions, strict=True):
        wanted = before[:, 0].copy()
        for i in range(2):
            share = 1 - 0.9**8
            wanted[i, joint[i]] += share * (PENNIES[(0, i, *joint)] - wanted[i, joint[i]])
        assert after[:, 0] == pytest.approx(wanted)


def test_the_first_tables_are_those_of_learners_without_memory():
    first = independent.run(PENNIES[0], 5, 0, 0.1, 0.1)[0]
    assert (replayed.run(PENNIES, AGAIN, 5, 0, Rule(0.1, 0.1, 0.5, (1, 1), 8)).tables[0, :, 0] == first).all()
    assert (actor_critic.run(PENNIES, AGAIN, 5, 0, 0.1, 0.5).tables[0, :, 0] == first).all()


def test_a_memory_forgets_its_oldest_step():
    """With 2 places a step is learned from in its own turn and the next one; with 3 in one more."""
    payoffs, following = np.zeros((6, 2, 2, 2)), np.zeros((6, 2, 2), np.int64)
    following[:] = (np.arange(6)[:, None, None] + 1) % 6
    payoffs[0] = 10.0
    for held in (2, 3):
        played = replayed.run(payoffs, following, 0, 6, Rule(0.01, 0.0, 0.0, (held, held), 40))
        assert (played.states == np.arange(6)).all()
        moved = (played.tables[1:, :, 0] != played.tables[:-1, :, 0]).any(axis=(1, 2))
        assert moved.tolist() == [turn < held for turn in range(6)]


def test_states_follow_from_actions_and_only_the_policy_that_acts_is_moved():
    """The actor-critic's move of an action is its error times what the softmax leaves to it."""
    played = actor_critic.run(TWO.payoffs, TWO.following, 2, 60, 0.2, 0.5)
    assert set(played.states.tolist()) == {0, 1}
    values = np.zeros((2, 2))
    ends = [*played.states[1:], TWO.following[(played.states[-1], *played.actions[-1])]]
    for t, (state, after, joint) in enumerate(zip(played.states, ends, played.actions, strict=True)):
        assert after == TWO.following[(state, *joint)]
        wanted = played.tables[t].copy()
        for i in range(2):
            policy = np.exp(wanted[i, state]) / np.exp(wanted[i, state]).sum()
            error = TWO.payoffs[(state, i, *joint)] + 0.5 * values[i, after] - values[i, state]
            values[i, state] += 0.2 * error
            wanted[i, state] += 0.2 * error * (np.eye(2)[joint[i]] - policy)
        assert played.tables[t + 1] == pytest.approx(wanted)
