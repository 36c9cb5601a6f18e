"""`fleet bench train`: a real supervised run of warehouse40 in a temporary folder, and where its time and memory go.

Rates and the server's time come from the run's metrics.jsonl, processor time from the heartbeats, memory from the
kernel. Beside them stands what the same floating-point work would take at this machine's sgemm speed.
"""

import math
from collections.abc import Sequence

from env_server.worlds import make_world
from fleet.core.config import Config
from fleet.core.platform import usable_cores
from fleet.study.bench.bench import Measured, Row
from fleet.study.bench.schemes import schemes
from fleet.study.bench.sgemm import sgemm_rate
from fleet.study.bench.trained import Trained, train
from learners.network import ActorCritic

SERVER, LEARNER = "env_server", "learner-"
TARGET_RATE, TARGET_GB = 130_000, 3.0
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
        *schemes(config, overrides, trained, rounds=rounds, dropped=dropped),
    ]
    how = (
        f"A supervised run ({trained.config.run.pacing} pacing): median over {len(trained.lines)} rounds after the "
        f"first {dropped}, the last left out; {trained.overall:,.0f} agent-steps/s over all of them together. Shares "
        "are of the server's wall time; in free pacing learners work meanwhile: their processor time, from the "
        "heartbeats, stands beside it as a share of all cores. Memory is the largest sum of PSS of all processes, of "
        f"{trained.samples} samples. sgemm: one process per core, all at once, before and after. Packed: a learner "
        "process per core. Processor time: the server's and the learners', against one thread that does everything. "
        f"Wanted for warehouse40 on 2 cores: {TARGET_RATE:,} agent-steps/s."
    )
    return Measured(how, rows)


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
