"""What training sends, from the environment server's counters: in all, into the busiest process, between robots. Pure.

A learner of one robot sits on that robot, beside what acts and records for it, so its rollouts and policies cross no
robot's boundary. A learner of several robots sits with none of them, and all that it is sent or sends crosses one. Each
observation is counted once: a joint state is its robots' observations side by side, and is nowhere sent besides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

DECISIONS_PER_S = 10.0

Figure = float | int | str | bool


@dataclass(frozen=True)
class Traffic:
    """Bytes per agent-step over the data link.

    `by_kind`: by kind of message. `busiest`: into the process that is sent most, `busiest_name`. `across`: over robots'
    boundaries; `mbit_per_s`: the same per robot at DECISIONS_PER_S, in Mbit/s.
    """

    total: float
    by_kind: Mapping[str, float]
    busiest: float
    busiest_name: str
    across: float
    mbit_per_s: float


def traffic(figures: Mapping[str, Figure], groups: Sequence[Sequence[int]]) -> Traffic | None:
    """From a run's last figures and the robots of its learners; None if it stepped or counted nothing."""
    steps = int(figures.get("wire_agent_steps", 0))  # those of the server's present life, as its counters are
    sent, received = _kinds(figures, "sent"), _kinds(figures, "received")
    if not steps or not sent:
        return None
    robots = sum(map(len, groups))
    largest = max(map(len, groups))
    inward = {"env_server": sum(received.values()), "learner": sum(sent.values()) * largest / robots}
    name = max(inward, key=lambda process: inward[process])
    total = sum(sent.values()) + sum(received.values())
    away = sum(len(group) for group in groups if len(group) > 1) / robots
    across = total * away / steps
    return Traffic(
        total=total / steps,
        by_kind={kind: count / steps for kind, count in sorted({**sent, **received}.items())},
        busiest=inward[name] / steps,
        busiest_name=name,
        across=across,
        mbit_per_s=across * DECISIONS_PER_S * 8.0 / 1e6,
    )


def _kinds(figures: Mapping[str, Figure], direction: str) -> dict[str, float]:
    head, tail = f"wire_{direction}_", "_bytes"
    return {
        name.removeprefix(head).removesuffix(tail): float(value)
        for name, value in figures.items()
        if name.startswith(head) and name.endswith(tail) and name != f"{head}bytes"
    }
