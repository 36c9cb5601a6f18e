"""What can be wrong with a robot's sensors and wheels: pure functions of seed, robot, round and step.

The faults in force say who is afflicted; the collector puts what the robots see and do through here.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from actors.choice import Actions
from fleet.core.faults.strike import Strike
from fleet.core.seeds import generator
from fleet.core.spec import Array

FORWARD, NOOP = 1, 0  # the warehouse's numbers for them, which are RWARE's
ILLEGAL = 255
"""No world's action: a space has at most 255 actions."""
_WHEELS, _COMMANDS = 0, 1


@dataclass(frozen=True)
class Afflictions:
    """Who is afflicted: the robots whose observations are zero or `frozen`, and chances per step and copy, by robot."""

    zero: tuple[int, ...] = ()
    frozen: tuple[int, ...] = ()
    wheels: tuple[tuple[int, float], ...] = ()
    commands: tuple[tuple[int, float], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.zero or self.frozen or self.wheels or self.commands)

    @property
    def blind(self) -> tuple[int, ...]:
        """The robots that see nothing of what is."""
        return (*self.zero, *self.frozen)

    def blinded(self, seen: Array, before: Array) -> None:
        """Make of the observations `seen` (N, E, D) what the robots make of them, whose last ones were `before`."""
        if self.zero:
            seen[list(self.zero)] = 0
        if self.frozen:
            seen[list(self.frozen)] = before[list(self.frozen)]

    def draw(self, seed: int, number: int, steps: int, worlds: int) -> "Troubles | None":
        """What goes wrong with the actions of round `number`, if anything can."""
        if not (self.wheels or self.commands):
            return None
        return Troubles(
            _happens(self.wheels, seed, _WHEELS, number, steps, worlds),
            _happens(self.commands, seed, _COMMANDS, number, steps, worlds),
        )


Happens = tuple[tuple[int, npt.NDArray[np.bool_]], ...]
"""By robot, in which steps and copies (T, E) something goes wrong."""


@dataclass(frozen=True)
class Troubles:
    """One round's failing wheels and garbled commands."""

    wheels: Happens
    commands: Happens

    def done(self, actions: Actions, step: int) -> Actions:
        """What becomes of the `actions` (N, E) chosen at `step`; they themselves stay as they are."""
        done = actions.copy()
        for robot, fails in self.wheels:
            done[robot][fails[step] & (actions[robot] == FORWARD)] = NOOP
        for robot, garbled in self.commands:
            done[robot][garbled[step]] = ILLEGAL
        return done


def afflictions_of(strikes: Iterable[Strike]) -> Afflictions:
    """What those strikes together do to sensors and wheels."""
    zero, frozen = set[int](), set[int]()
    wheels, commands = dict[int, float](), dict[int, float]()
    for strike in strikes:
        if strike.kind == "blind":
            (zero if strike.mode == "zero" else frozen).update(strike.robots)
        elif strike.kind in ("slow_wheels", "illegal_action"):
            chances = wheels if strike.kind == "slow_wheels" else commands
            for robot in strike.robots:
                chances[robot] = max(strike.probability, chances.get(robot, 0.0))
    return Afflictions(
        tuple(sorted(zero)),
        tuple(sorted(frozen - zero)),
        tuple(sorted(wheels.items())),
        tuple(sorted(commands.items())),
    )


def _happens(
    chances: tuple[tuple[int, float], ...], seed: int, what: int, number: int, steps: int, worlds: int
) -> Happens:
    return tuple(
        (robot, generator(seed, "afflictions", what, robot, number).random((steps, worlds)) < chance)
        for robot, chance in chances
    )
