"""One seed from beginning to end: a simulated run, a storm over it, calm after it, and what must hold throughout."""

import logging
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fleet.control.care.child import SERVER, Child
from fleet.core.messages import Heartbeat, Inject, Message, Stop
from fleet.core.start import read_learner_start, read_server_start
from fleet.study.simulation.aftermath import missing, out_of_order, wrongly_given_up
from fleet.study.simulation.clock import Clock
from fleet.study.simulation.invariants import Invariants
from fleet.study.simulation.learner import Checkpoints, Learner
from fleet.study.simulation.link import Lane, Router, Weather
from fleet.study.simulation.process import Process
from fleet.study.simulation.processes import SimulatedProcesses, SimulatedRecord, starts_of
from fleet.study.simulation.scene import STORM_S, Scene, scene_of
from fleet.study.simulation.server import Server
from fleet.study.simulation.storm import Storm
from fleet.study.simulation.supervisor import Supervisor

QUIET_S = 120.0
"""Once nothing goes wrong any more: within this time everyone learns again, and then the run can end."""

Trace = Callable[[float, str, str], None]


@dataclass(frozen=True)
class Played:
    """What came of a seed. `broken`: what may not have happened; empty is well. `counted`: what did, for a table."""

    seed: int
    outcome: str
    rounds: int
    seconds: float
    broken: tuple[str, ...]
    counted: Mapping[str, int]


