"""What follows a round: evaluation when it is due, its line in the record, a snapshot when it is due.

The environment server and the single-process reference both end their rounds here.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress

from env_server.collect import Collector, Round
from env_server.dealt import Dealt
from env_server.evaluate import evaluate
from env_server.record import Figures, Recorder
from env_server.snapshot import take_snapshot
from fleet.core.checkpoint import CheckpointError
from fleet.core.config import Config
from fleet.core.rundir import RunDirectory
from fleet.core.snapshots import SnapshotStore

log = logging.getLogger(__name__)


class Milestones:
    """Ends rounds. All that is written goes to the run's directory.

    `tick` is called with each step of an evaluation. A snapshot that can't be written, on a full disk perhaps, is told
    to `failed` and left out: the run goes on, and the next one may succeed. Without `failed` it is an error.
    """

    def __init__(
        self,
        directory: RunDirectory,
        config: Config,
        collector: Collector,
        recorder: Recorder,
        *,
        tick: Callable[[], object] = lambda: None,
        failed: Callable[[int, str], None] | None = None,
    ) -> None:
        self._directory, self._config = directory, config
        self._collector, self._recorder = collector, recorder
        self._tick, self._failed = tick, failed

    def finish(
        self, number: int, taken: Round, dealt: Dealt, times: Mapping[str, float], versions: Mapping[int, int]
    ) -> Figures:
        """End round `number` (counted from 0); `versions`: each learner's last accepted policy. Returns its figures."""
        done = number + 1
        evaluation = self._evaluate(done)
        figures = self._recorder.round_done(number, taken, dealt, times, evaluation)
        if self._config.snapshot_due(done):
            self._snapshot(done, versions, evaluation)
        return figures

    def _snapshot(self, done: int, versions: Mapping[int, int], evaluation: Mapping[str, float]) -> None:
        steps = self._recorder.agent_steps
        try:
            take_snapshot(self._directory, self._config, done, self._collector, versions, steps, evaluation)
        except (CheckpointError, OSError) as error:
            if self._failed is None:
                raise
            log.warning("no snapshot after %d rounds: %s", done, error)
            with suppress(OSError):
                SnapshotStore(self._directory.snapshots, self._config.checkpoint.keep).prune()
            self._failed(done, str(error))

    def _evaluate(self, done: int) -> dict[str, float]:
        settings = self._config.eval
        if not settings.every or done % settings.every:
            return {}
        seed, world = self._config.run.seed, self._config.world
        policy = self._collector.policy
        played = evaluate(world, policy, seed, episodes=settings.episodes, greedy=settings.greedy, tick=self._tick)
        return played.figures()
