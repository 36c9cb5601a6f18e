"""What a process is started with: written as JSON by the supervisor, read by the process it starts."""

import json
from dataclasses import asdict, dataclass
from typing import Literal

Origin = Literal["fresh", "restart", "resume", "init"]


@dataclass(frozen=True)
class LearnerStart:
    """One incarnation of one learner. `checkpoint` is what it comes back with, as `origin` says."""

    run: str
    directory: str
    learner: int
    incarnation: int
    data_endpoint: str
    control_endpoint: str
    origin: Origin = "fresh"
    checkpoint: str | None = None

    @property
    def name(self) -> str:
        """Its name in processes.json and in the logs."""
        return f"learner-{self.learner}"


@dataclass(frozen=True)
class ServerStart:
    """One life of the environment server. `snapshot` is the folder a resumed run goes on from."""

    run: str
    directory: str
    life: int
    data_endpoint: str
    control_endpoint: str
    snapshot: str | None = None


def write_start(start: LearnerStart | ServerStart) -> str:
    """The start as one line of JSON."""
    return json.dumps(asdict(start))


def read_learner_start(text: str) -> LearnerStart:
    """The inverse of `write_start` for a learner."""
    return LearnerStart(**json.loads(text))


def read_server_start(text: str) -> ServerStart:
    """The inverse of `write_start` for the environment server."""
    return ServerStart(**json.loads(text))
