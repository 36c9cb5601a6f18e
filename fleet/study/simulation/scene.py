"""What one seed stands for: how the simulated fleet is set up, and everything that goes wrong in it, with its time."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

from env_server.pacing import Pace
from fleet.core.config import ControlConfig
from fleet.core.faults.strike import Strike
from fleet.study.simulation.link import Weather

STORM_S = 30.0
"""How long new things go wrong; what lasts is healed after that."""

Trouble = Literal[
    "die",
    "die_at_work",
    "sever",
    "cut_in",
    "cut_out",
    "garbage",
    "no_heartbeats",
    "server_dies",
    "server_dies_at_work",
    "server_unheard",
    "person_kills",
    "person_revives",
]
_TROUBLES: Mapping[Trouble, int] = {
    "die": 2,
    "die_at_work": 4,
    "sever": 4,
    "cut_in": 3,
    "cut_out": 3,
    "garbage": 2,
    "no_heartbeats": 1,
    "server_dies": 1,
    "server_dies_at_work": 2,
    "server_unheard": 1,
    "person_kills": 3,
    "person_revives": 3,
}
_STRIKES: Mapping[str, int] = {
    "kill": 4,
    "raise": 1,
    "crash_loop": 1,
    "freeze": 3,
    "pause": 2,
    "zombie": 3,
    "bad_checkpoint": 2,
    "leave": 1,
    "hang": 2,
    "exit": 1,
    "slow": 1,
    "offline": 1,
    "server_kill": 1,
    "server_freeze": 1,
    "server_pause": 1,
}


@dataclass(frozen=True)
class Happening:
    """What happens `at_s` to `learner` (or to the server), outside any plan, and lasts `for_s` if it is of that kind.

    `count`: how many more pieces of work are done before it dies.
    """

    at_s: float
    trouble: Trouble
    learner: int
    for_s: float
    count: int


@dataclass(frozen=True)
class Scene:
    """One seed's. Seconds are simulated ones; (least, most) are drawn from evenly, time after time."""

    seed: int
    groups: tuple[tuple[int, ...], ...]
    credit: int
    pace: Pace
    control: ControlConfig
    weather: Weather
    learner_every: int
    keep: int
    collect_s: tuple[float, float]
    update_s: tuple[float, float]
    boot_s: tuple[float, float]
    clumsy: float
    """Chance that an incarnation dies at one of its first pieces of work, as long as the storm lasts."""
    happenings: tuple[Happening, ...]
    strikes: tuple[Strike, ...]
    stopped: bool
    """A person stops the run right after the storm, whatever state it is in."""

    def dice(self, what: str) -> Random:
        """The randomness of one part, so that a change of one part leaves the others' draws alone."""
        return Random(f"{self.seed}/{what}")


def scene_of(seed: int) -> Scene:
    """A pure function of the seed."""
    dice = Random(f"{seed}/scene")
    groups = _groups(dice)
    lockstep = dice.random() < 0.5
    return Scene(
        seed=seed,
        groups=groups,
        credit=dice.randint(1, 3),
        pace=Pace(lockstep, quorum=dice.choice([0.5, 0.9, 1.0]), patience_s=dice.choice([4.0, 20.0])),
        control=_control(dice),
        weather=_weather(dice),
        learner_every=dice.choice([1, 1, 2, 5]),
        keep=dice.randint(2, 4),
        collect_s=(0.2, dice.choice([0.5, 1.5])),
        update_s=(0.1, dice.choice([0.5, 1.5, 3.0])),
        boot_s=(0.2, dice.choice([0.5, 2.5])),
        clumsy=dice.choice([0.0, 0.0, 0.0, 0.3]),
        happenings=_happenings(dice, len(groups)),
        strikes=_strikes(dice, groups),
        stopped=dice.random() < 0.1,
    )


