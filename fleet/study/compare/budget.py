"""How long each scheme is trained: so many agent-steps, or so many minutes of wall time."""

import re
from dataclasses import dataclass
from math import ceil

from fleet.core.config import Config
from fleet.core.errors import BadInput

_FORM = re.compile(r"([0-9]+(?:\.[0-9]+)?(?:e[0-9]+)?)(min)?")


@dataclass(frozen=True)
class Budget:
    """One of the two is given."""

    agent_steps: int | None = None
    minutes: float | None = None

    @property
    def words(self) -> str:
        """As a person says it."""
        return f"{self.minutes:g} minutes" if self.agent_steps is None else f"{self.agent_steps:,} agent-steps"

    def __str__(self) -> str:
        return f"{self.minutes:g}min" if self.minutes is not None else f"{self.agent_steps}"


def parse_budget(text: str) -> Budget:
    """`2e6` or `2000000` agent-steps, `10min` minutes. Raises BadInput for anything else, and for nothing."""
    match = _FORM.fullmatch(text.strip().lower())
    value = float(match[1]) if match else 0.0
    if match is None or not 0 < value < 1e15:
        raise BadInput(f"--budget {text}; allowed are agent-steps such as 2e6, or minutes such as 10min")
    return Budget(minutes=value) if match[2] else Budget(agent_steps=round(value))


def round_steps(config: Config) -> int:
    """Agent-steps of one round."""
    assert config.world.robots is not None
    return config.world.robots * config.world.worlds * config.learner.rollout_steps


def rounds_of(config: Config, budget: Budget, task: str) -> int:
    """Rounds in the budget, the last one begun counted whole; of minutes, more than could ever be done in them.

    Raises BadInput if it isn't enough for one.
    """
    if budget.agent_steps is None:
        return 1_000_000
    each = round_steps(config)
    if budget.agent_steps < each:
        raise BadInput(f"--budget {budget} is less than one round of {task}; allowed are {each:,} agent-steps or more")
    return ceil(budget.agent_steps / each)
