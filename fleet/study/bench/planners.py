"""`fleet bench planners`: how long `greedy` and `pibt` think about a step of `warehouse40`, and of more robots.

A planner measures the way to a place when somebody is first sent there and keeps it, so that its first steps are its
dearest: they are counted by themselves.
"""

import statistics
import time
from collections.abc import Sequence
from typing import get_args

import numpy as np

from actors.planner import PlannerName, make_planner
from env_server.warehouse.world import Warehouse
from fleet.core.config.load import load_config
from fleet.study.bench.bench import Measured, Row

ROBOTS = (40, 80, 160)
_WANTED = {40: 1.0}  # ms by robots


def measure(*, robots: Sequence[int] = ROBOTS, steps: int = 1000, parts: int = 4) -> Measured:
    """Rows `greedy_40_robots_first` (a planner that knows no way yet) and `greedy_40_robots` (the rest), and so on.

    Milliseconds of processor time per step of one copy; the mean of the first `steps`, and the median of the means of
    as many, `parts` times, after that.
    """
    rows = [row for name in get_args(PlannerName) for count in robots for row in _planned(name, count, steps, parts)]
    how = (
        f"Mean processor time of a step, of the first {steps} of a planner that has measured no way yet; then the "
        f"median of {parts} such means. One copy of warehouse40's floor, one thread; the world's own steps don't "
        "count."
    )
    return Measured(how, rows)


def _planned(name: str, robots: int, steps: int, parts: int) -> list[Row]:
    config = load_config("warehouse40").world
    world = Warehouse(config.model_copy(update={"robots": robots, "worlds": 1, "request_queue": robots}))
    spec = world.spec
    obs = np.zeros((spec.robots, 1, spec.observation_size), spec.observation_dtype)
    world.reset(1, obs)
    make_planner(name, world.floor_view(), robots, 1).act(world.traffic_view())  # compiled from here on
    planner = make_planner(name, world.floor_view(), robots, 1)

    def mean() -> float:
        spent = 0.0
        for _ in range(steps):
            view, began = world.traffic_view(), time.thread_time()
            actions = planner.act(view)
            spent += time.thread_time() - began
            world.step(actions, obs)
        return spent / steps * 1000.0

    first = mean()
    later = statistics.median(mean() for _ in range(parts))
    row = f"{name}_{robots}_robots"
    wanted = _WANTED.get(robots)
    against, ratio = (None, None) if wanted is None else (f"{wanted:g} ms wanted", first / wanted)
    return [Row(f"{row}_first", first, "ms/step", against, ratio), Row(row, later, "ms/step")]
