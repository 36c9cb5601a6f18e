"""One game over many seeds: which joint action the learners end with, and which one their mean dynamics foretell."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from env_server.games.payoffs import Game
from fleet.core.errors import BadInput
from fleet.study.games.dynamics import push
from fleet.study.games.wilson import Rate, rate
from learners.tabular.compiled import sweep as learn
from learners.tabular.independent import greedy

MOST_SEEDS, MOST_EPISODES = 10_000, 100_000
F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Terms:
    """How the learners learn: seeds 0 to `seeds` - 1, each for `episodes`."""

    seeds: int = 200
    episodes: int = 4000
    alpha: float = 0.1
    epsilon: float = 0.1

    def check(self) -> None:
        """Raise BadInput, naming the command's option, for what can't be learned with."""
        if not 1 <= self.seeds <= MOST_SEEDS:
            raise BadInput(f"--seeds {self.seeds}; allowed are 1 to {MOST_SEEDS:,}")
        if not 1 <= self.episodes <= MOST_EPISODES:
            raise BadInput(f"--episodes {self.episodes}; allowed are 1 to {MOST_EPISODES:,}")
        if not 0 < self.alpha <= 1:
            raise BadInput(f"--alpha {self.alpha}; allowed are numbers above 0, up to 1")
        if not 0 <= self.epsilon <= 1:
            raise BadInput(f"--epsilon {self.epsilon}; allowed are numbers from 0 to 1")


@dataclass(frozen=True)
class Outcome:
    """One joint action: what it pays each agent, the seeds that end there, and those foretold to."""

    joint: tuple[int, int]
    pays: tuple[float, float]
    reached: Rate
    foretold: int


@dataclass(frozen=True)
class Sweep:
    """`outcomes` by joint action, without those that nobody reaches or is foretold to.

    `optimal`: seeds that end on an optimum, and `foretold` those that are foretold to; None without common payoffs.
    `agreeing`: seeds that end where the mean dynamics take the tables they began with.
    """

    game: str
    terms: Terms
    outcomes: tuple[Outcome, ...]
    optimal: Rate | None
    foretold: Rate | None
    agreeing: Rate


def sweep(game: Game, terms: Terms) -> Sweep:
    """Learn `game` under each seed. Raises BadInput for terms that can't be."""
    terms.check()
    ends, foretold = reached(game, terms), foresee(game, terms, first_tables(game, terms.seeds))
    counts, expected = Counter(ends), Counter(foretold)
    outcomes = tuple(
        Outcome(
            joint,
            (float(game.payoffs[(0, *joint)]), float(game.payoffs[(1, *joint)])),
            rate(counts[joint], terms.seeds),
            expected[joint],
        )
        for joint in sorted({*counts, *expected})
    )
    same = sum(end == told for end, told in zip(ends, foretold, strict=True))
    best, told = optimal(game, ends), optimal(game, foretold)
    return Sweep(game.name, terms, outcomes, best, told, rate(same, terms.seeds))


def reached(game: Game, terms: Terms) -> list[tuple[int, int]]:
    """The joint action that each seed's agents prefer in the end."""
    return _joints(learn(game.payoffs, range(terms.seeds), terms.episodes, terms.alpha, terms.epsilon))


def foresee(game: Game, terms: Terms, tables: F64) -> list[tuple[int, int]]:
    """The joint action that the mean dynamics take each of `tables` (n, 2, A) to in the time of as many episodes."""
    return _joints(push(game.payoffs, tables, terms.alpha * terms.episodes, terms.epsilon))


def first_tables(game: Game, seeds: int) -> F64:
    """The tables that each seed begins with, f64 (seeds, 2, A)."""
    return learn(game.payoffs, range(seeds), 0, 1.0, 0.0)


def optimal(game: Game, joints: list[tuple[int, int]]) -> Rate | None:
    """How many of `joints` are optima; None without common payoffs."""
    return rate(sum(joint in game.optima for joint in joints), len(joints)) if game.common else None


def _joints(tables: F64) -> list[tuple[int, int]]:
    return [(int(first), int(second)) for first, second in greedy(tables)]
