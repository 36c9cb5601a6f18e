"""The same parts in one process, in a loop, without sockets: what `fleet run --single-process` runs.

It is the reference that the fleet of processes is held to: in lockstep both give the same weights, bit for bit. It also
is the baseline that shows what processes and sockets cost.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter

from actors.build import make_policy
from env_server.collect import Collector, Round
from env_server.dealt import Dealt
from env_server.milestones import Milestones
from env_server.record import Figures, Recorder
from env_server.snapshot import restore_world
from env_server.worlds import make_world
from fleet.core.balance import FROZEN
from fleet.core.config import Config
from fleet.core.jsonl import BoundedJsonl
from fleet.core.ledger import RolloutName
from fleet.core.ledger_file import Ledger
from fleet.core.rundir import RunDirectory
from fleet.core.snapshots import LearnerStore
from fleet.core.start import LearnerStart
from learners.build import build_learner
from learners.process import load_checkpoint, save_if_due, wake
from learners.protocol import Learner


class SingleProcess:
    """A run in this process. `run()` calls `on_round` with each round's figures, and stops when it answers False."""

    def __init__(
        self,
        directory: RunDirectory,
        config: Config,
        starts: Mapping[int, LearnerStart] | None = None,
        snapshot: Path | None = None,
        life: int = 0,
    ) -> None:
        """`starts` says which learners come to life from a checkpoint, `snapshot` where the world goes on from.

        `life` counts how often the run was begun, so that a resumed one names no rollout twice.
        """
        self._life = life
        self._directory, self._config = directory, config
        world = make_world(config.world)
        self._groups = config.groups(world.spec.robots)
        self._frozen = config.frozen_robots(world.spec.robots)
        self._actors = make_policy(world.spec, config)
        self._collector = Collector(world, self._actors, config.run.seed, config.learner.rollout_steps)
        self._done, agent_steps = self._begin(snapshot)
        metrics = BoundedJsonl(directory.metrics, digits=6)
        self._recorder = Recorder(metrics, self._collector, config.run.rounds, agent_steps)
        self._milestones = Milestones(directory, config, self._collector, self._recorder)
        self._stores = [LearnerStore(directory.learner(k)) for k in range(len(self._groups))]
        self._learners = [self._wake(k, (starts or {}).get(k)) for k in range(len(self._groups))]
        self._ledger = Ledger(directory.ledger)  # last: it is locked until `run` ends, in whatever way

    @property
    def learners(self) -> list[Learner]:
        """The learners, by number."""
        return self._learners

    def run(self, on_round: Callable[[Figures], bool] = lambda _: True) -> bool:
        """Train to the last round; False if `on_round` stopped it before."""
        going = True
        try:
            while going and self._done < self._config.run.rounds:
                going = on_round(self._one_round())
        finally:
            self._ledger.close()
        return self._done == self._config.run.rounds

    def _begin(self, snapshot: Path | None) -> tuple[int, int]:
        if snapshot is None:
            self._collector.reset()
            return 0, 0
        return restore_world(snapshot, self._collector)

    def _wake(self, number: int, start: LearnerStart | None) -> Learner:
        learner = build_learner(self._config, self._collector.world.spec, number)
        if start is not None:
            wake(learner, start, load_checkpoint(start))
        if self._frozen.issuperset(self._groups[number]):
            save_if_due(self._config, self._stores[number], learner, 0, anyway=True)  # never learns, so never later
        self._actors.load(self._groups[number], learner.weights())
        return learner

    def _one_round(self) -> Figures:
        number = self._done
        taken = self._collector.collect(number)
        began = perf_counter()
        dealt = self._learn(number, taken)
        times = {"learning": perf_counter() - began}
        self._done = number + 1
        versions = {k: learner.version for k, learner in enumerate(self._learners)}
        return self._milestones.finish(number, taken, dealt, times, versions)

    def _learn(self, number: int, taken: Round) -> Dealt:
        spec = self._collector.world.spec
        each = taken.steps * spec.worlds
        live = {k: [robot for robot in group if robot not in self._frozen] for k, group in enumerate(self._groups)}
        names = {k: RolloutName(self._life, k, 0, number) for k, robots in live.items() if robots}
        self._ledger.produced(number, each, [(name, live[k]) for k, name in names.items()])
        self._ledger.withheld(number, sorted(self._frozen), each, FROZEN)
        for k, name in names.items():
            learner = self._learners[k]
            diagnostics = learner.update(taken.rollout(live[k]))
            save_if_due(self._config, self._stores[k], learner, number + 1)
            self._ledger.trained([name], learner.version)
            self._recorder.learned(k, len(live[k]) * each, 0, diagnostics)
            self._actors.load(self._groups[k], learner.weights())
        return Dealt(sent=each * (spec.robots - len(self._frozen)), withheld=0, online=spec.robots)
