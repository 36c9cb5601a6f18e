"""The step size of each update, how much its policy explores and how much it forgives: functions of the version."""

import math
from typing import Literal


def learning_rate(start: float, schedule: Literal["constant", "linear"], horizon: int, version: int) -> float:
    """The step size of the update that makes `version + 1`; linear falls from `start` to zero at `horizon` updates."""
    if schedule == "constant":
        return start
    return start * max(0.0, 1.0 - version / horizon)


def exploration(start: float, end: float, updates: int, version: int) -> float:
    """The share of random actions of policy `version`, which goes linearly from `start` to `end` over `updates`."""
    return end + (start - end) * max(0.0, 1.0 - version / updates)


def forgiveness(leniency: float, decay: float, version: int) -> float:
    """With which probability update `version` + 1 ignores an error by which a value is to fall: 1 - exp(-leniency T).

    Leniency of Palmer et al. (2018, equation 5), `leniency` being their K. Theirs has a temperature for each state and
    action, which falls with visits and is remembered with each step; here there is one, T = decay^version.
    """
    return -math.expm1(-leniency * decay**version)
