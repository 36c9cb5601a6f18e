"""How far the policies moved from one round's acting to the next's, as one robot among them meets it.

Known only here, where all robots' policies are. Nothing is drawn, and nothing that acts is touched.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from actors.choice import Actions
from actors.policy import Acting
from fleet.core.drift import F64, kl, others_kl, others_variation, total_variation
from fleet.core.spec import Array

MOST_ROWS, MOST_IN_ALL = 64, 8192
"""Steps of a round on which policies are compared: of each robot, and of all robots together."""


@dataclass(frozen=True)
class _Sample:
    """Some of a round's steps, of all robots the same: obs (N, R, D), actions (N, R), the old policies' (N, R, A)."""

    obs: Array
    actions: Actions
    old: F64
    loads: npt.NDArray[np.int64]


class Movement:
    """Compares the policies that act with those that acted in the round before, on what was observed in that round."""

    def __init__(self, policy: Acting) -> None:
        self._policy = policy
        self._sample: _Sample | None = None

    def since(self) -> dict[str, float]:
        """Before a round's first step: how far the policies moved since the last step of the round before.

        `drift_kl` and `drift_tv`: KL(old || new) in nats and total variation, means over the robots that were given
        weights since; absent if none was. `drift_others_kl` and `drift_others_tv`: the same of all others' joint
        action, means over all robots, the second an upper bound (`others_variation`); absent with one robot. Nothing
        before the first round. A joint policy's robots choose in turn: theirs are the policies given what the earlier
        ones chose.
        """
        if self._sample is None:
            return {}
        sample, policy = self._sample, self._policy
        updated = policy.loads > sample.loads
        new = policy.probabilities(sample.obs, sample.actions) if updated.any() else sample.old
        far, apart = kl(sample.old, new), total_variation(sample.old, new)
        figures: dict[str, float] = {}
        if updated.any():
            figures |= {"drift_kl": float(far[updated].mean()), "drift_tv": float(apart[updated].mean())}
        if len(updated) > 1:
            figures["drift_others_kl"] = float(others_kl(far).mean())
            figures["drift_others_tv"] = float(others_variation(apart).mean())
        return figures

    def keep(self, obs: Array, actions: Actions) -> None:
        """After a round's last step: keep some of what it was, obs (N, T or more, E, D) and actions (N, T, E)."""
        steps, worlds = rows(*actions.shape)
        seen, done = obs[:, steps, worlds], actions[:, steps, worlds]
        self._sample = _Sample(seen, done, self._policy.probabilities(seen, done), self._policy.loads)


def rows(robots: int, steps: int, worlds: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Which steps and which copies are looked at, both (R,): spread evenly over the round."""
    count = min(steps * worlds, MOST_ROWS, max(1, MOST_IN_ALL // robots))
    each = np.arange(count)
    return each * steps // count, each % worlds
