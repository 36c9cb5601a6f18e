"""`fleet bench train`: a real supervised run of warehouse40 in a temporary folder, and where its time and memory go.

Rates and the server's time come from the run's metrics.jsonl, processor time from the heartbeats, memory from the
kernel. Beside them stands what the same floating-point work would take at this machine's sgemm speed.
"""

import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from env_server.worlds import make_world
from fleet.control.status import Status
from fleet.core.config import Config
from fleet.core.config.load import load_config
from fleet.core.errors import FleetError
from fleet.core.jsonl import read_jsonl
from fleet.core.platform import total_memory, usable_cores
from fleet.study.bench.bench import Measured, Row
from fleet.study.bench.sgemm import sgemm_rate
from fleet.study.prepare import prepare
from fleet.study.run import run
from learners.network import ActorCritic

SERVER, LEARNER = "env_server", "learner-"
TARGET_RATE, TARGET_GB = 55_000, 3.0
PARTS = {
    "world": "world_s",
    "acting": "acting_s",
    "wire": "sending_s",
    "waiting": "waiting_s",
    "learning": "learning_s",  # the server's wait for policies, where it waits (lockstep)
}


def measure(
    *,
    config: str = "warehouse40",
    overrides: Sequence[str] = (),
    rounds: int = 15,
    dropped: int = 3,
    sgemm_s: float = 2.0,
) -> Measured:
    """Row `train_warehouse40` (named after the run), then the shares of time, memory, and the policies' lag.

    `rounds` are measured after the first `dropped`. `sgemm_s`: for how long sgemm is measured, before and after.
    Raises FleetError if the run fails.
    """
    before = sgemm_rate(seconds=sgemm_s)
    trained = train(config, overrides, rounds=rounds, dropped=dropped)
    flops = (before + sgemm_rate(seconds=sgemm_s)) / 2
    work = work_per_agent_step(trained.config)
    possible = flops / work
    name = f"train_{trained.config.run.name}"
    peak = trained.memory / 1e9
    against = f"the same work at sgemm speed: {possible:,.0f} agent-steps/s"
    rows = [
        Row(name, trained.rate, "agent-steps/s", against, trained.rate / possible),
        *_shares(trained),
        *_busy(trained),
        Row("train_memory_peak", peak, "GB", f"allowed: {TARGET_GB:g} GB", peak / TARGET_GB),
        Row("train_policy_lag", trained.mean("policy_lag"), "versions"),
        Row("train_withheld", trained.mean("withheld"), "agent-steps/round"),
        Row("train_work", work / 1e3, "kFLOP/agent-step"),
        Row("train_sgemm", flops / 1e9, "GFLOP/s"),
    ]
    how = (
        f"A supervised run ({trained.config.run.pacing} pacing): median over {len(trained.lines)} rounds after the "
        f"first {dropped}, the last left out; {trained.overall:,.0f} agent-steps/s over all of them together. Shares "
        "are of the server's wall time; in free pacing learners work meanwhile: their processor time, from the "
        "heartbeats, stands beside it as a share of all cores. Memory is the largest sum of PSS of all processes, of "
        f"{trained.samples} samples. sgemm: one process per core, all at once, before and after. Wanted for "
        f"warehouse40 on 2 cores: {TARGET_RATE:,} agent-steps/s."
    )
    return Measured(how, rows)


@dataclass(frozen=True)
class Trained:
    """A run's measured rounds (`lines` of metrics.jsonl), its peak memory in bytes, and processor time used meanwhile.

    `busy` is the seconds of processor time of each process over `busy_s` seconds.
    """

    config: Config
    lines: Sequence[Mapping[str, Any]]
    memory: int
    samples: int
    busy: Mapping[str, float]
    busy_s: float

    @property
    def rate(self) -> float:
        """Trained agent-steps per second of the median round."""
        return float(statistics.median(line["trained_per_s"] for line in self.lines))

    @property
    def overall(self) -> float:
        """Trained agent-steps per second of all rounds together."""
        return float(sum(line["trained_per_s"] * line["wall_s"] for line in self.lines)) / self.total("wall_s")

    @property
    def round_s(self) -> float:
        """Seconds of the median round."""
        return float(statistics.median(line["wall_s"] for line in self.lines))

    def total(self, name: str) -> float:
        """A figure's sum over the rounds."""
        return float(sum(line.get(name, 0.0) for line in self.lines))

    def mean(self, name: str) -> float:
        """A figure's mean over the rounds."""
        return self.total(name) / len(self.lines)


