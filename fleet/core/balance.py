"""What a ledger comes to: the figures that `ledger.Account` counts and that `fleet audit` and the summary show."""

from dataclasses import dataclass

FROZEN = "frozen"
"""The reason for which robots that never learn (`learners.frozen`) are dealt nothing: no fault, and nothing is lost."""


@dataclass
class Figures:
    """Agent-steps, of one robot or of all."""

    produced: int = 0
    trained: int = 0
    undone: int = 0
    lost: int = 0
    withheld: int = 0
    unresolved: int = 0

    @property
    def residual(self) -> int:
        """What is neither here nor there; 0 in a ledger that balances."""
        return self.produced - self.trained - self.lost - self.withheld - self.unresolved


@dataclass(frozen=True)
class Balance:
    """What a ledger comes to, in agent-steps: in all, by reason and by robot.

    `violations` are what can't have happened (the first 50 spelt out); `partial_line` says that the writer was killed
    while writing its last line, which is left out.
    """

    total: Figures
    lost: dict[str, int]
    withheld: dict[str, int]
    robots: dict[int, Figures]
    violations: tuple[str, ...]
    partial_line: bool = False

    @property
    def residual(self) -> int:
        """0 in a ledger that balances."""
        return self.total.residual

    @property
    def missed(self) -> dict[str, int]:
        """What was withheld from learners that would have trained on it, by reason: all but FROZEN."""
        return {why: steps for why, steps in self.withheld.items() if why != FROZEN}

    @property
    def balanced(self) -> bool:
        """Nothing missing, for any robot, and nothing that can't have happened. Unresolved steps don't unbalance it."""
        return not self.violations and not any(figures.residual for figures in (self.total, *self.robots.values()))
