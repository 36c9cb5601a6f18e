"""The `[world.handoff]` table: the floor and the stakes of the handoff task (`world.kind = "handoff"`)."""

from pydantic import Field

from fleet.core.config.table import Table


class HandoffConfig(Table):
    """A wall with one transfer point per pair of robots; robots 2p and 2p + 1 are pair p, the giver and the receiver.

    The floor is `pairs` x `lane` cells wide and 2 x `depth` + 1 high.
    """

    pairs: int = Field(1, ge=1, le=500, description="Pairs of robots (P), each with a transfer point of its own.")
    lane: int = Field(3, ge=1, le=99, description="Columns per pair; its transfer point is in the middle one.")
    depth: int = Field(3, ge=2, le=99, description="Rows on either side of the wall.")
    penalty: float = Field(
        0.5, ge=0, le=1000, description="What a toggle at the transfer point costs if the other robot doesn't join in."
    )
    blocked_steps: int = Field(
        3, ge=0, le=100, description="Steps for which the transfer point then can't be used by either."
    )
    absent_costs: bool = Field(
        True, description="Whether a toggle costs that while the other robot isn't ready; false: it then does nothing."
    )
    share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="What a handoff pays to both robots of the pair; the load's delivery pays both the rest of 1.",
    )
