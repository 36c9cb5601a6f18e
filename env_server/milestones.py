"""What follows a round: evaluation when it is due, its line in the record, a snapshot when it is due.

The environment server and the single-process reference both end their rounds here.
"""

from collections.abc import Mapping

from env_server.collect import Collector, Round
from env_server.evaluate import evaluate
from env_server.record import Dealt, Figures, Recorder
from env_server.snapshot import take_snapshot
from fleet.core.config import Config
from fleet.core.rundir import RunDirectory


class Milestones:
    """Ends rounds. All that is written goes to the run's directory."""

    def __init__(self, directory: RunDirectory, config: Config, collector: Collector, recorder: Recorder) -> None:
        self._directory, self._config = directory, config
        self._collector, self._recorder = collector, recorder

    def finish(
        self, number: int, taken: Round, dealt: Dealt, times: Mapping[str, float], versions: Mapping[int, int]
    ) -> Figures:
        """End round `number` (counted from 0); `versions`: each learner's last accepted policy. Returns its figures."""
        done = number + 1
        evaluation = self._evaluate(done)
        figures = self._recorder.round_done(number, taken, dealt, times, evaluation)
        if self._config.snapshot_due(done):
            steps = self._recorder.agent_steps
            take_snapshot(self._directory, self._config, done, self._collector, versions, steps, evaluation)
        return figures

    def _evaluate(self, done: int) -> dict[str, float]:
        settings = self._config.eval
        if not settings.every or done % settings.every:
            return {}
        seed, world = self._config.run.seed, self._config.world
        policy = self._collector.policy
        return evaluate(world, policy, seed, episodes=settings.episodes, greedy=settings.greedy).figures()
