"""What the processes say to each other, as frozen dataclasses that check themselves. No sockets, no bytes here.

Data link (learner <-> environment server): Hello, Welcome, Rollout, Policy, Stop.
Control link (everyone <-> supervisor): Heartbeat, Progress, Lost, Gone, Inject, Event, Command, Reply, Stop.

A constructor raises MessageError for a field of the wrong type or out of range, so that a message that exists can be
used, wherever it came from. Figures, diagnostics and details may hold NaN and infinity; whoever writes them as JSON
says null.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

from fleet.core import checks
from fleet.core.checks import MessageError
from fleet.core.spec import Array, RolloutBatch, WorldSpec

__all__ = [
    "PROTOCOL_VERSION",
    "Command",
    "Event",
    "Gone",
    "Heartbeat",
    "Hello",
    "Inject",
    "Lost",
    "Message",
    "MessageError",
    "Policy",
    "Progress",
    "Reply",
    "Rollout",
    "Stop",
    "Welcome",
]

PROTOCOL_VERSION = 3
"""Travels in every header. A message of any other version, older or newer, is refused."""

_MAX_ID = 2**31 - 1
_MAX_LEARNER = 999_999


@dataclass(frozen=True, slots=True)
class Hello:
    """A learner to the server: here I am, with policy `version` (-1: none yet).

    `last` is the sequence number of the last rollout taken in (-1: none), out of server life `life` (-1: none).
    `greeting` counts the hellos of this incarnation, and Welcome repeats it: what comes between a hello and its own
    welcome isn't taken in, so that `last` stays true. Answering fills the last three in.
    """

    run: str
    learner: int
    incarnation: int
    version: int
    last: int
    life: int = -1
    greeting: int = 0

    def __post_init__(self) -> None:
        _learner(self.run, self.learner, self.incarnation)
        checks.integer("version", self.version, -1)
        checks.integer("last", self.last, -1)
        checks.integer("life", self.life, -1, _MAX_ID)
        checks.integer("greeting", self.greeting, 0, _MAX_ID)


@dataclass(frozen=True, slots=True, eq=False)
class Welcome:
    """The server's answer to a hello. `accepted`: the last policy version accepted from this learner (-1: none)."""

    run: str
    life: int
    learner: int
    incarnation: int
    accepted: int
    robots: tuple[int, ...]
    spec: WorldSpec
    greeting: int = 0

    def __post_init__(self) -> None:
        _learner(self.run, self.learner, self.incarnation)
        checks.integer("life", self.life, 0, _MAX_ID)
        checks.integer("accepted", self.accepted, -1)
        checks.world_spec(self.spec)
        checks.ascending("robots", self.robots, self.spec.robots - 1, least=1)
        checks.integer("greeting", self.greeting, 0, _MAX_ID)


@dataclass(frozen=True, slots=True, eq=False)
class Rollout:
    """T steps of a learner's robots. `version` is that of the policy that acted (-1: none had come yet)."""

    run: str
    life: int
    learner: int
    incarnation: int
    seq: int
    round: int
    version: int
    batch: RolloutBatch

    def __post_init__(self) -> None:
        _learner(self.run, self.learner, self.incarnation)
        checks.integer("life", self.life, 0, _MAX_ID)
        checks.integer("seq", self.seq)
        checks.integer("round", self.round)
        checks.integer("version", self.version, -1)
        checks.batch(self.batch)


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """What a learner has learned. `rollouts`: the sequence numbers it learned from, ascending; () for the first.

    `weights` are finite f32 or f16 arrays by name; `diagnostics` are figures to be shown.
    """

    run: str
    life: int
    learner: int
    incarnation: int
    version: int
    rollouts: tuple[int, ...]
    weights: dict[str, Array]
    diagnostics: dict[str, float]

    def __post_init__(self) -> None:
        _learner(self.run, self.learner, self.incarnation)
        checks.integer("life", self.life, 0, _MAX_ID)
        checks.integer("version", self.version)
        checks.ascending("rollouts", self.rollouts)
        checks.weights(self.weights)
        checks.table("diagnostics", self.diagnostics, (float,))


