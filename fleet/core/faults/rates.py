"""Failures at random: each robot works and fails in turns, both for exponentially distributed times. Pure."""

from numpy.random import Generator

from fleet.core.config.faults import RatesConfig
from fleet.core.faults.draw import choose
from fleet.core.faults.errors import PlanError
from fleet.core.faults.kinds import KINDS
from fleet.core.faults.strike import Strike
from fleet.core.seeds import generator

MOST_FAILURES = 100_000
# The place of the rates' draws among those of the plan's faults, of which there are at most 500.
_PLACE = 1000


def failures(rates: RatesConfig, groups: tuple[tuple[int, ...], ...], rounds: int, seed: int) -> list[Strike]:
    """The strikes of `rates` in a run of `rounds`, unnumbered; those of one robot never overlap.

    A robot's times depend on the seed and its own number alone (those of a process on its lowest robot's number). They
    are whole rounds, at least one each. Raises PlanError for unknown robots or for more than MOST_FAILURES failures.
    """
    learner_of = {robot: learner for learner, group in enumerate(groups) for robot in group}
    at = ("faults", "rates", "robots")
    chosen = choose(rates.robots, len(learner_of), (seed, _PLACE), "rates", at)
    learners = sorted({learner_of[robot] for robot in chosen})
    units = [(robot,) for robot in sorted(chosen)] if _of_body(rates) else [groups[learner] for learner in learners]
    strikes: list[Strike] = []
    for robots in units:
        draws = generator(seed, "faults", _PLACE, robots[0])
        time = _time(draws, rates.failure)
        while time < rounds:
            until = time + _time(draws, rates.repair)
            strikes.append(
                Strike(
                    -1, rates.kind, "robots", learner_of[robots[0]], robots, round=time, until=until, body=rates.body
                )
            )
            if len(strikes) > MOST_FAILURES:
                sentence = f"rates: failure = {rates.failure:g} gives more than {MOST_FAILURES} failures in {rounds}"
                raise PlanError(f"{sentence} rounds; allowed are rarer ones or fewer rounds", (*at[:2], "failure"))
            time = until + _time(draws, rates.failure)
    return strikes


def _of_body(rates: RatesConfig) -> bool:
    return KINDS[rates.kind].doer == "env_server"


def _time(draws: Generator, mean: float) -> int:
    return max(1, round(draws.exponential(mean)))
