"""The `[learners]` table: which processes the robots' learners run in, on what, and which of them never learn."""

from pydantic import Field

from fleet.core.config.table import Table


class LearnersConfig(Table):
    """How learners share processes and machines, which changes nothing of what one learns from; and who is frozen."""

    per_process: int = Field(
        1, ge=1, description="Robots whose learners share a process, each with weights and optimizer of its own."
    )
    device: str = Field(
        "cpu", pattern=r"^(cpu|cuda(:(0|[1-9][0-9]?))?)$", description='Where they learn: "cpu", "cuda" or "cuda:1".'
    )
    at_once: int | None = Field(
        None,
        ge=1,
        description="Learner processes that compute at once, the others waiting for their turn: as many as there are "
        "cores where updates are long (wide networks). Unset: all, and the kernel shares the cores out.",
    )
    frozen: tuple[int, ...] = Field(
        (),
        description="Robots that never learn: they act by the policy they start with, which is that of `--init-from`, "
        "else their initial weights.",
    )
