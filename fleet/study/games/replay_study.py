"""What a memory does to independent learners of the two-state game, and what a long one costs in matching pennies."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from env_server.games.payoffs import make_game
from env_server.games.stages import Stages, single, two_state
from fleet.core.errors import BadInput
from fleet.study.compare.interval import Spread, spread
from fleet.study.games.ghosts import gaps
from fleet.study.games.sweep import Terms
from fleet.study.games.wilson import Rate, rate
from learners.tabular import compiled_actor_critic, compiled_replayed
from learners.tabular.replayed import Rule

GAME, DUEL = "two-state", "pennies"
CAPACITIES = (1, 50, 500, 5000)
MOST_CAPACITY, MOST_REPLAYED, MOST_UPDATES = 100_000, 1_000, 1_000_000_000
DUELLING = 50
"""Seeds of the duels at most: each is thousands of payments, and their mean varies little."""
_BEST = 1
"""The action of both in both states that is the optimal policy of the two-state game, for discounts above 1/3."""
F64 = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ReplayTerms:
    """How the learners learn: `terms`, the discount, the lengths of memory compared, and updates after each step."""

    terms: Terms = Terms()
    gamma: float = 0.5
    capacities: tuple[int, ...] = CAPACITIES
    replayed: int = 8

    def check(self) -> None:
        """Raise BadInput, naming the command's option, for what can't be learned with."""
        self.terms.check()
        if not 1 / 3 < self.gamma < 1:
            raise BadInput(
                f"--gamma {self.gamma}; allowed are numbers above 1/3, where (1, 1) is best in both states, and below 1"
            )
        for capacity in self.capacities:
            if not 1 <= capacity <= MOST_CAPACITY:
                raise BadInput(f"--memory {capacity}; allowed are 1 to {MOST_CAPACITY:,} steps")
        if not 1 <= self.replayed <= MOST_REPLAYED:
            raise BadInput(f"--replayed {self.replayed}; allowed are 1 to {MOST_REPLAYED:,} updates a step")
        if len(set(self.capacities)) < len(self.capacities) or not self.capacities:
            raise BadInput(f"--memory {', '.join(map(str, self.capacities))}; allowed is each length once")
        updates = self.terms.seeds * self.terms.episodes * 2 * self.replayed * len(self.capacities)
        if updates > MOST_UPDATES:
            raise BadInput(
                f"--seeds {self.terms.seeds} --episodes {self.terms.episodes} with {len(self.capacities)} memories: "
                f"{updates:,} updates; allowed are {MOST_UPDATES:,}"
            )


@dataclass(frozen=True)
class Learned:
    """What learners came to. `optimal`: seeds that prefer the optimal policy in the end, and `curve` at each time.

    `together`: seeds whose agents prefer (1, 1) in state 0, whatever they do in state 1. `gap`, `stale`: of their
    memories (ghosts.py), means over agents and seeds at each time; `mean_gap` and `mean_stale` over all steps. None of
    learners without a memory.
    """

    capacity: int | None
    optimal: Rate
    together: Rate
    curve: tuple[float, ...]
    gap: tuple[float, ...] | None = None
    stale: tuple[float, ...] | None = None
    mean_gap: float | None = None
    mean_stale: float | None = None


@dataclass(frozen=True)
class Duel:
    """Matching pennies between memories of two lengths: what `shorter` wins of `longer` a step, over seeds.

    `stale`: of the shorter memory and of the longer one (ghosts.py), means over all steps and seeds.
    """

    shorter: int
    longer: int
    won: Spread
    stale: tuple[float, float]


@dataclass(frozen=True)
class ReplayStudy:
    """`replayed` by capacity, the `on_policy` learner, each at `times` (in steps), and the `duels`."""

    times: tuple[int, ...]
    replayed: tuple[Learned, ...]
    on_policy: Learned
    duels: tuple[Duel, ...]


def study_replay(asked: ReplayTerms, on_done: Callable[[int, int], None] = lambda done, total: None) -> ReplayStudy:
    """Learn the two-state game with each memory and on-policy, then play the duels. Raises BadInput."""
    asked.check()
    pairs = [(a, b) for a, b in product(sorted(asked.capacities), repeat=2) if a < b]
    total = len(asked.capacities) + 1 + len(pairs)
    stages, times = two_state(), moments(asked.terms.episodes)
    replayed, duels = [], []
    for number, capacity in enumerate(asked.capacities):
        replayed.append(_replayed(stages, asked, capacity, times))
        on_done(number + 1, total)
    on_policy = _on_policy(stages, asked, times)
    for number, (shorter, longer) in enumerate(pairs):
        on_done(len(asked.capacities) + 1 + number, total)
        duels.append(duel(asked, shorter, longer))
    on_done(total, total)
    return ReplayStudy(times, tuple(replayed), on_policy, tuple(duels))


def moments(steps: int) -> tuple[int, ...]:
    """Steps from 1 to `steps`, both among them, evenly spread on a logarithmic axis."""
    return tuple(np.unique(np.geomspace(1, steps, 60).round().astype(int)).tolist())


def duel(asked: ReplayTerms, shorter: int, longer: int) -> Duel:
    """Memories of two lengths against each other, under at most DUELLING seeds.

    Either sits on either side of the table in half the seeds, as the sides of matching pennies differ.
    """
    stages, terms = single(make_game(DUEL)), asked.terms
    won, stale = [], []
    for seed in range(min(terms.seeds, DUELLING)):
        side = seed % 2  # of the shorter
        memories = (shorter, longer) if side == 0 else (longer, shorter)
        rule = Rule(terms.alpha, terms.epsilon, asked.gamma, memories, asked.replayed)
        played = compiled_replayed.run(stages.payoffs, stages.following, seed, terms.episodes, rule)
        won.append(float(stages.payoffs[0, side, played.actions[:, 0], played.actions[:, 1]].mean()))
        by_agent = gaps(played, memories, terms.epsilon)[..., 1].mean(axis=0)
        stale.append((by_agent[side], by_agent[1 - side]))
    found = spread(won)
    assert found is not None
    of_shorter, of_longer = np.mean(stale, axis=0).tolist()
    return Duel(shorter, longer, found, (of_shorter, of_longer))


def _replayed(stages: Stages, asked: ReplayTerms, capacity: int, times: Sequence[int]) -> Learned:
    terms = asked.terms
    memories = (capacity, capacity)
    rule = Rule(terms.alpha, terms.epsilon, asked.gamma, memories, asked.replayed)
    prefers, distance = [], np.zeros((terms.episodes, 2))
    for seed in range(terms.seeds):
        played = compiled_replayed.run(stages.payoffs, stages.following, seed, terms.episodes, rule)
        prefers.append(_prefers(played.tables, times))
        distance += gaps(played, memories, terms.epsilon).mean(axis=1)
    distance /= terms.seeds
    gap, stale = distance[np.array(times) - 1].T.tolist()
    mean_gap, mean_stale = distance.mean(0).tolist()
    return Learned(capacity, *_rates(prefers), tuple(gap), tuple(stale), mean_gap, mean_stale)


def _on_policy(stages: Stages, asked: ReplayTerms, times: Sequence[int]) -> Learned:
    terms = asked.terms
    runs = (
        compiled_actor_critic.run(stages.payoffs, stages.following, seed, terms.episodes, terms.alpha, asked.gamma)
        for seed in range(terms.seeds)
    )
    return Learned(None, *_rates([_prefers(played.tables, times) for played in runs]))


def _prefers(tables: F64, times: Sequence[int]) -> Flags:
    """At each of `times` whether both prefer the best action, by state: (times, S)."""
    prefers: Flags = np.all(np.argmax(tables[list(times)], axis=-1) == _BEST, axis=1)
    return prefers


def _rates(prefers: Sequence[Flags]) -> tuple[Rate, Rate, tuple[float, ...]]:
    """Optimal in the end, together in state 0 in the end, and the share that is optimal by time."""
    found = np.stack(prefers)
    optimal, seeds = np.all(found, axis=2), len(found)
    together = rate(int(np.count_nonzero(found[:, -1, 0])), seeds)
    return rate(int(np.count_nonzero(optimal[:, -1])), seeds), together, tuple(np.mean(optimal, axis=0).tolist())
