"""A step makes no array: it works in what the world made once, and in the caller's."""

import tracemalloc

import numpy as np
import pytest

from env_server.worlds import make_world
from fleet.core.config.world import WorldConfig

GRID = {"shelf_columns": 3, "shelf_rows": 2, "column_height": 8, "robots": 30, "worlds": 64, "max_steps": 20}


@pytest.mark.parametrize(
    "table",
    [
        GRID | {"dispatch": "off", "request_queue": 20},
        GRID | {"dispatch": "nearest", "request_queue": 20},
        {"kind": "handoff", "handoff": {"pairs": 15}, "worlds": 64, "max_steps": 20},
    ],
)
def test_a_step_allocates_nothing_and_gives_the_same_arrays_again(table) -> None:
    world = make_world(WorldConfig.model_validate(table))
    spec = world.spec
    obs = np.zeros((spec.robots, spec.worlds, spec.observation_size), spec.observation_dtype)
    actions = np.random.default_rng(1).integers(0, 5, (60, spec.robots, spec.worlds), dtype=np.uint8)
    world.reset(1, obs)
    given = world.step(actions[0], obs)
    tracemalloc.start()
    try:
        for chosen in actions:
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            step = world.step(chosen, obs)
            _, peak = tracemalloc.get_traced_memory()
            assert peak - before < spec.robots * spec.worlds, "not even a byte for each robot of each copy"
            assert all(ours is theirs for ours, theirs in zip(vars(step).values(), vars(given).values(), strict=True))
    finally:
        tracemalloc.stop()
