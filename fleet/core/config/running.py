"""The `[run]`, `[checkpoint]`, `[eval]` and `[control]` tables: how long, how paced, what is kept, what is watched."""

from typing import Literal

from pydantic import Field

from fleet.core.config.table import Table


class RunConfig(Table):
    """One run: its length, its randomness and its pacing (`lockstep` repeats bit for bit, `free` never waits)."""

    name: str = Field("fleet", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="Names the run's folder.")
    seed: int = Field(1, ge=0, lt=2**63, description="Decides every draw of the run.")
    rounds: int = Field(100, ge=1, le=10_000_000, description="Rounds to train for.")
    pacing: Literal["lockstep", "free"] = Field(
        "lockstep", description="lockstep: wait for every online learner; free: never wait for a straggler."
    )
    quorum: float = Field(
        0.9, gt=0, le=1, description="free: share of online learners, rounded down, with credit to start a round."
    )
    credit: int = Field(1, ge=1, le=8, description="Unprocessed rollouts a learner may hold.")
    patience_s: float = Field(
        60.0,
        gt=0,
        le=86_400,
        description="Seconds that a round in lockstep waits for a learner that died, and free's last one for policies.",
    )


class CheckpointConfig(Table):
    """What a restart or a resume comes back with."""

    every: int = Field(20, ge=1, description="Rounds between run snapshots.")
    keep: int = Field(2, ge=1, le=100, description="Snapshots kept beside the best one.")
    learner_every: int = Field(5, ge=1, description="Updates between a learner's own checkpoints.")


class EvalConfig(Table):
    """Periodic evaluation without learning; it names the best snapshot."""

    every: int = Field(0, ge=0, description="Rounds between evaluations. 0: none.")
    episodes: int = Field(8, ge=1, le=1024, description="Episodes per evaluation, stepped in parallel.")
    greedy: bool = Field(False, description="Take the likeliest action instead of sampling.")


class ControlConfig(Table):
    """Liveness and restarts."""

    heartbeat_s: float = Field(0.5, gt=0, le=60, description="Seconds between heartbeats.")
    dead_after_s: float = Field(3.5, gt=0, le=3600, description="Silence after which a process counts as frozen.")
    start_grace_s: float = Field(60.0, gt=0, le=3600, description="Seconds a process may take to its first heartbeat.")
    restarts: int = Field(5, ge=0, le=1000, description="Restarts a learner may use up per window.")
    restart_window_s: float = Field(300.0, gt=0, description="The window of the restart budget.")
    backoff_s: float = Field(0.2, ge=0, le=60, description="Pause before a second restart; doubles with each further.")
    memory_limit_gb: float | None = Field(None, gt=0, description="Refuse to start above this. Unset: free memory.")
