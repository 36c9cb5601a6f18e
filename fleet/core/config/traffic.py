"""The `[world.traffic]` table: a grid of signalled intersections (`world.kind = "traffic"`)."""

from pydantic import Field

from fleet.core.config.table import Table


class TrafficConfig(Table):
    """A grid of streets, one way or the other at every intersection at a time; each intersection is an agent."""

    rows: int = Field(10, ge=1, le=100, description="Intersections from north to south.")
    columns: int = Field(20, ge=1, le=100, description="Intersections from west to east; at most 1,000 in all.")
    arrivals: float = Field(0.3, ge=0, le=1, description="Chance per step that a vehicle comes in at a street's end.")
    flow: int = Field(1, ge=1, le=10, description="Vehicles per step that a green approach lets through.")
    capacity: int = Field(20, ge=1, le=100, description="Vehicles that an approach holds; a full one lets nobody in.")
    lost_steps: int = Field(2, ge=0, le=20, description="Steps after a change of the signal in which nobody goes.")
