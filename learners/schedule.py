"""The step size of each update, and how much its policy explores: pure functions of the learner's version."""

from typing import Literal


def learning_rate(start: float, schedule: Literal["constant", "linear"], horizon: int, version: int) -> float:
    """The step size of the update that makes `version + 1`; linear falls from `start` to zero at `horizon` updates."""
    if schedule == "constant":
        return start
    return start * max(0.0, 1.0 - version / horizon)


def exploration(start: float, end: float, updates: int, version: int) -> float:
    """The share of random actions of policy `version`, which goes linearly from `start` to `end` over `updates`."""
    return end + (start - end) * max(0.0, 1.0 - version / updates)
