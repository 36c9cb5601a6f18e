"""Which robots a fault strikes: those named, all, a number or a share of them drawn at random. Pure."""

from fractions import Fraction

from fleet.core.faults.errors import PlanError
from fleet.core.seeds import generator

Robots = str | tuple[int, ...]


def choose(robots: Robots, count: int, seed: tuple[int, ...], what: str, at: tuple[str, ...]) -> tuple[int, ...]:
    """The robots that `robots` means in a fleet of `count`: as listed, or else in ascending order.

    `seed` is the run's seed and the place of the draw. A share comes to the nearest number, at least one. Raises
    PlanError, about `what` at the key `at`, for a robot that isn't there or is named twice, or for too many.
    """
    if not isinstance(robots, str):
        return _listed(robots, count, what, at)
    if robots == "all":
        return tuple(range(count))
    wanted = _wanted(robots, count)
    if wanted > count:
        raise PlanError(f'{what}: robots = "{robots}"; allowed are "random:1" to "random:{count}"', at)
    drawn = generator(seed[0], "faults", *seed[1:]).permutation(count)[:wanted]
    return tuple(sorted(int(robot) for robot in drawn))


def _wanted(robots: str, count: int) -> int:
    if robots.endswith("%"):
        return max(1, int(Fraction(robots[:-1]) * count / 100 + Fraction(1, 2)))
    return int(robots.removeprefix("random:"))


def _listed(robots: tuple[int, ...], count: int, what: str, at: tuple[str, ...]) -> tuple[int, ...]:
    for place, robot in enumerate(robots):
        if not 0 <= robot < count:
            raise PlanError(f"{what}: robots names robot {robot}; allowed are 0 to {count - 1}", at)
        if robot in robots[:place]:
            raise PlanError(f"{what}: robots names robot {robot} twice; allowed is once", at)
    return robots
