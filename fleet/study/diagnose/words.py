"""A verdict's reasons, and what to watch while training, in words. Pure."""

from fleet.study.diagnose.evidence import Evidence
from fleet.study.diagnose.truth import Verdict
from fleet.study.diagnose.verdict import LEARNED, Thresholds

SURE = 0.7
"""Confidence of the interval that is told: of few seeds a wide one."""


def reasons(found: Evidence, thresholds: Thresholds) -> tuple[str, ...]:
    """What the verdict rests on, and the lines it was drawn by."""
    low, high = found.interval(SURE)
    who = f"{found.robots} robots" if found.team == found.robots else f"2 of {found.robots} robots"
    with_team = "-" if found.own_team is None else f"{found.own_team:+.2f}"
    said = [
        f"reward per step of {who}: {_mean(found.independent)} learning independently, {_mean(found.joint)} as one, "
        f"{found.random:.4g} at random",
        f"the best joint policy is ahead by {found.found:+.0%} of what was learned (ahead: above "
        f"{thresholds.ahead:+.0%}); joint control on average by {found.gain:+.0%} ({low:+.0%} to {high:+.0%})",
        f"learning brought {found.learned:.2g} standard deviations of what stretches of play differ by (nothing: below "
        f"{LEARNED})",
        f"in the last fifth independent learners still gained {found.climb:+.0%}, joint ones {found.joint_climb:+.0%}",
        f"strongest opposition between two robots' rewards: correlation {found.conflict:+.2f} (opponents: at most "
        f"{thresholds.conflict:+.2f})",
        f"a robot is paid in {found.density:.0%} of stretches of play, correlation with the team's pay {with_team}",
        f"independent seeds differ by {found.spread:.0%}; others still move {found.drift:.2g} nats a round",
    ]
    if found.conflict <= thresholds.conflict:
        said.append(f"one policy for all changes a robot's reward by {found.worst:+.0%} to {found.best:+.0%}")
    return tuple(said)


def signal(found: Evidence, verdict: Verdict | None) -> str:
    """What would show during training that the verdict was wrong, in names of metrics.jsonl."""
    reached = f"{max(found.joint):.4g}, which the best joint policy came to in the probes"
    if verdict == "independent suffices":
        return (
            f"reward_per_step; centralize if it settles below {reached}, while drift_others_kl goes to 0: then nobody "
            f"moves any more, and nobody alone gains by it"
        )
    if verdict == "centralize":
        return f"reward_per_step; independent learning does after all if it rises past {reached}"
    if verdict == "adversarial":
        return (
            "drift_others_kl; as long as it doesn't go to 0, each robot answers the others' last policy. What a policy "
            "is worth shows against others that are frozen (learners.frozen); one policy for all lets a side lose"
        )
    return f"reward_per_step against {reached}; a larger --budget or more --seeds may decide it"


def _mean(paid: tuple[float, ...]) -> str:
    return f"{sum(paid) / len(paid):.4g}"
