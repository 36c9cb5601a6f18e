"""How a short training went: what each robot was paid, round by round, and how robots' rewards went together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from env_server.collect import Collector, Round
from env_server.protocol import World
from fleet.core.config import Config
from fleet.study.diagnose.crews import Crew, Crews

F64 = npt.NDArray[np.float64]
WINDOW = 8
"""Steps whose rewards are added up before robots' are held against each other: what is paid soon after counts too."""
_KEPT = 4_000  # windows of the last play


@dataclass(frozen=True)
class Course:
    """One training of R rounds. paid (R, N): each robot's mean reward per step, round by round.

    first and last (N, M): its rewards in windows of WINDOW steps, in the first round, when nobody had learned yet, and
    in the last ones. moved (R,): how far the others' policies had moved as one robot meets it, in nats (`Movement`).
    """

    paid: F64
    first: F64
    last: F64
    moved: F64

    def late(self) -> F64:
        """Each robot's mean reward per step over the last fifth of the rounds, (N,)."""
        return np.asarray(self.paid[-self._fifth :].mean(axis=0))

    def earlier(self) -> F64:
        """The same over the fifth before."""
        return np.asarray(self.paid[-2 * self._fifth : -self._fifth].mean(axis=0))

    @property
    def unrest(self) -> float:
        """How much the team's pay differs between stretches, per step: the larger of the two standard deviations."""
        return max(float(part.mean(axis=0).std()) for part in (self.first, self.last)) / WINDOW

    @property
    def drift(self) -> float:
        """How far the others moved in a round of the last fifth, nats."""
        return float(self.moved[-self._fifth :].mean())

    @property
    def _fifth(self) -> int:
        return max(1, len(self.paid) // 5)


def follow(
    config: Config,
    world: World,
    crews: Sequence[Crew],
    rounds: int,
    on_round: Callable[[], object] = lambda: None,
) -> Course:
    """Train `crews`, who are all of the world's robots, for so many rounds from the start of `config`'s run.

    `on_round` is called after each. Raises FleetError as learners and worlds do.
    """
    collector = Collector(world, Crews(crews), config.run.seed, config.learner.rollout_steps)
    collector.reset()
    paid, moved, windows = np.zeros((rounds, world.spec.robots)), np.zeros(rounds), []
    for number in range(rounds):
        taken = collector.collect(number)
        paid[number] = taken.rewards.mean(axis=(1, 2), dtype=np.float64)
        moved[number] = taken.moved.get("drift_others_kl", 0.0)
        windows.append(windowed(taken))
        if sum(part.shape[1] for part in windows[2:]) > _KEPT:
            del windows[1]
        for crew in crews:
            crew.learn(taken)
        on_round()
    return Course(paid, windows[0], np.concatenate(windows[1:] or windows, axis=1), moved)


def windowed(taken: Round) -> F64:
    """Each robot's rewards summed over whole windows, f64 (N, M): copy after copy of one window after the other."""
    robots, steps, copies = taken.rewards.shape
    length = min(WINDOW, steps)
    whole = steps // length
    parts = taken.rewards[:, : whole * length].reshape(robots, whole, length, copies)
    return np.asarray(parts.sum(axis=2, dtype=np.float64).reshape(robots, -1))
