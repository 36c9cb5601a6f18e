"""The `[world.game]` table: which game two agents play (`world.kind = "game"`), and what it pays."""

from typing import Literal

from pydantic import Field

from fleet.core.config.table import Table

GameName = Literal["coordination", "climbing", "penalty", "pennies", "two-state", "rendezvous"]


class GameConfig(Table):
    """A game of two agents. What is left unset is the game's own; a setting that the game doesn't have is an error."""

    name: GameName = Field(
        "coordination",
        description="coordination, two-state: two actions, better taken alike; climbing, penalty: Claus and Boutilier "
        "(1998); pennies: what one wins the other loses; rendezvous: paid only where both are in place at once.",
    )
    best: float | None = Field(None, description="Of coordination: what (1, 1) pays. Unset: 5.")
    second: float | None = Field(None, description="Of coordination: what (0, 0) pays. Unset: 3.")
    miss: float | None = Field(None, description="Of coordination: what different actions pay. Unset: 0.")
    k: float | None = Field(None, description="Of penalty: what mixing up its two optima pays. Unset: -100.")
    size: int | None = Field(None, ge=2, le=12, description="Of rendezvous: rows and columns. Unset: 3.")
