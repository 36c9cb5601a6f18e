"""`fleet bench world`: the compiled warehouse against PyPI rware 2.0.0, on the same floor under the same actions.

Both are stepped in turn, a block of steps each, in one thread of this process; observations are written in every step.
"""

import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import numpy.typing as npt

from env_server.warehouse.world import Warehouse
from fleet.core.config import WorldConfig
from fleet.core.errors import BadInput
from fleet.core.seeds import generator
from fleet.study.bench.bench import Measured, Row

UNIT = "agent-steps/s"
GRID = {"shelf_columns": 9, "shelf_rows": 5, "column_height": 8}
LARGE = {"shelf_columns": 29, "shelf_rows": 10, "column_height": 8}
TINY = {"shelf_columns": 3, "shelf_rows": 1, "column_height": 8}
ROBOTS = (10, 20, 40, 80, 200, 1000)
_ON_GRID = 200  # robots; more of them drive on the large floor, in fewer copies
_DRAWN = 64  # different joint actions, used over and over

Actions = npt.NDArray[np.uint8]
Stepper = Callable[[int], int]
"""Makes that many steps and says how many agent-steps they were."""


def measure(
    *,
    copies: int = 64,
    tiny_copies: int = 1024,
    robots: Sequence[int] = ROBOTS,
    blocks: int = 15,
    block_s: float = 0.2,
) -> Measured:
    """Rows `world_40_robots` and `world_tiny_2ag`, 40 and the most robots with dispatch, and the cost by their number.

    `copies` of the 47 x 28 grid and `tiny_copies` of tiny-2ag are stepped at once, and of the 92 x 88 floor for more
    than 200 robots so many copies as have as many robots. A figure is the median of `blocks` blocks of about `block_s`
    seconds. Wanted of `world_40_robots`: 10 million agent-steps/s, 2,000 times rware. Raises BadInput without rware.
    """
    warehouse = _rware()
    rows = [
        _against_rware("world_40_robots", warehouse, _config(40, copies, GRID), blocks, block_s),
        _against_rware("world_tiny_2ag", warehouse, _config(2, tiny_copies, TINY), blocks, block_s),
        *(_dispatched(count, copies, blocks, block_s) for count in sorted({40, max(robots)})),
        *_by_robots(robots, copies, blocks, block_s),
    ]
    how = (
        f"Median of {blocks} blocks of about {block_s:g} s of processor time each, the compared ones in turn, one "
        "thread, random actions, observations of sensor range 1 written in every step, resets included. "
        f"{copies} copies of the 47 x 28 grid and {tiny_copies} of tiny-2ag are stepped at once; rware, which has one, "
        "gets the first one's actions. Ratios are medians of the blocks' own. world_dispatch_40_robots is "
        f"warehouse40's floor with and without its orders. More than {_ON_GRID} robots are on a 92 x 88 grid, in as "
        f"many copies as have as many robots as {copies} copies of {_ON_GRID}."
    )
    return Measured(how, rows)


def ours(config: WorldConfig, actions: Actions) -> Stepper:
    """Our world from `config`, stepped through `actions` (S, N, E) over and over. It is compiled when this returns."""
    world = Warehouse(config)
    spec = world.spec
    obs = np.zeros((spec.robots, spec.worlds, spec.observation_size), spec.observation_dtype)
    world.reset(1, obs)
    following = cycle(actions)

    def steps(count: int) -> int:
        for _ in range(count):
            world.step(next(following), obs)
        return count * spec.robots * spec.worlds

    steps(2)
    return steps


def theirs(warehouse: Any, config: WorldConfig, actions: Actions) -> Stepper:
    """RWARE's `warehouse` on the same floor under the same rules, stepped through the first copy's actions."""
    env = warehouse(config)
    env.reset(seed=1)
    following = cycle([list(map(int, joint[:, 0])) for joint in actions])

    def steps(count: int) -> int:
        for _ in range(count):
            if env.step(next(following))[2]:
                env.reset()
        return count * len(env.agents)

    steps(2)
    return steps


def in_turn(steppers: Sequence[Stepper], blocks: int, block_s: float) -> Iterator[list[float]]:
    """Agent-steps per second of each, block by block.

    By this thread's processor time: what else the machine does then counts against nobody.
    """
    counts = [_steps_in(stepper, block_s) for stepper in steppers]
    for _ in range(blocks):
        yield [_rate(stepper, count) for stepper, count in zip(steppers, counts, strict=True)]


