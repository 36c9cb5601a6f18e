"""The three ways of pairing robots with orders, against trying every pairing and against scipy."""

from collections import Counter
from itertools import permutations

import numpy as np
import numpy.typing as npt
import pytest

from env_server.warehouse.assign import Table, make_table, pair_at_random, pair_matching, pair_nearest
from env_server.warehouse.random import below

Costs = npt.NDArray[np.int32]


def table_of(costs: Costs) -> Table:
    table = make_table(*costs.shape)
    table.cost[:] = costs.ravel()
    return table


def generator_words(seed: int) -> npt.NDArray[np.uint64]:
    return np.random.SeedSequence(seed).generate_state(4, np.uint64)


def cases(count: int, largest: int = 6, dearest: int = 30) -> list[Costs]:
    generator = np.random.default_rng(3)
    shapes = generator.integers(1, largest + 1, (count, 2))
    return [generator.integers(0, dearest, shape).astype(np.int32) for shape in shapes]


def total(costs: Costs, chosen: list[int]) -> int:
    return sum(int(costs[i, j]) for i, j in enumerate(chosen) if j >= 0)


def assert_full_pairing(costs: Costs, chosen: list[int]) -> None:
    given = [j for j in chosen if j >= 0]
    assert len(given) == len(set(given)) == min(costs.shape)
    assert all(-1 <= j < costs.shape[1] for j in chosen)


def least_total(costs: Costs) -> int:
    small = costs if costs.shape[0] <= costs.shape[1] else costs.T
    rows = range(small.shape[0])
    return min(int(small[rows, list(columns)].sum()) for columns in permutations(range(small.shape[1]), len(rows)))


def slow_nearest_total(costs: Costs) -> list[int]:
    """The costs of the pairs made, closest first, whenever no two are equally close."""
    left = {(i, j): int(cost) for (i, j), cost in np.ndenumerate(costs)}
    made = []
    while left:
        row, column = min(left, key=lambda pair: left[pair])
        made.append(left[row, column])
        left = {(i, j): cost for (i, j), cost in left.items() if i != row and j != column}
    return sorted(made)


def test_matching_is_the_best_of_all_pairings() -> None:
    for costs in cases(200):
        table = table_of(costs)
        pair_matching(table, *costs.shape)
        assert_full_pairing(costs, table.chosen.tolist())
        assert total(costs, table.chosen.tolist()) == least_total(costs)


def test_matching_equals_scipys_on_large_tables() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    generator = np.random.default_rng(5)
    for shape in ((40, 40), (200, 60), (60, 200), (1, 300), (300, 1)):
        costs = generator.integers(0, 1_000, shape).astype(np.int32)
        costs[generator.random(shape) < 0.05] = 1 << 24  # as dispatch writes where there is no way
        table = table_of(costs)
        pair_matching(table, *shape)
        assert_full_pairing(costs, table.chosen.tolist())
        assert total(costs, table.chosen.tolist()) == costs[optimize.linear_sum_assignment(costs)].sum()


def test_matching_beats_the_nearest_where_that_is_short_sighted() -> None:
    costs = np.array([[1, 2], [2, 9]], np.int32)
    table = table_of(costs)
    pair_matching(table, 2, 2)
    assert table.chosen.tolist() == [1, 0]
    pair_nearest(table, 2, 2, generator_words(0))
    assert table.chosen.tolist() == [0, 1]


def test_a_table_is_used_again_for_a_smaller_pairing() -> None:
    table = make_table(5, 7)
    for costs in cases(50, largest=5):
        table.cost[: costs.size] = costs.ravel()
        pair_matching(table, *costs.shape)
        assert total(costs, table.chosen[: costs.shape[0]].tolist()) == least_total(costs)


def test_nearest_pairs_the_closest_first() -> None:
    generator = np.random.default_rng(4)
    for costs in cases(200):
        unequal = generator.permutation(costs.size).reshape(costs.shape).astype(np.int32)
        table = table_of(unequal)
        pair_nearest(table, *unequal.shape, generator_words(1))
        chosen = table.chosen.tolist()
        assert_full_pairing(unequal, chosen)
        assert sorted(int(unequal[i, j]) for i, j in enumerate(chosen) if j >= 0) == slow_nearest_total(unequal)


def test_nearest_is_what_trying_every_pair_again_gives_equals_too() -> None:
    for seed, costs in enumerate(cases(200, largest=9, dearest=4)):
        rows, columns = costs.shape
        first = below(generator_words(seed), rows) if rows > 1 else 0
        pairs = [((first + k) % rows, j) for k in range(rows) for j in range(columns)]
        expected = [-1] * rows
        while pairs:
            row, column = min(pairs, key=lambda pair: costs[pair])
            expected[row] = column
            pairs = [(i, j) for i, j in pairs if i != row and j != column]
        table = table_of(costs)
        pair_nearest(table, rows, columns, generator_words(seed))
        assert table.chosen.tolist() == expected


def test_of_equally_near_robots_any_may_be_first() -> None:
    table, words = table_of(np.zeros((3, 1), np.int32)), generator_words(2)
    winners: Counter[int] = Counter()
    for _ in range(3_000):
        pair_nearest(table, 3, 1, words)
        winners[table.chosen.tolist().index(0)] += 1
    assert all(850 < winners[robot] < 1_150 for robot in range(3)), winners


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (3, 3)])
def test_every_random_pairing_is_equally_likely(shape: tuple[int, int]) -> None:
    table, words = table_of(np.zeros(shape, np.int32)), generator_words(6)
    seen: Counter[tuple[int, ...]] = Counter()
    for _ in range(6_000):
        pair_at_random(table, *shape, words)
        chosen = table.chosen.tolist()
        assert_full_pairing(np.zeros(shape, np.int32), chosen)
        seen[tuple(chosen)] += 1
    assert len(seen) == 6
    assert all(850 < count < 1_150 for count in seen.values()), seen
