"""What probes of a task came to, in the numbers that the verdict is drawn from. Pure, and plain enough for JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.special import stdtrit

from env_server.rewards import RewardSums
from fleet.study.diagnose.conflict import conflict
from fleet.study.diagnose.course import F64, Course


@dataclass(frozen=True)
class Evidence:
    """Of one task. What robots are paid is reward per step; shares are of `scale`, the most that learning brought.

    `random`: paid to robots that act at random; `independent`, `joint`: to the team by seed, in the last fifth of the
    training, mean over its robots. `gain`: how far joint control is ahead, and `found` the same of its best seed alone,
    in shares of the most that was learned. `learned`: what learning brought, in standard deviations of the team's pay
    between stretches of play (`Course.unrest`). `worst`, `best`: what joint control changes for the robot to which it
    does least good, and most. `climb`: what the last fifth of the independent training still brought over
    the fifth before, and `joint_climb` of the joint one. `conflict`: see conflict.py. `spread`: standard deviation
    between seeds of independent learners.

    Of the late play of independent learners: `density`, the share of stretches in which a robot was paid something;
    `own_team`, `own_others`, correlation of a robot's reward with the team's and with the others', mean over robots,
    None if none's ever changed; `drift` of the others' policies, in nats a round as one robot meets it (`Movement`).
    `agent_steps`: all that the probes took, `full` what one full training takes.
    """

    robots: int
    team: int
    agent_steps: int
    full: int
    random: float
    independent: tuple[float, ...]
    joint: tuple[float, ...]
    scale: float
    gain: float
    found: float
    learned: float
    worst: float
    best: float
    climb: float
    joint_climb: float
    conflict: float
    spread: float
    density: float
    own_team: float | None
    own_others: float | None
    drift: float

    def interval(self, sure: float) -> tuple[float, float]:
        """Where the gain lies with that confidence, by Welch's t over seeds; anywhere after a single seed."""
        half = _half_width(np.array(self.joint), np.array(self.independent), sure)
        unit = self.scale if self.scale > 0 else np.inf
        return self.gain - half / unit, self.gain + half / unit


def weigh(
    alone: Sequence[Course], together: Sequence[Course], team: Sequence[int], play: Sequence[Course], **spent: int
) -> Evidence:
    """From courses by seed, of independent and of joint learners, in which `team` learned.

    `play`: those of all robots learning independently; `spent`: robots, agent_steps and full.
    """
    robots = list(team)
    theirs = np.array([course.late()[robots] for course in alone])  # (S, R)
    ours = np.array([course.late()[robots] for course in together])
    random = float(np.mean([course.paid[0, robots].mean() for course in (*alone, *together)]))
    independent, joint = theirs.mean(axis=1), ours.mean(axis=1)
    scale = max(float(independent.mean()), float(joint.mean())) - random
    unit = scale if scale > 0 else np.inf
    gain = float(joint.mean() - independent.mean())
    each = (ours.mean(axis=0) - theirs.mean(axis=0)) / unit
    paid, unrest = _paid(play), float(np.mean([course.unrest for course in play]))
    return Evidence(
        team=len(robots),
        **spent,
        random=random,
        independent=tuple(map(float, independent)),
        joint=tuple(map(float, joint)),
        scale=scale,
        gain=gain / unit,
        found=_found(independent, joint, random),
        learned=scale / unrest if unrest > 0 else 0.0,
        worst=float(each.min()),
        best=float(each.max()),
        climb=_climb(alone, robots) / unit,
        joint_climb=_climb(together, robots) / unit,
        conflict=min(conflict(part) for course in play for part in (course.first, course.last)),
        spread=float(independent.std(ddof=1) if len(independent) > 1 else 0.0) / unit,
        density=paid["reward_density"],
        own_team=paid.get("own_team_correlation"),
        own_others=paid.get("own_others_correlation"),
        drift=float(np.mean([course.drift for course in play])),
    )


def _found(independent: F64, joint: F64, random: float) -> float:
    """How far the best seed of joint control is ahead of independent learners on average."""
    most = max(float(joint.max()), float(independent.mean())) - random
    return float(joint.max() - independent.mean()) / most if most > 0 else 0.0


def _climb(courses: Sequence[Course], robots: Sequence[int]) -> float:
    rises = [(course.late() - course.earlier())[list(robots)].mean() for course in courses]
    return float(np.mean(rises))


def _paid(play: Sequence[Course]) -> dict[str, float]:
    """How the robots were paid, stretch by stretch of their last play (`RewardSums.figures`)."""
    sums = RewardSums.none(len(play[0].last))
    for course in play:
        sums += RewardSums.of(course.last[:, :, None].astype(np.float32))
    return sums.figures()


def _half_width(ours: F64, theirs: F64, sure: float) -> float:
    """Half the interval of the difference of two means."""
    if len(ours) < 2 or len(theirs) < 2:
        return float("inf")
    variances = np.array([ours.var(ddof=1) / len(ours), theirs.var(ddof=1) / len(theirs)])
    total = float(variances.sum())
    if total == 0:
        return 0.0
    freedom = total**2 / float(np.sum(variances**2 / (np.array([len(ours), len(theirs)]) - 1)))
    return float(stdtrit(freedom, 0.5 + sure / 2)) * sqrt(total)
