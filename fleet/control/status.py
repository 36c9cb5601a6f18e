"""What a person is shown of a run while it runs: the environment server's figures and each process's heartbeats."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

Figure = float | int | str | bool


@dataclass(frozen=True)
class ProcessStatus:
    """One process. `progress` counts its pieces of work, `busy_s` is processor time, `memory_bytes` private (USS)."""

    name: str
    pid: int | None
    phase: str
    incarnation: int
    restarts: int
    progress: int
    memory_bytes: int
    busy_s: float


@dataclass(frozen=True)
class FaultStatus:
    """A fault that is going on: for `for_s` seconds by now, for another `left_s`, or until round `until`, if known.

    `held`: a person has it in hand. `round` is the one in which it struck, where that is known.
    """

    number: int
    kind: str
    target: str
    learner: int
    robots: tuple[int, ...]
    round: int | None
    for_s: float
    left_s: float | None
    until: int | None
    held: bool


@dataclass(frozen=True)
class Status:
    """A run at one moment. A figure that isn't known yet is None.

    `deliveries_per_1000` is per robot and 1,000 steps; `eta_s` the seconds left at the rate of the rounds so far;
    `figures` everything the environment server last reported; `away` the robots whose learners are held; `frozen`
    those that never learn.
    """

    phase: str
    round: int
    rounds: int
    elapsed_s: float
    eta_s: float | None
    agent_steps: int
    agent_steps_per_s: float | None
    deliveries_per_1000: float | None
    episode_return: float | None
    online: int
    robots: int
    policy_lag: float | None
    memory_bytes: int
    restarts: int
    processes: tuple[ProcessStatus, ...]
    figures: Mapping[str, Figure]
    away: tuple[int, ...] = ()
    faults: tuple[FaultStatus, ...] = ()
    frozen: tuple[int, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        lists = {
            "processes": [asdict(item) for item in self.processes],
            "away": list(self.away),
            "frozen": list(self.frozen),
            "faults": [{**asdict(item), "robots": list(item.robots)} for item in self.faults],
        }
        return {**asdict(self), "figures": dict(self.figures), **lists}


OnStatus = Callable[[Status], bool | None]
"""Called a few times a second with a run as it is; answers False to have it stop, as `fleet stop` would."""


class Pace:
    """How fast rounds go by, and so how long the rest takes. A resumed run's earlier rounds don't count."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None
        self._last: tuple[float, int] | None = None

    def at(self, now: float, round_: int) -> None:
        """Round `round_` was reported at `now`."""
        self._last = (now, round_)
        self._first = self._first or self._last

    def eta_s(self, now: float, rounds: int) -> float | None:
        """Seconds until `rounds` are done; None before two reports."""
        if self._first is None or self._last is None or self._last[1] <= self._first[1]:
            return None
        per_round = (self._last[0] - self._first[0]) / (self._last[1] - self._first[1])
        return max(0.0, (rounds - self._last[1]) * per_round - (now - self._last[0]))


def build_status(
    figures: Mapping[str, Figure],
    processes: Sequence[ProcessStatus],
    *,
    phase: str,
    rounds: int,
    robots: int,
    elapsed_s: float,
    eta_s: float | None,
    away: Sequence[int] = (),
    faults: Sequence[FaultStatus] = (),
    frozen: Sequence[int] = (),
) -> Status:
    """Put one together. While the supervisor's `phase` is just "running", the server's own is shown if it gives one."""
    return Status(
        phase=str(figures.get("phase", phase)) if phase == "running" else phase,
        round=int(figures.get("round", 0)),
        rounds=rounds,
        elapsed_s=elapsed_s,
        eta_s=eta_s,
        agent_steps=int(figures.get("agent_steps", 0)),
        agent_steps_per_s=_number(figures, "agent_steps_per_s"),
        deliveries_per_1000=_number(figures, "deliveries_per_1000"),
        episode_return=_number(figures, "episode_return"),
        online=int(figures.get("online", 0)),
        robots=robots,
        policy_lag=_number(figures, "policy_lag"),
        memory_bytes=sum(process.memory_bytes for process in processes),
        restarts=sum(process.restarts for process in processes),
        processes=tuple(processes),
        figures=dict(figures),
        away=tuple(away),
        faults=tuple(faults),
        frozen=tuple(frozen),
    )


def _number(figures: Mapping[str, Figure], name: str) -> float | None:
    value = figures.get(name)
    return float(value) if isinstance(value, int | float) else None
