"""One learner's trouble never slows another, by the simulated clock: what the survivors train in it, and without it.

By the wall clock a death frees processor time on a small machine, so that survivors get faster; here every update takes
the same time whoever else is at work.
"""

from dataclasses import replace

import pytest

from env_server.pacing import Pace
from fleet.core.config import ControlConfig
from fleet.core.faults.strike import Strike
from fleet.study.simulation.link import Weather
from fleet.study.simulation.play import Simulation
from fleet.study.simulation.scene import Scene, scene_of

LEARNERS = 8
FROM_S, TO_S = 10.0, 28.0
FREE = Pace(lockstep=False, quorum=0.9, patience_s=20.0)


def scene(*strikes: Strike, pace: Pace = FREE) -> Scene:
    """Eight learners on fair links that take 0.3 s per update, rounds of 0.2 s, and nothing wrong but `strikes`."""
    return replace(
        scene_of(0),
        groups=tuple((robot,) for robot in range(LEARNERS)),
        credit=1,
        pace=pace,
        control=ControlConfig(),
        weather=Weather(0.001, 0.002),
        collect_s=(0.2, 0.2),
        update_s=(0.3, 0.3),
        boot_s=(0.5, 0.5),
        clumsy=0.0,
        happenings=(),
        strikes=strikes,
        stopped=False,
    )


def survivors_trained(scene: Scene) -> int:
    """Agent-steps that all but learner 0 trained from FROM_S to TO_S."""
    simulation = Simulation(scene, lambda at, who, what: None)
    simulation.supervisor.start()
    counted = []
    for until in (FROM_S, TO_S):
        simulation.clock.run(until, lambda: False)
        robots = simulation.invariants.ledger.balance().robots
        counted.append(sum(figures.trained for robot, figures in robots.items() if robot))
    return counted[1] - counted[0]


def trouble(kind: str, **settings: float) -> Strike:
    return Strike(number=0, kind=kind, learner=0, robots=(0,), at_s=FROM_S - 1.0, **settings)


@pytest.mark.slow
@pytest.mark.parametrize(
    "strike",
    [
        trouble("kill"),
        trouble("crash_loop", times=3),
        trouble("freeze"),
        trouble("hang"),
        trouble("slow", factor=10.0, for_s=60.0),
        trouble("exit"),
    ],
    ids=lambda strike: strike.kind,
)
def test_survivors_keep_their_speed(strike: Strike) -> None:
    """Broken on purpose: with a quorum of 1.0, or rounded up, a slow or frozen one halves what the others train."""
    assert survivors_trained(scene(strike)) >= 0.95 * survivors_trained(scene())


def test_it_is_seen_when_all_are_waited_for() -> None:
    """Broken on purpose: a quorum of 1.0."""
    everybody = Pace(lockstep=False, quorum=1.0, patience_s=20.0)
    slow = trouble("slow", factor=10.0, for_s=60.0)
    assert survivors_trained(scene(slow, pace=everybody)) < 0.5 * survivors_trained(scene(pace=everybody))
