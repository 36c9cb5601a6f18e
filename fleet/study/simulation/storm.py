"""Carries out what goes wrong in a scene outside of any plan, and in the end heals all of it."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Protocol

from fleet.control.care.child import SERVER
from fleet.study.simulation.clock import Clock
from fleet.study.simulation.invariants import Invariants
from fleet.study.simulation.learner import Learner
from fleet.study.simulation.link import Router
from fleet.study.simulation.scene import Happening, Scene
from fleet.study.simulation.server import Server
from fleet.study.simulation.supervisor import Supervisor


class Stage(Protocol):
    """What the storm passes over; a `Simulation`."""

    scene: Scene
    clock: Clock
    invariants: Invariants
    router: Router
    supervisor: Supervisor
    server: Server | None
    learners: dict[str, Learner]
    unheard: set[str]
    trace: Callable[[str, str], None]


class Storm:
    """One run's. `calm_since`: when all was healed, and `rounds` how many had been done then."""

    def __init__(self, stage: Stage) -> None:
        self.calm_since, self.rounds = -1.0, 0
        self._stage = stage
        self._persons = stage.scene.dice("persons")

    def brew(self) -> None:
        """Have everything happen at its time."""
        for happening in self._stage.scene.happenings:
            self._stage.clock.after(happening.at_s, partial(self._happen, happening))

    def calm(self) -> None:
        """Nothing goes wrong from now on, and what does still is healed; who is held may stay out."""
        stage = self._stage
        for child in stage.supervisor.learners.values():
            if child.held and self._persons.random() < 0.7:
                self._person("revive", child.learner or 0)
        stage.unheard.clear()
        for link in stage.router.links.values():
            link.set_weather(stage.scene.weather.calm())
            stage.router.mend(link, anew=self._persons.random() < 0.5)
        stage.router.calm = True
        for learner in stage.learners.values():
            learner.die_in = None
        if stage.server is not None:
            stage.server.die_in = None
        self.calm_since, self.rounds = stage.clock.now, stage.invariants.rounds
        stage.trace("storm", "is over")

    def _happen(self, happening: Happening) -> None:
        if self.calm_since >= 0 or self._stage.supervisor.outcome:
            return
        self._stage.trace("storm", str(happening))
        if happening.trouble.startswith("server_"):
            self._to_server(happening)
        elif happening.trouble.startswith("person_"):
            self._person("kill" if happening.trouble == "person_kills" else "revive", happening.learner)
        else:
            self._to_learner(happening)

    def _person(self, verb: str, learner: int) -> None:
        stage = self._stage
        arguments: dict[str, object] = {"robots": [stage.scene.groups[learner][0]]}
        if verb == "kill":
            arguments["body"] = self._persons.choice(["drives-on", "stalled"])
        reply = stage.supervisor.drill.command(verb, arguments, stage.clock.now)
        if reply.ok:
            stage.invariants.person(verb, learner)
        stage.trace("person", f"{verb} {learner}: {reply.text}")

    def _to_server(self, happening: Happening) -> None:
        stage, server = self._stage, self._stage.server
        if happening.trouble == "server_unheard":
            self._unheard(SERVER, happening.for_s)
        elif server is None:
            return
        elif happening.trouble == "server_dies":
            server.process.end(-9)
        else:
            server.die_in = happening.count
        stage.trace("storm", "so it is")

    def _to_learner(self, happening: Happening) -> None:
        stage = self._stage
        name = f"learner-{happening.learner}"
        learner = stage.learners.get(name)
        if learner is None or not learner.process.alive:
            return
        match happening.trouble:
            case "die":
                learner.process.end(-9)
            case "die_at_work":
                learner.die_in = happening.count
            case "no_heartbeats":
                self._unheard(name, happening.for_s)
            case _:
                self._to_link(happening, learner.learner, learner.incarnation)

    def _to_link(self, happening: Happening, learner: int, incarnation: int) -> None:
        stage = self._stage
        link = stage.router.links.get((learner, incarnation))
        if link is None:
            return
        match happening.trouble:
            case "sever":
                stage.router.sever(link)
            case "cut_in":
                link.cut_in = True
            case "cut_out":
                link.cut_out = True
            case _:
                link.set_weather(replace(stage.scene.weather, spoil=0.9))
        reconnects = happening.count % 2 == 0

        def heal() -> None:
            if self.calm_since < 0:
                link.set_weather(stage.scene.weather)
                stage.router.mend(link, anew=reconnects)

        stage.clock.after(happening.for_s, heal)

    def _unheard(self, name: str, for_s: float) -> None:
        self._stage.unheard.add(name)
        self._stage.clock.after(for_s, lambda: self._stage.unheard.discard(name))
