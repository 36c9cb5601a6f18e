"""The payoff tables of matrix games: what pays what, and what is refused."""

import numpy as np
import pytest

from env_server.games.payoffs import MAKERS, Game, make_game
from fleet.core.errors import BadInput


def test_coordination_pays_both_agents_most_at_one_one():
    game = make_game("coordination", {"miss": 2.5})
    assert game.payoffs.dtype == np.float64
    assert game.payoffs.tolist() == [[[3.0, 2.5], [2.5, 5.0]]] * 2
    assert (game.common, game.optima, game.actions) == (True, ((1, 1),), 2)


def test_the_penalty_pays_for_mixing_up_the_two_optima():
    game = make_game("penalty", {"k": -7.0})
    assert game.payoffs[0, 0, 2] == game.payoffs[0, 2, 0] == -7.0
    assert game.optima == ((0, 0), (2, 2))


def test_the_climbing_game_has_its_optimum_beside_its_worst_payoff():
    game = make_game("climbing")
    assert game.optima == ((0, 0),)
    assert game.payoffs[0, 0, 1] == game.payoffs[0, 1, 0] == game.payoffs.min()


def test_pennies_are_zero_sum_and_have_no_joint_optimum():
    game = make_game("pennies")
    assert (game.payoffs.sum(axis=0) == 0).all()
    assert (game.common, game.optima) == (False, ())


@pytest.mark.parametrize("name", MAKERS)
def test_payoffs_are_not_written_to(name):
    with pytest.raises(ValueError, match="read-only"):
        make_game(name).payoffs[0, 0, 0] = 1.0


def test_a_game_keeps_its_own_copy():
    table = np.ones((2, 2, 2))
    game = Game("mine", table, "")
    table[:] = 0
    assert (game.payoffs == 1).all()


@pytest.mark.parametrize("shape", [(), (2,), (2, 2), (3, 2, 2), (2, 2, 3), (2, 1, 1), (2, 0, 0)])
def test_a_table_of_another_shape_is_refused(shape):
    with pytest.raises(BadInput, match=r"mine: payoffs have shape \(.*; allowed are \(2, A, A\)"):
        Game("mine", np.ones(shape), "")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_payoff_that_is_no_number_is_refused_where_it_stands(value):
    table = np.ones((2, 2, 2))
    table[1, 0, 1] = value
    with pytest.raises(BadInput, match=rf"mine: payoffs\[1, 0, 1\] is {value}; allowed are finite"):
        Game("mine", table, "")


@pytest.mark.parametrize(
    ("name", "payoffs", "said"),
    [
        ("chicken", {}, "game chicken; allowed are coordination, climbing, penalty, pennies"),
        ("coordination", {"mis": 1.0}, "coordination: payoff mis; allowed are best, second, miss"),
        ("climbing", {"k": 1.0}, "climbing: payoff k; allowed are none"),
        ("penalty", {"k": np.inf}, "penalty: payoff k=inf; allowed are finite numbers"),
    ],
)
def test_games_and_payoffs_that_there_are_not(name, payoffs, said):
    with pytest.raises(BadInput, match=said):
        make_game(name, payoffs)
