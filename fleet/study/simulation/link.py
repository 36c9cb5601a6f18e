"""Simulated links: they delay, drop, duplicate, reorder and spoil messages, are cut and heal.

A data link stands for one learner incarnation's DEALER and its peer in the server's ROUTER. It is harsher than ZeroMQ,
which keeps order within a connection, and as harsh where that matters: what was queued without a server goes to the
next one, what was on its way when a connection broke may still come, and a heal is a new connection.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Protocol

from fleet.core.data_channel import Spoiled
from fleet.core.messages import Hello, Message, Policy, Rollout, Stop, Welcome
from fleet.study.simulation.clock import Clock
from fleet.study.simulation.process import Process

_QUEUE = 16
_STILL_COMES = 0.5  # of what was on its way when a connection broke
_GOES_TO_THE_NEXT = 0.2  # of what was on its way to a server that died


@dataclass(frozen=True)
class Weather:
    """What becomes of a message: delays in seconds, the others in chances per message."""

    least_s: float = 0.001
    most_s: float = 0.02
    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    spoil: float = 0.0

    def calm(self) -> "Weather":
        """The same delays, and nothing else."""
        return replace(self, drop=0.0, duplicate=0.0, reorder=0.0, spoil=0.0)


class Lane:
    """One direction: gives to `arrive` what `carry` is given, in order unless the weather says otherwise."""

    def __init__(self, clock: Clock, dice: Random, weather: Weather) -> None:
        self.weather = weather
        self._clock, self._dice = clock, dice
        self._last = 0.0

    def carry(self, arrive: Callable[[], None]) -> None:
        """Have `arrive()` called once, twice or never."""
        weather, dice = self.weather, self._dice
        if dice.random() < weather.drop:
            return
        delay = dice.uniform(weather.least_s, weather.most_s)
        if dice.random() < weather.reorder:
            delay += dice.uniform(0.0, 2.0)
        else:
            delay = max(delay, self._last - self._clock.now)
            self._last = self._clock.now + delay
        self._clock.after(delay, arrive)
        if dice.random() < weather.duplicate:
            self._clock.after(delay + dice.uniform(0.0, 3.0), arrive)


class Server(Protocol):
    """Whom the learners talk to."""

    process: Process

    def hear(self, message: Hello | Policy | Spoiled) -> None:
        """It came over the data link."""


class Client(Protocol):
    """Whom the server talks to."""

    process: Process

    def hear(self, message: Welcome | Rollout | Stop) -> None:
        """It came over the data link."""

    def connected(self) -> None:
        """A connection is there, for the first time or again."""


class DataLink:
    """One incarnation's. `cut_in` and `cut_out` (seen from the learner) swallow messages and say nothing."""

    def __init__(self, router: "Router", client: Client, learner: int, incarnation: int, weather: Weather) -> None:
        self.learner, self.incarnation = learner, incarnation
        self.up, self.severed = False, False
        self.cut_in = self.cut_out = False
        self.connections = 0
        self._router, self._client = router, client
        self._name = f"learner-{learner}/{incarnation}"
        self._epoch = 0
        self._queue: deque[Hello | Policy] = deque()
        self._in = Lane(router.clock, router.dice, weather)
        self._out = Lane(router.clock, router.dice, weather)

    def send(self, message: Hello | Policy) -> bool:
        """The learner's: False if its queue is full."""
        self._router.trace(self._name, f"sends {said(message)}")
        if self.up:
            self._carry_out(message)
        elif len(self._queue) < _QUEUE:
            self._queue.append(message)
        else:
            return False
        return True

    def give(self, message: Welcome | Rollout | Stop) -> None:
        """The server's."""
        self._router.trace("env_server", f"sends {self._name} {said(message)}")
        epoch = self._epoch
        if not self.cut_in:
            self._in.carry(lambda: self._arrive_in(message, epoch))

    def connect(self) -> None:
        """A connection is made, if there is a server and nothing is in the way."""
        server = self._router.server
        if self.up or self.severed or server is None or not self._client.process.alive:
            return
        self.up = True
        self._epoch += 1
        self.connections += 1
        while self._queue:
            self._carry_out(self._queue.popleft())
        self._client.process.later(self._router.dice.uniform(0.0, 0.5), self._client.connected)

    def drop(self) -> None:
        """The connection is gone, noticed on both sides."""
        self.up = False
        self._epoch += 1

    def set_weather(self, weather: Weather) -> None:
        """From now on, both ways."""
        self._in.weather = self._out.weather = weather

    def _carry_out(self, message: Hello | Policy) -> None:
        epoch, server = self._epoch, self._router.server
        if not self.cut_out and server is not None:
            self._out.carry(lambda: self._arrive_out(message, server, epoch))

    def _arrive_out(self, message: Hello | Policy, server: Server, epoch: int) -> None:
        dice = self._router.dice
        if epoch != self._epoch and dice.random() > _STILL_COMES:
            return
        if not server.process.alive:
            if self._client.process.alive and not self.up and dice.random() < _GOES_TO_THE_NEXT:
                self._queue.append(message)
            return
        heard: Hello | Policy | Spoiled = message
        if dice.random() < self._out.weather.spoil:
            heard = Spoiled(self.learner, self.incarnation, "spoiled on its way")
        self._router.trace("env_server", f"hears {self._name} {said(heard)}")
        server.process.now(lambda: server.hear(heard))

    def _arrive_in(self, message: Welcome | Rollout | Stop, epoch: int) -> None:
        if epoch == self._epoch or self._router.dice.random() < _STILL_COMES:
            self._router.trace(self._name, f"hears {said(message)}")
            self._client.process.now(lambda: self._client.hear(message))


