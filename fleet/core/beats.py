"""How often the processes of a fleet speak to its supervisor: as set, or as often as it can hear them all.

Every learner beats, and the supervisor takes in every beat: of a thousand, two a second each would keep a core busy.
"""

from fleet.core.config import Config

MOST_PER_S = 400.0
"""Heartbeats per second of all learners together; one costs about 0.3 ms of a core, at both ends together."""
_MEASURES_PER_S = 1.0  # of all together; measuring one's memory costs some 4 ms
_MEASURE_S = 5.0


def beat_s(config: Config) -> float:
    """Seconds between two heartbeats of a learner."""
    return max(config.control.heartbeat_s, _learners(config) / MOST_PER_S)


def measure_s(config: Config) -> float:
    """Seconds between two looks of a learner at its own memory."""
    return max(_MEASURE_S, _learners(config) / _MEASURES_PER_S)


def _learners(config: Config) -> int:
    robots = config.world.robots
    return 1 if robots is None else len(config.groups(robots))