class Simulation:
    """The parts, put together, and the control links between them."""

    def __init__(self, scene: Scene, trace: Trace) -> None:
        self.scene, self.clock = scene, Clock()
        self.trace: Callable[[str, str], None] = lambda who, what: trace(self.clock.now, who, what)
        self.invariants = Invariants(scene, lambda: self.clock.now, self.trace)
        self.router = Router(self.clock, scene.dice("network"), self.trace)
        self.record = SimulatedRecord(self.clock, self.trace)
        self.learners: dict[str, Learner] = {}
        self.server: Server | None = None
        self.unheard: set[str] = set()
        """Processes whose heartbeats don't come through, and that can't be told anything."""
        self.lives = self.incarnations = 0
        self._learned: list[Child] = []
        self._finishing = False
        self._stores = {k: Checkpoints(scene.keep) for k in range(len(scene.groups))}
        self._weather = Weather(0.001, 0.05, duplicate=scene.weather.duplicate)
        self._links = scene.dice("control")
        self._down: dict[str, Lane] = {}
        processes = SimulatedProcesses(
            self.clock, scene.dice("processes"), self._make, self._over, lambda: self.supervisor.woken()
        )
        starts = starts_of(self._stores, self.invariants.ledger)
        self.supervisor = Supervisor(
            scene, self.clock, processes, self.record, starts, self._send, self.invariants.budget
        )
        self.storm = Storm(self)

    def play(self) -> None:
        """To the end, or to the first violation."""
        self.supervisor.start()
        self.storm.brew()
        self._run(STORM_S)
        self._run(STORM_S + QUIET_S, lambda: self.supervisor.drill.next_due() is None)  # what the plan has last is over
        self.storm.calm()
        if self.scene.stopped:
            self.supervisor.stop()
        else:
            self._run(self.clock.now + QUIET_S, self._all_learn)
            if not self.supervisor.outcome and not self.invariants.broken and not self._all_learn():
                late = self._laggards() or self._missing() or "no rounds"
                self.invariants.break_(f"{QUIET_S:g} s after the last fault not all is well: {late}")
            self._learned = self._waited_for()
            for text in wrongly_given_up(self.record.events, self.storm.calm_since):
                self.invariants.break_(text)
            self._finishing = True
            if self.server is not None:
                self.server.finishing = True
        self._run(self.clock.now + QUIET_S, lambda: False)
        self._end()

    def counted(self) -> dict[str, int]:
        """How much happened."""
        figures, events = self.invariants.figures, self.record.counts
        balance = self.invariants.ledger.balance().total
        return {
            "rounds": self.invariants.rounds,
            "server lives": self.lives,
            "learner incarnations": self.incarnations,
            "faults injected": events["inject"],
            "deaths declared": events["declare"],
            "recoveries": events["recover"],
            "learners failed": events["failed"],
            "agent-steps trained": balance.trained,
            "agent-steps undone": balance.undone,
            "agent-steps lost": balance.lost,
            "agent-steps withheld": balance.withheld,
            **figures,
        }

    def _run(self, until: float, over: Callable[[], bool] = lambda: False) -> None:
        def stop() -> bool:
            return bool(self.invariants.broken or self.supervisor.outcome) or over()

        if stop():
            return
        try:
            self.clock.run(until, stop)
        except Exception as error:  # whatever it is, in a real run it would have ended a process
            where = traceback.extract_tb(error.__traceback__)[-1]
            self.invariants.break_(f"{where.name} in {Path(where.filename).name}: {error!r}")

    def _end(self) -> None:
        outcome, ledger = self.supervisor.outcome, self.invariants.ledger
        if self.invariants.broken:
            return
        if not outcome:
            self.invariants.break_("the run doesn't end")
        if outcome != "done":
            ledger.lost(ledger.outstanding(), "stopped")  # as the supervisor does, once all are dead
        self.invariants.drained()
        self.invariants.balance()
        for child in self._learned if outcome == "done" else ():
            self.invariants.undone(child)
        for text in out_of_order(self.record.events):
            self.invariants.break_(text)

    def _waited_for(self) -> list[Child]:
        """Whom the run goes on with."""
        return [child for child in self.supervisor.learners.values() if child.wanted and not child.held]

    def _laggards(self) -> list[str]:
        since, learned = self.storm.calm_since, self.invariants.learned_at
        return [child.name for child in self._waited_for() if learned[child.learner or 0] <= since]

    def _missing(self) -> list[str]:
        return missing(self.record.events, self.supervisor.learners)

    def _all_learn(self) -> bool:
        rounds = not self._waited_for() or self.invariants.rounds >= self.storm.rounds + 3
        return rounds and not self._laggards() and not self._missing()

    def _make(self, process: Process, text: str) -> None:
        dice, invariants = self.scene.dice(f"{process.name}/{process.pid}"), self.invariants
        if process.name == SERVER:
            self.lives += 1
            self._down[SERVER] = Lane(self.clock, self._links, self._weather)
            up = self._up_from(SERVER, read_server_start(text).life)
            server = Server(process, text, self.scene, dice, invariants, self.router, up)
            self.server = server
            server.finishing = self._finishing
            server.begin()
            return
        start = read_learner_start(text)
        self.incarnations += 1
        up = self._up_from(process.name, start.incarnation)
        learner = Learner(process, start, self.scene, dice, invariants, self._stores[start.learner], up)
        self._down[process.name] = Lane(self.clock, self._links, self._weather)
        self.learners[process.name] = learner
        if self.storm.calm_since < 0 and dice.random() < self.scene.clumsy:
            learner.die_in = dice.randint(0, 4)
        learner.begin(self.router)

    def _over(self, process: Process) -> None:
        """A process is gone, and its links with it."""
        self.trace(process.name, "is gone")
        if self.server is not None and self.server.process is process:
            self.server = None
            self.invariants.ledger.work = lambda: None
            self.router.unbind()
        for learner in list(self.learners.values()):
            if learner.process is process and learner.link is not None:
                self.router.leave(learner.link)

    def _up_from(self, name: str, incarnation: int) -> Callable[[Message], None]:
        lane, waiting = Lane(self.clock, self._links, self._weather), deque[Message]()

        def arrive(message: Message) -> None:
            """Nothing but heartbeats is lost on the way up: while the link is cut the rest waits, in its order."""
            if not isinstance(message, Heartbeat):
                waiting.append(message)
            while waiting and name not in self.unheard:
                self.supervisor.hear(name, incarnation, waiting.popleft())
            if isinstance(message, Heartbeat) and name not in self.unheard:
                self.supervisor.hear(name, incarnation, message)

        def say(message: Message) -> None:
            if not isinstance(message, Heartbeat):
                self.trace(name, f"says {message}")
            lane.carry(lambda: arrive(message))

        return say

    def _send(self, name: str, incarnation: int, message: Message) -> bool:
        if name in self.unheard:
            return False
        if name == SERVER:
            server = self.server
            if server is None or not server.up or server.life != incarnation:
                return False
            self.trace("supervisor", f"tells {name} {message}")
            self._down[name].carry(lambda: server.process.now(lambda: server.control(message)))
            return True
        learner = self.learners.get(name)
        if learner is None or not learner.process.alive or learner.incarnation != incarnation or learner.link is None:
            return False
        assert isinstance(message, Inject | Stop)
        self.trace("supervisor", f"tells {name} {message}")
        self._down[name].carry(lambda: learner.process.now(lambda: learner.control(message)))
        return True


def play(seed: int, trace: Trace | None = None) -> Played:
    """Play one seed; `trace(simulated seconds, who, what)` is told everything."""
    simulation = Simulation(scene_of(seed), trace or _nothing)
    logging.disable(logging.ERROR)
    try:
        simulation.play()
    finally:
        logging.disable(logging.NOTSET)
    outcome, rounds = simulation.supervisor.outcome or "broken", simulation.invariants.rounds
    broken, counted = tuple(simulation.invariants.broken), simulation.counted()
    return Played(seed, outcome, rounds, simulation.clock.now, broken, counted)


def _nothing(at: float, who: str, what: str) -> None:
    """Nobody listens."""