def _groups(dice: Random) -> tuple[tuple[int, ...], ...]:
    """1 to 6 learners of 1 to 3 robots each."""
    groups, first = [], 0
    shares = dice.random() < 0.4
    for _ in range(dice.randint(1, 6)):
        count = dice.randint(1, 3) if shares else 1
        groups.append(tuple(range(first, first + count)))
        first += count
    return tuple(groups)


def _control(dice: Random) -> ControlConfig:
    return ControlConfig(
        heartbeat_s=dice.choice([0.5, 1.0]),
        dead_after_s=3.5,
        start_grace_s=8.0,
        restarts=dice.choice([1, 3, 20]),
        restart_window_s=dice.choice([10.0, 30.0]),
        backoff_s=0.2,
    )


def _weather(dice: Random) -> Weather:
    """Fair on some seeds, so that what is only promised of a link that keeps order is tested as well."""
    if dice.random() < 0.4:
        return Weather(0.001, dice.choice([0.02, 0.3]))
    return Weather(
        least_s=0.001,
        most_s=dice.choice([0.02, 0.3, 2.0]),
        drop=dice.choice([0.0, 0.02, 0.1]),
        duplicate=dice.choice([0.0, 0.05, 0.3]),
        reorder=dice.choice([0.0, 0.05, 0.3]),
        spoil=dice.choice([0.0, 0.0, 0.05]),
    )


def _moments(dice: Random, most: int) -> list[float]:
    """Up to `most` moments of the storm, often one close on the heels of another."""
    moments: list[float] = []
    for _ in range(dice.randint(0, most)):
        close = moments and dice.random() < 0.3
        early = dice.random() < 0.25  # while all begin, when least is settled
        moments.append(moments[-1] + 0.5 * dice.random() if close else dice.uniform(0.0, 4.0 if early else STORM_S))
    return sorted(moments)


def _happenings(dice: Random, learners: int) -> tuple[Happening, ...]:
    kinds, weights = list(_TROUBLES), list(_TROUBLES.values())
    return tuple(
        Happening(
            at, dice.choices(kinds, weights)[0], dice.randrange(learners), dice.uniform(0.5, 12.0), dice.randint(0, 5)
        )
        for at in _moments(dice, 6)
    )


def _strikes(dice: Random, groups: tuple[tuple[int, ...], ...]) -> tuple[Strike, ...]:
    """What a plan has happen by the clock."""
    kinds, weights = list(_STRIKES), list(_STRIKES.values())
    drawn = [
        _strike(dice, number, at, dice.choices(kinds, weights)[0], groups)
        for number, at in enumerate(_moments(dice, 6))
    ]
    stopped = {strike.learner for strike in drawn if strike.kind in ("freeze", "zombie")}
    # A pause that ends would wake what another fault has stopped; a plan with both at one robot is refused.
    return tuple(strike for strike in drawn if strike.kind != "pause" or strike.learner not in stopped)


def _strike(dice: Random, number: int, at_s: float, kind: str, groups: tuple[tuple[int, ...], ...]) -> Strike:
    learner = dice.randrange(len(groups))
    lasts = dice.uniform(0.5, 12.0)
    what: dict[str, Any] = {"learner": learner, "robots": groups[learner]}
    if kind.startswith("server_"):
        kind, what = kind.removeprefix("server_"), {"target": "env_server"}
    if kind in ("kill", "freeze") and "learner" in what and dice.random() < 0.4:
        what["for_s"] = lasts
    if kind == "kill" and "learner" in what:
        what["times"] = dice.choice([1, 1, 3])
    if kind == "crash_loop":
        what["times"] = dice.randint(1, 3)
    if kind == "pause":
        what["for_s"] = min(lasts, 2.5)
    if kind in ("slow", "offline"):
        what["for_s"] = lasts
    if kind == "offline":
        what["robots"] = (dice.choice(groups[learner]),)
    if kind == "offline" or (kind in ("kill", "freeze", "zombie") and "learner" in what):
        what["body"] = dice.choice(["stalled", "towed"] if kind == "offline" else ["drives-on", "stalled"])
    return Strike(number=number, kind=kind, at_s=at_s, **what)  # type: ignore[arg-type]
