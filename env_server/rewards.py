"""How often robots are paid, and whether they are paid together: sums over rewards, kept as they come."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from fleet.core.comoments import CoMoments

AT_ONCE = 1 << 18
"""About how many agent-steps are looked at together: each takes 40 bytes meanwhile."""


@dataclass(frozen=True)
class RewardSums:
    """Sums over `steps` agent-steps, of which `paid` had a reward other than 0.

    `others` and `team`: of each robot's own reward with the sum of the others' and with that of all, over steps.
    """

    steps: int
    paid: int
    others: CoMoments
    team: CoMoments

    @classmethod
    def none(cls, robots: int) -> Self:
        """Of no steps."""
        return cls(0, 0, CoMoments.none(robots), CoMoments.none(robots))

    @classmethod
    def of(cls, rewards: npt.NDArray[np.float32]) -> Self:
        """Of rewards (N, T, E), every robot's in the same steps."""
        sums = cls.none(len(rewards))
        for part in np.array_split(rewards, 1 + rewards.size // AT_ONCE, axis=1):
            sums += cls._of_few(part)
        return sums

    @classmethod
    def _of_few(cls, rewards: npt.NDArray[np.float32]) -> Self:
        own = rewards.reshape(len(rewards), -1).astype(np.float64)
        team = own.sum(0)
        return cls(
            own.size,
            int(np.count_nonzero(own)),
            CoMoments.of(own, team - own),
            CoMoments.of(own, np.broadcast_to(team, own.shape)),
        )

    def __add__(self, more: Self) -> Self:
        """Of both's steps."""
        return type(self)(
            self.steps + more.steps, self.paid + more.paid, self.others + more.others, self.team + more.team
        )

    def figures(self) -> dict[str, float]:
        """What is known of them: `reward_density`, and the means over robots of both correlations.

        A robot whose reward, or the others', never changed is in neither mean of it; a mean of no robots is left out.
        """
        figures = {"reward_density": self.paid / self.steps} if self.steps else {}
        for name, pairs in (("own_others_correlation", self.others), ("own_team_correlation", self.team)):
            found = pairs.correlations()
            if not np.isnan(found).all():
                figures[name] = float(np.nanmean(found))
        return figures
