"""Whether and when a process that died comes back. Pure: the times are given.

A restart uses up a share of the budget. It is given back once it is older than the window AND the process has learned
something since: uptime alone gives nothing back, so what only idles and crashes runs out of restarts however slowly.
"""

import math
from dataclasses import dataclass, replace

LONGEST_BACKOFF_S = 30.0


@dataclass(frozen=True)
class Restart:
    """It comes back, `after_s` seconds from now."""

    after_s: float


@dataclass(frozen=True)
class Failed:
    """It does not come back; `reason` is for a person."""

    reason: str


@dataclass(frozen=True)
class Budget:
    """`allowed` restarts per `window_s` seconds. `used`: when each restart that still counts was granted, ascending.

    The pause grows with those granted since `calm`: when somebody last brought the process back.
    """

    allowed: int
    window_s: float
    backoff_s: float
    used: tuple[float, ...] = ()
    calm: float = -math.inf


def progressed(budget: Budget, now: float) -> Budget:
    """The process has learned something: restarts older than the window no longer count."""
    if not budget.used or now - budget.used[0] <= budget.window_s:
        return budget
    return replace(budget, used=tuple(at for at in budget.used if now - at <= budget.window_s))


def brought_back(budget: Budget, now: float) -> Budget:
    """Somebody has brought it back: that uses nothing up, and the pause begins anew."""
    return replace(budget, calm=now)


def decide(budget: Budget, now: float) -> tuple[Budget, Restart | Failed]:
    """What follows a death at `now`: the first restart at once, then a pause that doubles, then no more."""
    count = len(budget.used)
    if count >= budget.allowed:
        return budget, Failed(f"died again after {count} of {budget.allowed} restarts within {budget.window_s:g} s")
    lately = sum(at > budget.calm for at in budget.used)
    pause = 0.0 if lately == 0 else min(LONGEST_BACKOFF_S, budget.backoff_s * 2.0 ** (lately - 1))
    return replace(budget, used=(*budget.used, now)), Restart(pause)