def train(
    config: str,
    overrides: Sequence[str] = (),
    *,
    rounds: int,
    dropped: int = 3,
    on_status: Callable[[Status], None] = lambda _: None,
) -> Trained:
    """Train `config` for `dropped` rounds, then `rounds` measured ones, then a last one, in a folder that is removed.

    The last round is left out because the server then waits for all that is outstanding. `on_status` is called a few
    times a second. Raises FleetError if the run doesn't come to its end.
    """
    settings = load_config(config, [*overrides, f"run.rounds={dropped + rounds + 1}"])
    watch = Watch(first=dropped, last=dropped + rounds)

    def look(status: Status) -> None:
        watch.look(status)
        on_status(status)

    with tempfile.TemporaryDirectory(prefix="fleet-bench-") as folder:
        finished = run(settings, Path(folder) / "run", on_status=look)
        if finished.outcome.kind == "interrupted":
            raise KeyboardInterrupt
        if finished.outcome.kind != "done":
            raise FleetError(f"the run {finished.outcome.kind}: {finished.outcome.reason}")
        lines = read_jsonl(finished.path / "metrics.jsonl")[dropped : dropped + rounds]
    busy, busy_s = watch.busy()
    return Trained(prepare(settings), lines, watch.memory, watch.samples, busy, busy_s)


@dataclass
class Watch:
    """Looks at a run while it runs: memory now and then, and processor time between rounds `first` and `last`.

    Looking at the memory of forty processes costs tens of milliseconds, so it is done every `every_s` seconds.
    """

    first: int
    last: int
    every_s: float = 5.0
    clock: Callable[[], float] = time.monotonic
    memory: int = 0
    samples: int = 0
    _due: float = -math.inf
    _round: int = 0
    _beats: list[tuple[float, dict[str, float]]] = field(default_factory=list)

    def look(self, status: Status) -> None:
        """Called by the supervisor a few times a second."""
        now = self.clock()
        pids = [process.pid for process in status.processes if process.pid is not None]
        new_round, self._round = status.round != self._round, status.round
        if pids and (now >= self._due or (new_round and status.round in (self.first, self.last))):
            self._due = now + self.every_s
            self.memory = max(self.memory, total_memory([os.getpid(), *pids]))
            self.samples += 1
        if self.first <= status.round <= self.last:
            self._beats.append((now, {process.name: process.busy_s for process in status.processes}))

    def busy(self) -> tuple[dict[str, float], float]:
        """Each process's processor seconds between the first and the last look, and the seconds between the two."""
        if len(self._beats) < 2:
            return {}, 0.0
        (began, before), (ended, after) = self._beats[0], self._beats[-1]
        return {name: max(0.0, after[name] - before.get(name, 0.0)) for name in after}, ended - began


def work_per_agent_step(config: Config) -> float:
    """Floating-point operations of the matrix products that one trained agent-step needs; two for a multiply-add.

    Acting: the actor forward. Values: the critic forward, once per observation. Each epoch: both forward, and backward
    two products per layer, but one for a first layer, whose input needs no gradient. A trunk they share counts once.
    """
    spec = make_world(config.world).spec
    network = ActorCritic(spec, config.network)
    weights = {name: shape for name, shape in network.shapes.items() if name.endswith(".weight")}
    sizes = {name.removesuffix(".weight"): math.prod(shape) for name, shape in weights.items()}
    actor = sum(size for name, size in sizes.items() if name.startswith("actor"))
    critic = sum(size for name, size in sizes.items() if name.startswith("critic"))
    if config.network.share_trunk:
        critic += actor - sizes[f"actor.{len(config.network.hidden)}"]
    steps = config.learner.rollout_steps
    values = critic * (1 + 1 / steps + 1 / config.world.max_steps)
    epoch = 3 * sum(sizes.values()) - sum(sizes[name] for name in network.first_layers)
    return 2.0 * (actor + values + config.learner.epochs * epoch)


def _shares(trained: Trained) -> list[Row]:
    wall = trained.total("wall_s")
    parts = {name: trained.total(key) for name, key in PARTS.items()}
    parts["other"] = wall - sum(parts.values())
    against = f"a round: {wall / len(trained.lines):.2f} s"
    each = len(trained.lines)
    return [Row(f"train_{name}", spent / each, "s/round", against, spent / wall) for name, spent in parts.items()]


def _busy(trained: Trained) -> list[Row]:
    """Processor seconds per second, of all cores'."""
    if not trained.busy_s:
        return []
    cores = usable_cores()
    learners = sum(spent for name, spent in trained.busy.items() if name.startswith(LEARNER)) / trained.busy_s
    server = trained.busy.get(SERVER, 0.0) / trained.busy_s
    against = f"{cores} cores"
    return [
        Row("train_busy_learners", learners, "cores", against, learners / cores),
        Row("train_busy_server", server, "cores", against, server / cores),
    ]
