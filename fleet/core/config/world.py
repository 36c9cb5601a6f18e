"""The `[world]` table: which world, how many robots, what they see and what they are paid for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from fleet.core.config.game import GameConfig
from fleet.core.config.handoff import HandoffConfig
from fleet.core.config.pettingzoo import PettingZooConfig
from fleet.core.config.table import UNSET, Table
from fleet.core.config.traffic import TrafficConfig

Kind = Literal["warehouse", "handoff", "game", "traffic", "pettingzoo"]
RewardKind = Literal["individual", "global", "two-stage", "dense"]
Measure = Literal["return", "deliveries_per_1000"]
DispatchRule = Literal["off", "random", "nearest", "matching"]

# Each kind of world but the warehouse has a table of its own, by the kind's name; these settings are the warehouse's.
_OF_THE_WAREHOUSE = (
    *("map", "layout", "shelf_columns", "shelf_rows", "column_height", "stations"),
    *("request_queue", "dispatch", "station", "window", "against", "way", "standing", "head_on"),
)
_TABLES: tuple[Kind, ...] = ("handoff", "game", "traffic", "pettingzoo")
_REWARDS: Mapping[Kind, RewardKind | None] = {"handoff": "dense", "game": None, "traffic": None, "pettingzoo": None}


class WorldConfig(Table):
    """Everything that decides the dynamics.

    In a warehouse one of `map`, `layout` or the three grid sizes says what the floor is; another kind of world has a
    table of its own for it, and none of these.
    """

    kind: Kind = Field("warehouse", description="Which world to step.")
    map: str | None = Field(
        None, description="An RWARE preset (`rware-tiny-4ag`), or the path of a MovingAI .map or an ASCII layout file."
    )
    layout: str | None = Field(None, description="An ASCII layout in RWARE's alphabet: `x` shelf, `g` goal, `.` free.")
    shelf_columns: int | None = Field(None, ge=1, le=99, description="Free grid: shelf columns (odd).")
    shelf_rows: int | None = Field(None, ge=1, le=99, description="Free grid: rows of shelf blocks.")
    column_height: int | None = Field(None, ge=1, le=99, description="Free grid: shelves per column in a block.")
    stations: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="Free grid: goals spread along the top and bottom rows. Unset: RWARE's two goals at the bottom.",
    )
    robots: int | None = Field(
        None, ge=1, le=1000, description="Robots on the floor (N). Unset: what the RWARE preset says, or two per pair."
    )
    worlds: int = Field(16, ge=1, le=1024, description="Parallel copies of the world (E).")
    sensor_range: int = Field(1, ge=1, le=5, description="Cells a robot sees in each direction.")
    window: Literal["rware", "turned"] = Field(
        "rware",
        description="What a robot sees around itself: as RWARE shows it; or turned with the robot, and with who "
        "has been longer on its way (needs dispatch).",
    )
    reward: RewardKind | None = Field(
        None,
        description="individual, global, two-stage (as RWARE) or dense (distance gained on the order's leg; needs "
        "dispatch; the handoff task's only one). Unset: dense with dispatch, individual without.",
    )
    dense_scale: float = Field(
        0.02, ge=0, le=1, description='Dense reward for one step (way = "time": or turn) less to the target.'
    )
    request_queue: int | None = Field(
        None, ge=1, description="Open requests at any time. Unset: the preset's, or one per robot."
    )
    max_steps: int = Field(
        500,
        ge=1,
        le=1_000_000,
        description="Steps after which an episode is truncated; a PettingZoo environment may end it before.",
    )
    stagger: bool = Field(True, description="Spread the copies' episode starts, so that they don't all reset at once.")
    dispatch: DispatchRule = Field(
        "off", description="Hand each robot its next order: to whom goes which, at random, nearest, or by matching."
    )
    station: Literal["random", "nearest"] = Field(
        "random", description="With dispatch: the station an order goes to, drawn at random or nearest to its shelf."
    )
    against: int = Field(
        0,
        ge=0,
        le=20,
        description="With dispatch: lanes are one-way by turns, and on the way shown (and paid for) to a loaded robot "
        "each cell against its lane counts as so many more. 0: all lanes are two-way.",
    )
    way: Literal["steps", "time"] = Field(
        "steps",
        description="With dispatch: how far a target is, as shown and paid for. In steps; or in time, quarter turns "
        "counted, and then a robot also sees how much longer each side would take.",
    )
    standing: float = Field(
        0.0,
        ge=0,
        le=1,
        description="With dispatch: reward taken for each step of a robot on its way that hasn't left its cell for 10 "
        "steps. Who queues behind a jam is moved to drive around it.",
    )
    head_on: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Reward taken for each step in which two loaded robots face each other, next to each other or in "
        "a lane without a way out between them, from who has to give way: who has been on its leg for less time "
        '(needs window = "turned").',
    )

    handoff: HandoffConfig | None = Field(None, description='The handoff task\'s settings, with kind = "handoff".')
    game: GameConfig | None = Field(None, description='The game of two agents, with kind = "game".')
    traffic: TrafficConfig | None = Field(None, description='The grid of intersections, with kind = "traffic".')
    pettingzoo: PettingZooConfig | None = Field(None, description='The environment, with kind = "pettingzoo".')

    @model_validator(mode="before")
    @classmethod
    def _own_table(cls, data: Any) -> Any:
        """A kind's own table is there whenever that kind is, all of it at its defaults if nothing else is said."""
        kind = data.get("kind") if isinstance(data, dict) else None
        if kind in _TABLES and data.get(kind) in (None, UNSET):
            return {**data, kind: {}}
        return data

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        for kind in _TABLES:
            if self.kind != kind and getattr(self, kind) is not None:
                raise ValueError(f'`{kind}` has the settings of another world; allowed only with kind = "{kind}"')
        if self.kind == "warehouse":
            return self._checked_warehouse()
        for name in _OF_THE_WAREHOUSE:
            value = getattr(self, name)
            if value != type(self).model_fields[name].default:
                raise ValueError(f'`{name}` is a setting of a warehouse; kind = "{self.kind}" has [world.{self.kind}]')
        allowed = _REWARDS[self.kind]
        if self.reward not in (None, allowed):
            raise ValueError(
                f'reward = "{self.reward}" with kind = "{self.kind}"; allowed is '
                + (f'"{allowed}"' if allowed else "to leave it unset: that world pays in its own way")
            )
        return self

    def _checked_warehouse(self) -> Self:
        grid = [self.shelf_columns, self.shelf_rows, self.column_height]
        given = [self.map is not None, self.layout is not None, any(size is not None for size in grid)]
        if sum(given) != 1:
            raise ValueError("give exactly one floor: `map`, `layout`, or shelf_columns + shelf_rows + column_height")
        if given[2] and None in grid:
            raise ValueError("a free grid needs all of shelf_columns, shelf_rows and column_height")
        if self.shelf_columns is not None and self.shelf_columns % 2 == 0:
            raise ValueError(f"shelf_columns = {self.shelf_columns} is even; RWARE's grid needs an odd number")
        if self.stations is not None and not given[2]:
            raise ValueError("`stations` is for the free grid; a map or layout names its own goals")
        if self.reward == "dense" and self.dispatch == "off":
            raise ValueError('reward = "dense" pays for distance to an order, so it needs `dispatch`')
        if self.way == "time" and self.dispatch == "off":
            raise ValueError('way = "time" is how the way to an order is measured, so it needs `dispatch`')
        if self.against and (self.dispatch == "off" or self.is_map_file):
            raise ValueError(
                f"against = {self.against} is for loaded robots on their way to an order, so it needs `dispatch` and a "
                "floor with shelves"
            )
        if self.window == "turned" and self.dispatch == "off":
            raise ValueError('window = "turned" shows who is longer on its way to an order, so it needs `dispatch`')
        if self.window == "turned" and self.sensor_range != 1:
            raise ValueError(f'sensor_range = {self.sensor_range} with window = "turned"; allowed is only 1')
        if self.standing and self.dispatch == "off":
            raise ValueError(f"standing = {self.standing} is for robots on their way to an order: it needs `dispatch`")
        if self.head_on and (self.window != "turned" or self.is_map_file):
            raise ValueError(
                f'head_on = {self.head_on} charges loaded robots that don\'t give way, so it needs window = "turned", '
                "which shows who has to, and a floor with shelves"
            )
        return self

    @property
    def is_foreign(self) -> bool:
        """Whether its dynamics are somebody else's, so that it can't give its state to go on from."""
        return self.kind == "pettingzoo"

    @property
    def scored_by(self) -> Measure:
        """The figure of an evaluation that tells a better policy from a worse; a foreign world has no deliveries."""
        return "return" if self.is_foreign else "deliveries_per_1000"

    @property
    def is_map_file(self) -> bool:
        """Whether `map` is a MovingAI file (its orders are service point to station and nothing is lifted)."""
        return self.map is not None and Path(self.map).suffix == ".map"
