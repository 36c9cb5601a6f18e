"""The zygote's lives: no processes, no clock."""

import signal
from pathlib import Path

from fleet.control.care.child import ZYGOTE, Injury, Phase
from fleet.control.care.restarts import Budget
from fleet.control.care.watch import Watch
from fleet.control.care.zygote import ZygoteCare
from fleet.control.process.processes import Ended
from fleet.control.process.zygote_client import Ready
from fleet.core.config import ControlConfig
from tests.control.test_care import Forgetful

PAUSE_S = 2.0


class OneZygote:
    """Stands for `Processes`."""

    def __init__(self) -> None:
        self.started = 0
        self.runs = False

    def start_zygote(self) -> int:
        assert not self.runs
        self.started, self.runs = self.started + 1, True
        return 100 + self.started

    def signal(self, name: str, number: signal.Signals) -> bool:
        return self.runs

    def log(self, name: str) -> Path:
        return Path("/nowhere") / name


class World:
    def __init__(self) -> None:
        self.processes, self.record = OneZygote(), Forgetful()
        watch = Watch(ControlConfig(), self.record, 0.5)  # type: ignore[arg-type]
        budget = Budget(9, 1e9, PAUSE_S)
        self.care = ZygoteCare(self.processes, self.record, watch, budget, 0.5)  # type: ignore[arg-type]
        self.care.start(0.0)
        self.care.ready(Ready(101, 1, 1, 0.1), 0.0, 0.0)

    def die(self, now: float) -> None:
        """And what the supervisor's loop does after it."""
        self.processes.runs = False
        assert self.care.ended(Ended(ZYGOTE, 100 + self.processes.started, -9, now), now) is None
        self.care.act(now, now)


def test_one_that_crashes_again_and_again_is_started_after_pauses_that_double() -> None:
    """Broken by starting each at once: a crash loop would use up the budget in seconds."""
    world, now = World(), 10.0
    world.die(now)
    assert (world.processes.started, world.care.next_due()) == (2, None)
    for pause in (PAUSE_S, 2 * PAUSE_S, 4 * PAUSE_S):
        started = world.processes.started
        world.die(now)
        assert world.care.next_due() == now + pause
        world.care.act(now + pause - 0.1, now + pause - 0.1)
        assert world.processes.started == started
        now += pause
        world.care.act(now, now)
        assert (world.processes.started, world.care.next_due()) == (started + 1, None)
    assert [line[2]["restarts"] for line in world.record.lines if line[0] == "restart"] == [1, 2, 3, 4]


def test_none_is_started_once_the_run_ends() -> None:
    world = World()
    world.die(10.0)
    world.die(10.0)
    world.care.release()
    world.care.act(99.0, 99.0)
    assert (world.processes.started, world.care.next_due(), world.care.child.phase) == (2, None, Phase.ENDED)


def test_what_is_to_break_one_while_there_is_none_is_no_cause_of_the_next_ones_death() -> None:
    world = World()
    world.die(10.0)
    world.die(10.0)
    world.care.injure(signal.SIGKILL, Injury(3, "kill", 10.5))
    assert world.care.child.injury is None
