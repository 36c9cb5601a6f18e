"""Independent tabular Q-learners: the published counts, and the compiled ones held to the plain ones."""

from collections import Counter

import numpy as np
import pytest

from learners.tabular import compiled, independent

CLIMBING = np.array([[[11.0, -30.0, 0.0], [-30.0, 7.0, 6.0], [0.0, 0.0, 5.0]]] * 2)
PENNIES = np.array([[[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]])


def coordination(miss):
    return np.array([[[3.0, miss], [miss, 5.0]]] * 2)


@pytest.mark.parametrize(
    ("miss", "counts"), [(0.0, {(0, 0): 104, (1, 1): 96}), (2.5, {(0, 0): 23, (1, 1): 177})], ids=["0", "2.5"]
)
def test_two_hundred_seeds_end_as_published(miss, counts):
    """Broken by drawing the random action whether or not it is taken."""
    tables = compiled.sweep(coordination(miss), range(200), 4000, 0.1, 0.1)
    assert Counter(map(tuple, independent.greedy(tables).tolist())) == counts


@pytest.mark.parametrize("payoffs", [coordination(0.0), coordination(2.5), CLIMBING, PENNIES])
@pytest.mark.parametrize(("alpha", "epsilon"), [(0.1, 0.1), (0.37, 0.9), (1.0, 0.0)])
def test_compiled_tables_are_the_plain_ones_bit_for_bit(payoffs, alpha, epsilon):
    """After each episode. Broken by fastmath's fused multiply-adds, and by integers() drawn when nobody explores."""
    for seed in (0, 7):
        plain = independent.run(payoffs, seed, 300, alpha, epsilon)
        assert compiled.run(payoffs, seed, 300, alpha, epsilon).tobytes() == plain.tobytes()


@pytest.mark.slow
def test_published_tables_are_the_plain_ones_bit_for_bit():
    seeds = range(0, 200, 4)
    plain = [independent.run(coordination(0.0), seed, 4000, 0.1, 0.1)[-1] for seed in seeds]
    assert compiled.sweep(coordination(0.0), seeds, 4000, 0.1, 0.1).tobytes() == np.stack(plain).tobytes()


@pytest.mark.parametrize("run", [independent.run, compiled.run])
def test_each_agent_moves_only_the_value_of_what_it_did_towards_what_it_was_paid(run):
    path = run(PENNIES, 3, 50, 0.25, 0.5)
    moved = path[1:] != path[:-1]
    assert path.shape == (51, 2, 2)
    assert (moved.sum(axis=2) == 1).all()
    for before, after, changed in zip(path[:-1], path[1:], moved, strict=True):
        joint = changed.argmax(axis=1)
        for agent in range(2):
            paid = PENNIES[agent, joint[0], joint[1]]
            old = before[agent, joint[agent]]
            assert after[agent, joint[agent]] == pytest.approx(0.75 * old + 0.25 * paid)


def test_tables_begin_uniform_and_without_exploring_each_agent_does_what_it_values_most():
    path = compiled.run(coordination(0.0), 11, 1, 1.0, 0.0)
    assert (path[0] == np.random.default_rng(11).uniform(0, 1, (2, 2))).all()
    first, second = path[0].argmax(axis=1)
    assert path[1, 0, first] == path[1, 1, second] == coordination(0.0)[0, first, second]


def test_of_equal_values_the_first_is_preferred():
    assert independent.greedy(np.array([[[1.0, 1.0, 0.0], [0.0, 2.0, 2.0]]])).tolist() == [[0, 1]]
