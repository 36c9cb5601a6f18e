"""The probes: short trainings of independent and of jointly controlled robots, the same seeds and agent-steps for both.

With at most MOST_JOINT robots the two trainings are of all of them. A larger fleet first trains independently; then two
of its robots begin anew among the others, who are frozen, once each for itself and once as one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from env_server.worlds import make_world
from fleet.core.config import Config
from fleet.core.config.root import MOST_JOINT
from fleet.core.errors import BadInput
from fleet.study.compare.budget import round_steps
from fleet.study.diagnose.course import Course, follow
from fleet.study.diagnose.crews import Crew, hire
from fleet.study.diagnose.evidence import Evidence, weigh
from fleet.study.diagnose.schemes import as_joint, robots

SHARE, SMALL, SMALL_EACH = 0.05, 800_000, 60_000
"""What probes take if nothing else is said: that share of a full training's agent-steps, or, if it is more, so many in
all or of each robot."""
ROUNDS = 24
"""Rounds that each training is given if it can be had by making rounds smaller."""
_FEWEST = 10
_COPIES, _STEPS, _MINIBATCH = 4, 32, 32  # rounds, and the minibatches of one, aren't made smaller than that

OnProgress = Callable[[str, float], object]
"""Told what is being trained, and how much of all is done."""


@dataclass(frozen=True)
class Plan:
    """Seeds, and the rounds of each training of `config`: of the fleet, and of a pair in it if it is a large one."""

    config: Config
    seeds: int
    rounds: int
    full: int

    @property
    def agent_steps(self) -> int:
        """What the probes take in all."""
        return self.seeds * trainings_of(self.config) * self.rounds * round_steps(self.config)


def plan_short(config: Config, fraction: float | None, seeds: int) -> Plan:
    """Probes that take `fraction` of a full training's agent-steps. No training is longer than a full one.

    Unset: SHARE of it; more for a small task, and for one whose rounds are large, so that there are rounds enough.
    Raises BadInput for a fraction too small to say anything.
    """
    full = config.run.rounds * round_steps(config)
    trainings = seeds * trainings_of(config)
    if fraction is not None and not 0 < fraction <= 1:
        raise BadInput(f"--budget {fraction}; allowed are shares of a full training above 0, up to 1")
    usual = max(SHARE * full, SMALL, SMALL_EACH * robots(config))
    each = (usual if fraction is None else fraction * full) / trainings
    short = _shrunk(config, each / ROUNDS)
    rounds = int(min(each, full) // round_steps(short))
    if fraction is None:
        rounds = max(rounds, min(_FEWEST, full // round_steps(short)))
    if rounds < _FEWEST:
        raise BadInput(_too_few(fraction, rounds, trainings, _FEWEST * round_steps(short) * trainings / full))
    return Plan(short, seeds, rounds, full)


def _too_few(fraction: float | None, rounds: int, trainings: int, least: float) -> str:
    """`least`: the share of a full training that would do."""
    if fraction is None:
        return f"a full training is {rounds} rounds, too few to say anything; allowed is run.rounds = {_FEWEST} or more"
    allowed = f"{least:.2g} or more" if least <= 1 else "to leave it unset"
    return (
        f"--budget {fraction} gives each of {trainings} trainings {rounds} rounds, too few to say anything; allowed is "
        f"{allowed}"
    )


def trainings_of(config: Config) -> int:
    """For each seed."""
    return 2 if robots(config) <= MOST_JOINT else 3


def plan_full(config: Config, seeds: int) -> Plan:
    """Full trainings, which the truth is found by."""
    return Plan(config, seeds, config.run.rounds, config.run.rounds * round_steps(config))


def probe(plan: Plan, first_seed: int = 1, on_progress: OnProgress = lambda *_: None) -> Evidence:
    """Train what the plan says, under seeds from `first_seed` on. Raises FleetError as worlds and learners do."""
    world = make_world(plan.config.world)
    everyone = tuple(range(world.spec.robots))
    done, of = 0, plan.seeds * trainings_of(plan.config) * plan.rounds
    alone: list[Course] = []
    together: list[Course] = []
    play: list[Course] = []

    def train(config: Config, crews: Sequence[Crew], what: str) -> Course:
        def count() -> None:
            nonlocal done
            done += 1
            on_progress(what, done / of)

        return follow(config, world, crews, plan.rounds, count)

    team, others = everyone, list[Crew]()
    for seed in range(first_seed, first_seed + plan.seeds):
        config = plan.config.model_copy(update={"run": plan.config.run.model_copy(update={"seed": seed})})
        fleet = hire(config, world.spec, everyone)
        play.append(train(config, [fleet], "independent learners"))
        if len(everyone) > MOST_JOINT:
            team = _pair(play[0])  # the same under every seed
            others = [fleet.frozen_but(team)]
            alone.append(train(config, [*others, hire(config, world.spec, team)], "a pair, each for itself"))
        together.append(train(config, [*others, hire(as_joint(config), world.spec, team)], "joint control"))
    spent = {"robots": len(everyone), "agent_steps": plan.agent_steps, "full": plan.full}
    return weigh(alone or play, together, team, play, **spent)


def _pair(course: Course) -> tuple[int, ...]:
    """The two robots whose rewards go together most, or against each other; the first two if nobody's ever changed."""
    varied = np.flatnonzero(course.last.std(axis=1) > 0)
    if len(varied) < 2:
        return 0, 1
    strengths = np.triu(np.abs(np.corrcoef(course.last[varied])), 1)
    first, second = np.unravel_index(int(strengths.argmax()), strengths.shape)
    return int(varied[first]), int(varied[second])


def _shrunk(config: Config, most: float) -> Config:
    """The same with rounds of at most so many agent-steps, as far as that can be had, and as many gradient steps each.

    Copies of the world are halved first, then the rollout's steps.
    """
    copies, steps, minibatch = config.world.worlds, config.learner.rollout_steps, config.learner.minibatch
    while robots(config) * copies * steps > most:
        if copies // 2 >= _COPIES:
            copies //= 2
        elif steps // 2 >= _STEPS:
            steps //= 2
        else:
            break
        minibatch = max(_MINIBATCH, minibatch // 2)
    world = config.world.model_copy(update={"worlds": copies})
    learner = config.learner.model_copy(
        update={
            "rollout_steps": steps,
            "minibatch": minibatch,
            "lr_horizon": config.learner.lr_horizon or config.run.rounds,
        }
    )
    return config.model_copy(update={"world": world, "learner": learner})
