"""Exact values and best responses of games, against every path and every plan written out."""

from itertools import product

import numpy as np
import pytest

from env_server.games.payoffs import MAKERS, make_game
from env_server.games.stages import Stages, rendezvous, single, two_state
from fleet.study.games.response import best_response, visits, worth

GAMES = [*(single(make_game(name)) for name in MAKERS), two_state(), rendezvous(2)]
RNG = np.random.default_rng(5)


def policies(stages: Stages, *leading: int) -> np.ndarray:
    return RNG.dirichlet(np.ones(stages.actions), size=(*leading, 2, stages.states))


def expected(stages: Stages, pair: np.ndarray, steps: int, state: int = 0) -> np.ndarray:
    """By every joint action of every step."""
    total = np.zeros(2)
    for first, second in product(range(stages.actions), repeat=2) if steps else ():
        rest = expected(stages, pair, steps - 1, int(stages.following[state, first, second]))
        chance = pair[0, state, first] * pair[1, state, second]
        total += chance * (stages.payoffs[state, :, first, second] + rest)
    return total


@pytest.mark.parametrize("stages", GAMES, ids=lambda stages: stages.name)
def test_what_policies_are_worth(stages: Stages) -> None:
    many = policies(stages, 3)
    found = worth(stages, many, 2)
    assert found.shape == (3, 2)
    for place in range(3):
        np.testing.assert_allclose(found[place], expected(stages, many[place], 2))


@pytest.mark.parametrize("agent", [0, 1])
@pytest.mark.parametrize("stages", GAMES[:-1], ids=lambda stages: stages.name)
def test_the_best_response_is_that_of_all_plans(stages: Stages, agent: int) -> None:
    """Broken by taking the other's actions for one's own, which the common payoffs alone don't show."""
    pair, steps = policies(stages), 2

    def tried(plan: np.ndarray, left: int, state: int = 0) -> float:
        """Of a plan (steps, S) of pure actions, by what the other may do."""
        total = 0.0
        for other in range(stages.actions) if left else ():
            own = int(plan[steps - left, state])
            first, second = (own, other) if agent == 0 else (other, own)
            rest = tried(plan, left - 1, int(stages.following[state, first, second]))
            total += pair[1 - agent, state, other] * (stages.payoffs[state, agent, first, second] + rest)
        return total

    plans = product(range(stages.actions), repeat=steps * stages.states)
    most = max(tried(np.reshape(plan, (steps, stages.states)), steps) for plan in plans)
    np.testing.assert_allclose(best_response(stages, agent, pair[1 - agent], steps), most)
    twice = best_response(stages, agent, np.stack([pair[1 - agent]] * 2), steps)
    np.testing.assert_allclose(twice, [most, most])


def test_the_best_that_a_pair_can_do_is_a_response_too() -> None:
    """On a square of 3 x 3 they meet every fourth step; who plays against one that walks there at once gets all."""
    stages, steps = rendezvous(3), 100
    stay, up, left = np.eye(5)[[0, 1, 3]]
    walks = np.array([left if seen[3:6].argmax() else up if seen[:3].argmax() else stay for seen in stages.seen[1]])
    assert best_response(stages, 0, walks, steps) == pytest.approx(25.0)
    assert best_response(single(make_game("climbing")), 1, np.array([[1.0, 0.0, 0.0]]), steps) == pytest.approx(1100)


def test_visits_are_those_of_many_episodes() -> None:
    stages, steps, copies = two_state(), 5, 40_000
    pair = policies(stages)
    state, counts = np.zeros(copies, np.int64), np.zeros(stages.states)
    for _ in range(steps):
        counts += np.bincount(state, minlength=stages.states)
        first, second = (RNG.random(copies) < pair[agent, state, 1] for agent in range(2))
        state = stages.following[state, first.astype(int), second.astype(int)]
    np.testing.assert_allclose(visits(stages, pair, steps), counts / counts.sum(), atol=0.01)
