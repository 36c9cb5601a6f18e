"""The `[learners]` table: which processes the robots' learners run in, on what, and which of them never learn."""

from pydantic import Field

from fleet.core.config.table import Table
from fleet.core.precision import Precision


class LearnersConfig(Table):
    """How learners share processes and machines, how exactly they publish their policies, and who is frozen.

    Processes and machines change nothing of what one learns from.
    """

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
    policies: Precision = Field(
        "float32",
        description="Of the weights that robots act by. float16 takes half the bytes on the wire: what learners learn "
        "with stays float32, and robots act by it rounded, in processes, in one process and in evaluations.",
    )
    frozen: tuple[int, ...] = Field(
        (),
        description="Robots that never learn: they act by the policy they start with, which is that of `--init-from`, "
        "else their initial weights.",
    )
