"""What a run's rounds come to together: how its target moved, how old its data was, how its robots were paid.

Kept by the process that steps the world, and its life long: one that takes another's place begins anew, and so does a
run that is resumed. `totalled_rounds` says of how many rounds the totals are.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from time import thread_time

import numpy as np
import numpy.typing as npt

from env_server.rewards import RewardSums

OLDEST = 16
"""Policy lags from here on are counted together."""
LATE = 0.1
"""The share of a run's rounds, at its end, that has totals of its own."""


class Totals:
    """Fed with each round; `rounds` is how many the run is to have."""

    def __init__(self, robots: int, rounds: int) -> None:
        self._late_from = rounds - max(1, round(rounds * LATE))
        self._whole, self._late = _Span(robots), _Span(robots)
        self._lags: Counter[int] = Counter()
        self.figures: dict[str, float | int] = {}
        """Of all rounds `total_...`, of the run's last tenth `late_...`, as `_Span.figures` has them.

        `total_lag_K` are the trained rollouts whose policy was K versions old (`total_lag_16`: or more).
        """
        self._measures_s = 0.0

    def add(
        self,
        number: int,
        rewards: npt.NDArray[np.float32],
        moved: Mapping[str, float],
        lags: Iterable[int],
        measures_s: float,
    ) -> float:
        """Round `number`, counted from 0: its rewards (N, T, E), `Round.moved` and the lag of each trained rollout.

        `measures_s`: processor time that measuring has taken so far; returned with what this took.
        """
        began = thread_time()
        sums = RewardSums.of(rewards)
        for span in (self._whole, self._late) if number >= self._late_from else (self._whole,):
            span.add(sums, moved)
        self._lags.update(min(lag, OLDEST) for lag in lags)
        self.figures = self._figures()
        measures_s += thread_time() - began
        self._measures_s += measures_s
        self.figures["total_measures_s"] = self._measures_s
        return measures_s

    def _figures(self) -> dict[str, float | int]:
        figures: dict[str, float | int] = {f"total_{name}": value for name, value in self._whole.figures().items()}
        figures |= {f"late_{name}": value for name, value in self._late.figures().items()}
        figures |= {f"total_lag_{lag}": count for lag, count in sorted(self._lags.items())}
        return {**figures, "totalled_rounds": self._whole.rounds}


class _Span:
    """Some rounds together."""

    def __init__(self, robots: int) -> None:
        self.rounds = 0
        self._rewards = RewardSums.none(robots)
        self._moved: defaultdict[str, float] = defaultdict(float)
        self._times: Counter[str] = Counter()

    def add(self, rewards: RewardSums, moved: Mapping[str, float]) -> None:
        """One round."""
        self.rounds += 1
        self._rewards += rewards
        for name, value in moved.items():
            self._moved[name] += value
            self._times[name] += 1

    def figures(self) -> dict[str, float]:
        """`RewardSums.figures`, and the means over rounds of what `Movement.since` gives."""
        return self._rewards.figures() | {name: value / self._times[name] for name, value in self._moved.items()}
