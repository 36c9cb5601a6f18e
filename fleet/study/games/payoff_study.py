"""How often the optimum is reached as miscoordination costs less: the coordination game's `miss` from -2 to 3."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from env_server.games.payoffs import make_game
from fleet.core.errors import BadInput
from fleet.study.games.sweep import Terms, first_tables, foresee, optimal, reached
from fleet.study.games.wilson import Rate

GAME, SWEPT = "coordination", "miss"
MISSES = tuple(float(miss) for miss in np.linspace(-2.0, 3.0, 21))
SLOWER = 10
"""The mean dynamics are the limit of small alpha: one so many times smaller, for as many more episodes, is nearer."""


@dataclass(frozen=True)
class Point:
    """One miscoordination payoff: optimal-policy rates as asked, with smaller steps, and by the mean dynamics."""

    miss: float
    measured: Rate
    slower: Rate
    foretold: Rate


def study_payoffs(
    terms: Terms,
    payoffs: Mapping[str, float] | None = None,
    misses: Sequence[float] = MISSES,
    on_done: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Point, ...]:
    """Sweep the game, with its other `payoffs` as given, at each of `misses`. Raises BadInput.

    All three rates of a point are of the same seeds, and so of the same first tables.
    """
    terms.check()
    if SWEPT in (payoffs or {}):
        raise BadInput(f"--payoff {SWEPT} is what the study sweeps; allowed are the other payoffs of {GAME}")
    slower = replace(terms, alpha=terms.alpha / SLOWER, episodes=terms.episodes * SLOWER)
    points = []
    for number, miss in enumerate(misses):
        game = make_game(GAME, {**(payoffs or {}), SWEPT: miss})
        ends = (
            reached(game, terms),
            reached(game, slower),
            foresee(game, terms, first_tables(game, terms.seeds)),
        )
        rates = [found for found in (optimal(game, joints) for joints in ends) if found is not None]
        points.append(Point(miss, *rates))
        on_done(number + 1, len(misses))
    return tuple(points)
