"""How a run ends: what it comes to, and what is said of it. Reads logs, and changes nothing."""

import signal
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from fleet.control.care.child import SERVER, ZYGOTE, Child, Phase
from fleet.control.process import logs
from fleet.control.status import Figure
from fleet.core.balance import Balance

Kind = Literal["done", "failed", "interrupted"]
_EXIT: dict[Kind, int] = {"done": 0, "failed": 1, "interrupted": 130}


@dataclass(frozen=True)
class Outcome:
    """What a run came to; `reason` is for a person."""

    kind: Kind
    reason: str

    @property
    def exit_status(self) -> int:
        """The command's: 0 done, 1 failed, 130 interrupted."""
        return _EXIT[self.kind]

    @property
    def loss(self) -> str:
        """What the ledger gives as the reason for a rollout that the environment server left behind."""
        return "stopped" if self.kind == "interrupted" else "server_died"


@dataclass
class Ending:
    """A run that is on its way out: it is over when nothing runs, at the latest at `deadline` (monotonic)."""

    outcome: Outcome
    deadline: float


def describe_exit(status: int | None) -> str:
    """An exit status in words."""
    if status is None:
        return "ended"
    if status >= 0:
        return f"exited with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"


def with_log(text: str, log: Path) -> str:
    """A reason, and the end of the log in which its cause is to be looked for."""
    end = logs.tail(log)
    return f"{text}; the end of {log}:\n{end}" if end else f"{text}; {log} is empty"


def summarize(
    outcome: Outcome, figures: Mapping[str, Figure], children: Iterable[Child], balance: Balance | None
) -> dict[str, Any]:
    """summary.json, less the wall time and the cost. `children` are the learners, the server and the zygote.

    `balance`: what the settled ledger comes to; None without one.
    """
    everyone = list(children)
    learners = [child for child in everyone if child.learner is not None]
    restarts = {child.name: child.restarts for child in everyone}
    return {
        "outcome": outcome.kind,
        "exit_status": outcome.exit_status,
        "reason": outcome.reason,
        "figures": dict(figures),
        "restarts": {child.name: child.restarts for child in learners if child.restarts},
        "server_restarts": restarts.get(SERVER, 0),
        "zygote_restarts": restarts.get(ZYGOTE, 0),
        "failed": [child.name for child in learners if child.phase is Phase.FAILED],
        "ledger": {} if balance is None else _ledger(balance),
    }


def _ledger(balance: Balance) -> dict[str, Any]:
    return {
        **asdict(balance.total),
        "residual": balance.residual,
        "balanced": balance.balanced,
        "lost_by_reason": balance.lost,
        "withheld_by_reason": balance.withheld,
        "violations": list(balance.violations),
    }
