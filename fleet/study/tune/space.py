"""What is searched for each scheme: as many settings, of the same kinds, for all of them. Pure.

Five settings each: two on a logarithmic scale and three out of three values, so that the same number of trials covers
every scheme's space as well. Step size, exploration, how often each rollout is learned from, and two that the family of
algorithms lives by.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fleet.study.compare.schemes import Scheme


@dataclass(frozen=True)
class Range:
    """From `low` to `high`, on a logarithmic scale."""

    low: float
    high: float


Space = Mapping[str, Range | tuple[float, ...]]

_PPO: Space = {
    "learner.learning_rate": Range(2e-4, 2e-2),
    "learner.entropy_coef": Range(1e-3, 5e-2),
    "learner.epochs": (1, 2, 4),
    "learner.gae_lambda": (0.6, 0.8, 0.95),  # 0.9 to 0.98 is what papers take; with dense rewards less learns faster
    "learner.clip_coef": (0.1, 0.2, 0.3),
}
_VALUES: Space = {
    "learner.learning_rate": Range(1e-5, 1e-2),
    "replay.explore_end": Range(5e-3, 2e-1),
    "replay.steps_per_update": (16, 32, 64),
    "replay.target_every": (50, 200, 800),
    "replay.explore_updates": (25, 50, 100),
}


def space_of(scheme: Scheme) -> Space:
    """The settings that are searched for a trained scheme."""
    return _VALUES if scheme.by_values else _PPO
