"""What goes wrong in a soak, and when: drawn from its seed alone, so that a soak that broke can be played again. Pure.

From a seed and a part's length to a fault plan for the run, and to what a person does to it over the control socket.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fleet.core.config.faults import FaultConfig, FaultPlan
from fleet.core.seeds import generator

APART_S = 25.0
"""How long a robot, or a process of the run, is left alone after a fault of its own, so that it can be seen to mend."""
_QUIET_S = 5.0
"""At the end of a part nothing new strikes, so that what it comes to isn't cut off in the middle."""

Draw = np.random.Generator
Settings = dict[str, Any]


@dataclass(frozen=True)
class Live:
    """What a person does to the running run, `at_s` after its first round: `verb` with `arguments`."""

    at_s: float
    verb: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Ordeal:
    """All that befalls one part of a soak, in the order of time."""

    plan: FaultPlan
    live: tuple[Live, ...]


def _seconds(low: float, high: float) -> Callable[[Draw], Settings]:
    return lambda draw: {"for_s": round(float(draw.uniform(low, high)), 1)}


def _body(draw: Draw) -> str:
    return str(draw.choice(["drives-on", "stalled", "towed"]))


def _kill(draw: Draw) -> Settings:
    away = {"for_s": round(float(draw.uniform(2, 8)), 1)} if draw.random() < 0.4 else {}
    return {"body": _body(draw), "times": int(draw.integers(1, 3)), **away}


_ROBOTS: Mapping[str, Callable[[Draw], Settings]] = {
    "kill": _kill,
    "exit": lambda draw: {"body": _body(draw)},
    "raise": lambda draw: {"body": _body(draw)},
    "crash_loop": lambda draw: {"times": int(draw.integers(2, 4))},
    "freeze": lambda draw: {"body": _body(draw)},
    "pause": _seconds(0.5, 2.5),
    "zombie": lambda draw: {},
    "hang": lambda draw: {},
    "slow": lambda draw: {"factor": float(draw.choice([2.0, 10.0])), **_seconds(4, 12)(draw)},
    "cut": lambda draw: {"direction": str(draw.choice(["in", "out", "both"])), **_seconds(1, 6)(draw)},
    "delay": lambda draw: {"delay_s": round(float(draw.uniform(0.05, 1.0)), 2), **_seconds(3, 8)(draw)},
    "corrupt": lambda draw: {},
    "nan_weights": lambda draw: {},
    "no_space": _seconds(3, 8),
    "kill_in_save": lambda draw: {"body": _body(draw)},
    "bad_checkpoint": lambda draw: {"damage": str(draw.choice(["truncate", "flip"]))},
    "offline": lambda draw: {"body": str(draw.choice(["stalled", "towed"])), **_seconds(3, 8)(draw)},
    "illegal_action": _seconds(3, 8),
    "blind": lambda draw: {"mode": str(draw.choice(["zero", "frozen"])), **_seconds(3, 8)(draw)},
    "slow_wheels": _seconds(3, 8),
}
_PROCESSES: tuple[tuple[str, str], ...] = (
    ("kill", "env_server"),
    ("freeze", "env_server"),
    ("pause", "env_server"),
    ("kill", "zygote"),
    ("freeze", "zygote"),
)
_LIVE = ("kill", "hang", "slow")


def ordeal(seed: int, part: int, *, robots: int, seconds: float, mean_s: float, first_kind: int = 0) -> Ordeal:
    """What befalls part `part` of the soak of `seed`: about one fault in `mean_s`, exponentially apart.

    Kinds go round in a drawn order that starts at `first_kind`, so that a soak long enough has them all.
    """
    draw = generator(seed, "faults", part)
    order = generator(seed, "faults").permutation(len(_ROBOTS) + len(_PROCESSES) + len(_LIVE))
    free = dict.fromkeys([*map(str, range(robots)), "env_server", "zygote"], 0.0)
    faults: list[FaultConfig] = []
    live: list[Live] = []
    moment, number = 2.0, first_kind
    while (moment := moment + float(draw.exponential(mean_s))) < seconds - _QUIET_S:
        at_s = round(moment, 2)
        struck = _one(draw, int(order[number % len(order)]), at_s, free, robots)
        number += 1
        if isinstance(struck, FaultConfig):
            faults.append(struck)
        else:
            live.extend(struck)
    return Ordeal(FaultPlan(fault=tuple(faults)), tuple(sorted(live, key=lambda item: item.at_s)))


def kinds_in(seconds: float, mean_s: float) -> int:
    """How far the round of kinds goes on in a part of `seconds`, on average: the next part's `first_kind`."""
    return max(1, round((seconds - _QUIET_S) / mean_s))


def _one(draw: Draw, choice: int, at_s: float, free: dict[str, float], robots: int) -> FaultConfig | list[Live]:
    """The fault number `choice`, on somebody who has been left alone for long enough; nothing if nobody has."""
    if len(_ROBOTS) <= choice < len(_ROBOTS) + len(_PROCESSES):
        kind, target = _PROCESSES[choice - len(_ROBOTS)]
        if free[target] > at_s:
            return []
        free[target] = at_s + APART_S
        lasts = {"for_s": 1.5} if kind == "pause" else {}
        return FaultConfig.model_validate({"kind": kind, "target": target, "at_s": at_s, **lasts})
    ready = [robot for robot in range(robots) if free[str(robot)] <= at_s]
    if not ready:
        return []
    robot = int(draw.choice(ready))
    if choice >= len(_ROBOTS) + len(_PROCESSES):
        verb = _LIVE[choice - len(_ROBOTS) - len(_PROCESSES)]
        free[str(robot)] = at_s + APART_S
        return _by_hand(draw, verb, robot, at_s)
    kind = list(_ROBOTS)[choice]
    settings = _ROBOTS[kind](draw)
    free[str(robot)] = at_s + float(settings.get("for_s", 0.0)) + APART_S
    return FaultConfig.model_validate({"kind": kind, "robots": (robot,), "at_s": at_s, **settings})


def _by_hand(draw: Draw, verb: str, robot: int, at_s: float) -> list[Live]:
    if verb == "kill":
        back = at_s + round(float(draw.uniform(2, 6)), 1)
        return [Live(at_s, "kill", {"robots": [robot], "body": _body(draw)}), Live(back, "revive", {"robots": [robot]})]
    if verb == "hang":
        return [Live(at_s, "hang", {"robots": [robot]})]
    return [Live(at_s, "slow", {"robots": [robot], "factor": 5.0, "for_s": 5.0})]
