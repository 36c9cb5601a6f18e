"""What a process is started with: written as JSON by the supervisor, read by the process it starts."""

import json
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import ClassVar, Literal, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from fleet.core.errors import FleetError

Origin = Literal["fresh", "restart", "resume", "init"]


S = TypeVar("S")


class StartError(FleetError):
    """What a process was started with is no start of its kind."""


@dataclass(frozen=True)
class LearnerStart:
    """One incarnation of one learner. `checkpoint` is what it comes back with, as `origin` says."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    run: str
    directory: str
    learner: int
    incarnation: int
    data_endpoint: str
    control_endpoint: str
    origin: Origin = "fresh"
    checkpoint: str | None = None
    doomed: bool = False
    """A planned fault: its constructor raises."""
    gate: str | None = None
    """The folder of the gate that it waits at before it computes; unset: it doesn't wait."""

    @property
    def name(self) -> str:
        """Its name in processes.json and in the logs."""
        return f"learner-{self.learner}"


@dataclass(frozen=True)
class ServerStart:
    """One life of the environment server. `snapshot` is the folder that the world goes on from.

    With `goes_on_at` it takes the place of a life that ended: the rounds go on there, whatever the snapshot's round is.
    It knows then what that life knew of its learners, by number as text: `fences`, the newest incarnation that is dead
    (-1: none), `accepted`, the last policy version accepted, and `gone`, who won't come back. `struck`: the numbers of
    the plan's strikes that the supervisor has carried out, of the round that it goes on at and later.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    run: str
    directory: str
    life: int
    data_endpoint: str
    control_endpoint: str
    snapshot: str | None = None
    goes_on_at: int | None = None
    agent_steps: int = 0
    fences: dict[str, int] = field(default_factory=dict)
    accepted: dict[str, int] = field(default_factory=dict)
    gone: list[int] = field(default_factory=list)
    struck: list[int] = field(default_factory=list)


def write_start(start: LearnerStart | ServerStart) -> str:
    """The start as one line of JSON."""
    return json.dumps(asdict(start))


def read_learner_start(text: str) -> LearnerStart:
    """The inverse of `write_start` for a learner. Raises StartError."""
    return _read(_learners(), text)


def read_server_start(text: str) -> ServerStart:
    """The inverse of `write_start` for the environment server. Raises StartError."""
    return _read(TypeAdapter(ServerStart), text)


def _read(adapter: TypeAdapter[S], text: str) -> S:
    try:
        return adapter.validate_json(text)
    except (ValidationError, UnicodeError) as error:
        raise StartError(f"not what a process is started with: {error}") from error


@cache
def _learners() -> TypeAdapter[LearnerStart]:
    """Made once, by the zygote for all its learners: making one takes 8 ms and 2 MB."""
    return TypeAdapter(LearnerStart)