@dataclass(frozen=True, slots=True)
class Stop:
    """The run ends; whoever gets this stops cleanly. On both links."""

    run: str
    reason: str

    def __post_init__(self) -> None:
        checks.matches("run", self.run, checks.RUN)
        checks.text("reason", self.reason, 1000)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A process lives and gets on. `progress` counts work done; `memory` is USS in bytes; `busy_s` CPU seconds used.

    `working`: whether it has work in hand, so that progress is to be expected; what waits for a message has none.
    """

    run: str
    process: str
    incarnation: int
    pid: int
    progress: int
    memory: int
    busy_s: float
    working: bool = False

    def __post_init__(self) -> None:
        checks.matches("run", self.run, checks.RUN)
        checks.matches("process", self.process, checks.PROCESS)
        checks.integer("incarnation", self.incarnation, 0, _MAX_ID)
        checks.integer("pid", self.pid, 1, _MAX_ID)
        checks.integer("progress", self.progress)
        checks.integer("memory", self.memory)
        checks.number("busy_s", self.busy_s)
        checks.flag("working", self.working)


@dataclass(frozen=True, slots=True)
class Progress:
    """The server to the supervisor after each round: its figures by name."""

    run: str
    life: int
    figures: dict[str, float | int | str | bool]

    def __post_init__(self) -> None:
        checks.matches("run", self.run, checks.RUN)
        checks.integer("life", self.life, 0, _MAX_ID)
        checks.table("figures", self.figures, (float, int, str, bool))


@dataclass(frozen=True, slots=True)
class Lost:
    """The supervisor to the server: that incarnation is dead, whatever may still come from it. `reason` is one word."""

    run: str
    learner: int
    incarnation: int
    reason: str

    def __post_init__(self) -> None:
        _learner(self.run, self.learner, self.incarnation)
        checks.matches("reason", self.reason, checks.WORD)


@dataclass(frozen=True, slots=True)
class Gone:
    """The supervisor to the server: that learner won't come back; go on without it. `reason` is one word."""

    run: str
    learner: int
    reason: str

    def __post_init__(self) -> None:
        _learner(self.run, self.learner, 0)
        checks.matches("reason", self.reason, checks.WORD)


@dataclass(frozen=True, slots=True)
class Inject:
    """The supervisor to the server or a learner: that fault (a Strike as plain data) begins now, or is `over`."""

    run: str
    fault: dict[str, Any]
    over: bool = False

    def __post_init__(self) -> None:
        checks.matches("run", self.run, checks.RUN)
        _data("fault", self.fault)
        checks.flag("over", self.over)


@dataclass(frozen=True, slots=True)
class Event:
    """Anyone to the supervisor: something that the run's record should have."""

    run: str
    process: str
    name: str
    details: dict[str, Any]

    def __post_init__(self) -> None:
        checks.matches("run", self.run, checks.RUN)
        checks.matches("process", self.process, checks.PROCESS)
        checks.matches("name", self.name, checks.WORD)
        _data("details", self.details)


@dataclass(frozen=True, slots=True)
class Command:
    """`fleet status`, `fleet stop`, `fleet kill` and the like to the supervisor."""

    run: str
    verb: str
    arguments: dict[str, Any]

    def __post_init__(self) -> None:
        checks.matches("run", self.run, checks.RUN)
        checks.matches("verb", self.verb, checks.WORD)
        _data("arguments", self.arguments)


@dataclass(frozen=True, slots=True)
class Reply:
    """The supervisor's answer to a command: `text` for a person, `data` for a program."""

    run: str
    ok: bool
    text: str
    data: dict[str, Any]

    def __post_init__(self) -> None:
        checks.matches("run", self.run, checks.RUN)
        checks.flag("ok", self.ok)
        checks.text("text", self.text)
        _data("data", self.data)


Message: TypeAlias = (
    Hello | Welcome | Rollout | Policy | Stop | Heartbeat | Progress | Lost | Gone | Inject | Event | Command | Reply
)


def _learner(run: object, learner: object, incarnation: object) -> None:
    checks.matches("run", run, checks.RUN)
    checks.integer("learner", learner, 0, _MAX_LEARNER)
    checks.integer("incarnation", incarnation, 0, _MAX_ID)


def _data(name: str, value: object) -> None:
    if type(value) is not dict:
        raise MessageError(f"{name} is {checks.shown(value)}; allowed are dicts")
    checks.plain(name, value)