class Router:
    """The server's end of all data links, whichever life it is in."""

    def __init__(self, clock: Clock, dice: Random, trace: Callable[[str, str], None]) -> None:
        self.clock, self.dice, self.trace = clock, dice, trace
        self.calm = False
        """Nothing is lost, repeated, reordered or spoiled any more."""
        self.server: Server | None = None
        self.links: dict[tuple[int, int], DataLink] = {}

    def join(self, client: Client, learner: int, incarnation: int, weather: Weather) -> DataLink:
        """A new incarnation's link."""
        here = weather.calm() if self.calm else weather
        link = self.links[learner, incarnation] = DataLink(self, client, learner, incarnation, here)
        self._soon(link)
        return link

    def leave(self, link: DataLink) -> None:
        """Its learner is dead: the server finds it unreachable from now on."""
        link.drop()
        self.links.pop((link.learner, link.incarnation), None)

    def bind(self, server: Server) -> None:
        """A server life begins: everyone connects to it, by and by."""
        self.server = server
        for link in list(self.links.values()):
            self._soon(link)

    def unbind(self) -> None:
        """The server is dead: every connection breaks."""
        self.server = None
        for link in self.links.values():
            link.drop()

    def send(self, learner: int, incarnation: int, message: Welcome | Rollout | Stop) -> bool:
        """As DataServer.send: False if that incarnation isn't connected."""
        link = self.links.get((learner, incarnation))
        if link is None or not link.up:
            return False
        link.give(message)
        return True

    def sever(self, link: DataLink) -> None:
        """The connection breaks, and none is made until `mend`."""
        link.severed = True
        link.drop()

    def mend(self, link: DataLink, *, anew: bool = True) -> None:
        """The way is free again, in both directions, over the connection there is or a new one (`anew`)."""
        link.severed = link.cut_in = link.cut_out = False
        if anew:
            link.drop()
        self._soon(link)

    def _soon(self, link: DataLink) -> None:
        self.clock.after(self.dice.uniform(0.001, 0.3), link.connect)


def said(message: Message | Spoiled) -> str:
    """A message in a few words, for the trace."""
    match message:
        case Hello():
            return f"hello {message.greeting} version {message.version} last {message.last} of life {message.life}"
        case Welcome():
            return f"welcome {message.greeting} accepted {message.accepted} life {message.life}"
        case Rollout():
            return f"rollout {message.seq} of round {message.round} life {message.life}"
        case Policy():
            return f"policy {message.version} of {message.rollouts} life {message.life}"
    return str(message)
