"""The step size of each update, as a pure function of the learner's version."""

from typing import Literal


def learning_rate(start: float, schedule: Literal["constant", "linear"], horizon: int, version: int) -> float:
    """The step size of the update that makes `version + 1`; linear falls from `start` to zero at `horizon` updates."""
    if schedule == "constant":
        return start
    return start * max(0.0, 1.0 - version / horizon)
