"""Sweeps of matrix games: rates and their intervals, the mean dynamics, the payoff study and the pictures."""

from itertools import product
from math import sqrt

import numpy as np
import pytest
from PIL import Image

from env_server.games.payoffs import make_game
from fleet.core.errors import BadInput
from fleet.study.games.dynamics import push
from fleet.study.games.payoff_study import study_payoffs
from fleet.study.games.plot import has_paths, plot_paths, plot_study
from fleet.study.games.sweep import Terms, first_tables, foresee, optimal, reached, sweep
from fleet.study.games.wilson import rate

SMALL = Terms(seeds=12, episodes=200)


@pytest.mark.parametrize(("count", "of"), [(96, 200), (1, 7), (199, 200)])
def test_the_interval_s_ends_are_the_probabilities_that_are_just_not_rejected(count, of):
    """Broken by the normal approximation's half width."""
    found = rate(count, of)
    assert found.share == count / of
    assert found.low < found.share < found.high
    for end in (found.low, found.high):
        assert abs(found.share - end) == pytest.approx(1.959964 * sqrt(end * (1 - end) / of), rel=1e-6)


def test_never_and_always_have_intervals_too():
    assert (rate(0, 20).low, rate(20, 20).high) == (0, 1)
    assert rate(0, 20).high == pytest.approx(1 - rate(20, 20).low)
    assert rate(0, 20).high > 0.1


def expected_step(payoffs, Q, alpha, epsilon):
    """One episode's mean, over all joint actions with their probabilities."""
    actions = Q.shape[1]
    x = np.full((2, actions), epsilon / actions)
    for i in range(2):
        x[i, Q[i].argmax()] += 1 - epsilon
    after = Q.copy()
    for joint in product(range(actions), repeat=2):
        chance = x[0, joint[0]] * x[1, joint[1]]
        for i in range(2):
            after[i, joint[i]] += chance * alpha * (payoffs[i, joint[0], joint[1]] - Q[i, joint[i]])
    return after


@pytest.mark.parametrize("name", ["coordination", "climbing", "pennies"])
@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_the_mean_dynamics_are_the_mean_of_all_joint_actions(name, epsilon):
    """Broken by agent 1's payoffs turned, which only climbing tells, and by the payoff against an exploring agent."""
    payoffs = make_game(name).payoffs
    tables = np.random.default_rng(4).normal(size=(5, 2, len(payoffs[0])))
    wanted = tables
    for _ in range(3):
        wanted = np.stack([expected_step(payoffs, Q, 0.1, epsilon) for Q in wanted])
    before = tables.copy()
    assert push(payoffs, tables, 0.3, epsilon, step=0.1) == pytest.approx(wanted, rel=1e-12)
    assert (tables == before).all()


def test_the_mean_dynamics_rest_where_values_are_what_actions_pay():
    """Against a partner that takes action 1 in 95% of the episodes."""
    rest = np.array([[[0.05 * 3.0, 0.95 * 5.0]] * 2])
    assert push(make_game("coordination").payoffs, rest, 50.0, 0.1) == pytest.approx(rest)


@pytest.mark.parametrize("miss", [0.0, 2.5])
def test_learners_of_small_steps_end_where_the_mean_dynamics_take_them(miss):
    """54 and 58 of 60 seeds do; with steps of 0.1, whose noise is larger, 50 and 53."""
    game = make_game("coordination", {"miss": miss})
    small, large = sweep(game, Terms(60, 20_000, 0.01, 0.1)), sweep(game, Terms(60, 4_000, 0.1, 0.1))
    assert small.agreeing.share >= 0.9
    assert small.agreeing.count > large.agreeing.count


def test_a_sweep_counts_every_seed_once():
    """Its rates are those of its joint actions, and the first seeds of more are the same seeds."""
    game = make_game("coordination")
    found = sweep(game, SMALL)
    assert sum(outcome.reached.count for outcome in found.outcomes) == 12
    assert sum(outcome.foretold for outcome in found.outcomes) == 12
    best = next(outcome for outcome in found.outcomes if outcome.joint == (1, 1))
    assert (best.pays, best.reached) == ((5.0, 5.0), found.optimal)
    assert found.foretold is not None
    assert best.foretold == found.foretold.count
    same = zip(reached(game, SMALL), foresee(game, SMALL, first_tables(game, 12)), strict=True)
    assert found.agreeing.count == sum(end == told for end, told in same)
    assert reached(game, Terms(seeds=30, episodes=200))[:12] == reached(game, SMALL)


def test_either_optimum_counts_and_a_game_without_common_payoffs_has_none():
    found = optimal(make_game("penalty"), [(0, 0), (2, 2), (1, 1), (0, 2)])
    assert found is not None
    assert (found.count, found.of) == (2, 4)
    assert sweep(make_game("pennies"), SMALL).optimal is None


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        (Terms(seeds=0), "--seeds 0; allowed are 1 to 10,000"),
        (Terms(episodes=100_001), "--episodes 100001; allowed are 1 to 100,000"),
        (Terms(alpha=0.0), "--alpha 0.0; allowed are numbers above 0, up to 1"),
        (Terms(alpha=float("nan")), "--alpha nan"),
        (Terms(epsilon=1.5), "--epsilon 1.5; allowed are numbers from 0 to 1"),
    ],
)
def test_terms_that_cannot_be_are_refused(terms, said):
    with pytest.raises(BadInput, match=said):
        sweep(make_game("coordination"), terms)


def test_the_payoff_study_measures_each_payoff_on_the_same_seeds():
    """Where miscoordination pays as much as (0, 0), action 1 is never worse, and every seed finds the optimum."""
    seen = []
    points = study_payoffs(Terms(20, 1000), misses=(0.0, 3.0), on_done=lambda *counts: seen.append(counts))
    assert seen == [(1, 2), (2, 2)]
    assert [point.miss for point in points] == [0.0, 3.0]
    assert points[0].measured == sweep(make_game("coordination"), Terms(20, 1000)).optimal
    assert points[0].slower == sweep(make_game("coordination"), Terms(20, 10_000, 0.01)).optimal
    assert (points[1].slower.share, points[1].foretold.share) == (1, 1)


def test_the_payoff_study_takes_the_other_payoffs_and_refuses_the_one_it_sweeps():
    rich = study_payoffs(SMALL, {"second": 50.0}, misses=(0.0,))[0].measured
    assert rich == sweep(make_game("coordination", {"second": 50.0}), SMALL).optimal
    assert rich != sweep(make_game("coordination"), SMALL).optimal
    with pytest.raises(BadInput, match="--payoff miss is what the study sweeps"):
        study_payoffs(SMALL, {"miss": 1.0})


def test_pictures_of_paths_and_of_the_study(tmp_path):
    plot_paths(make_game("coordination"), SMALL, tmp_path / "paths.png")
    plot_study(study_payoffs(SMALL, misses=(0.0, 3.0)), SMALL, tmp_path / "study.png")
    for name in ("paths.png", "study.png"):
        with Image.open(tmp_path / name) as picture:
            assert picture.width > 800
    assert [has_paths(make_game(name)) for name in ("pennies", "climbing")] == [True, False]