def _against_rware(name: str, warehouse: Any, config: WorldConfig, blocks: int, block_s: float) -> Row:
    actions = _actions(config)
    pair = (ours(config, actions), theirs(warehouse, config, actions))
    rates = list(in_turn(pair, blocks, block_s))
    mine, other = (statistics.median(column) for column in zip(*rates, strict=True))
    ratio = statistics.median(a / b for a, b in rates)
    return Row(name, mine, UNIT, f"rware 2.0.0: {other:,.0f} {UNIT}", ratio)


def _dispatched(robots: int, copies: int, blocks: int, block_s: float) -> Row:
    """What dispatch, with its way to the target in the observation, costs on top of RWARE's rules."""
    plain = _on_a_floor(robots, copies, stations=20)
    given = plain.model_copy(update={"dispatch": "nearest", "reward": "dense"})
    rates = list(in_turn([ours(config, _actions(config)) for config in (given, plain)], blocks, block_s))
    mine, other = (statistics.median(column) for column in zip(*rates, strict=True))
    ratio = statistics.median(a / b for a, b in rates)
    return Row(f"world_dispatch_{robots}_robots", mine, UNIT, f"without dispatch: {other:,.0f} {UNIT}", ratio)


def _by_robots(robots: Sequence[int], copies: int, blocks: int, block_s: float) -> list[Row]:
    configs = [_on_a_floor(count, copies) for count in robots]
    rates = list(in_turn([ours(config, _actions(config)) for config in configs], blocks, block_s))
    costs = [1e9 / statistics.median(column) for column in zip(*rates, strict=True)]
    against = f"{robots[0]} robots: {costs[0]:,.0f} ns"
    return [
        Row(f"world_cost_{count}_robots", cost, "ns/agent-step", against, cost / costs[0])
        for count, cost in zip(robots, costs, strict=True)
    ]


def _on_a_floor(robots: int, copies: int, **more: int) -> WorldConfig:
    """On RWARE's 47 x 28 grid as long as they have room there to drive; else on one six times as large."""
    if robots <= _ON_GRID:
        return _config(robots, copies, GRID | more)
    return _config(robots, max(1, copies * _ON_GRID // robots), LARGE | more)


def _config(robots: int, copies: int, floor: dict[str, int]) -> WorldConfig:
    return WorldConfig.model_validate({**floor, "robots": robots, "worlds": copies, "request_queue": robots})


def _actions(config: WorldConfig) -> Actions:
    shape = (_DRAWN, config.robots or 1, config.worlds)
    return generator(1, "acting").integers(0, 5, shape, dtype=np.uint8)


def _steps_in(stepper: Stepper, seconds: float) -> int:
    """How many steps take about `seconds` of processor time."""
    count, took = 1, _timed(stepper, 1)
    while took < seconds / 4:
        count *= 2
        took = _timed(stepper, count)
    return max(1, round(count * seconds / took))


def _rate(stepper: Stepper, count: int) -> float:
    began = time.thread_time()
    agent_steps = stepper(count)
    return agent_steps / (time.thread_time() - began)


def _timed(stepper: Stepper, count: int) -> float:
    began = time.thread_time()
    stepper(count)
    return max(time.thread_time() - began, 1e-9)


def _rware() -> Callable[[WorldConfig], Any]:
    """What makes RWARE's warehouse of one of our grids. Raises BadInput if the package is missing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # gymnasium's, about the names that rware registers
            from rware.warehouse import RewardType
            from rware.warehouse import Warehouse as Rware
    except ImportError:
        raise BadInput("bench world compares with PyPI rware, which isn't here: pip install 'fleet[test]'") from None

    def make(config: WorldConfig) -> Any:
        return Rware(
            shelf_columns=config.shelf_columns,
            column_height=config.column_height,
            shelf_rows=config.shelf_rows,
            n_agents=config.robots,
            msg_bits=0,
            sensor_range=config.sensor_range,
            request_queue_size=config.request_queue,
            max_inactivity_steps=None,
            max_steps=config.max_steps,
            reward_type=RewardType.INDIVIDUAL,
        )

    return make
