"""Compiles the kernels of worlds and planners and keeps them on disk, so that no run need wait: `make setup` does it.

python -m env_server.warm
"""

from typing import get_args

import numpy as np

from actors.planner import PlannerName
from actors.stacked import StackedPolicy
from env_server.evaluate import evaluate_planner
from env_server.worlds import make_world
from fleet.core.config import NetworkConfig, WorldConfig

LAYOUT = "x.g.x"
WIDE = LAYOUT + "." * 125  # too wide for int8 observations: the kernel is compiled once for either type


def warm() -> None:
    """Step one small world of each kind that is compiled apart, with and without dispatch, under a fresh policy.

    Then under each planner, beside the bound that none can pass.
    """
    for layout in (LAYOUT, WIDE):
        for dispatch in ("off", "nearest"):
            _step({"layout": layout, "robots": 1, "dispatch": dispatch})
    for pairs in (1, 128):  # as narrow and as wide
        _step({"kind": "handoff", "handoff": {"pairs": pairs, "lane": 1}})
    world = WorldConfig(layout=LAYOUT, robots=1, dispatch="nearest", max_steps=2)
    for planner in get_args(PlannerName):
        evaluate_planner(world, planner, 0, episodes=1, bounded=True)


def _step(table: dict[str, object]) -> None:
    world = make_world(WorldConfig.model_validate(table | {"worlds": 1}))
    spec = world.spec
    out = np.zeros((spec.robots, spec.worlds, spec.observation_size), spec.observation_dtype)
    world.reset(1, out)
    actions, _ = StackedPolicy(spec, NetworkConfig()).act(out, np.zeros((spec.robots, spec.worlds), np.float32))
    world.step(actions, out)
    world.set_state(world.state())
    world.set_body(0, "towed")
    world.set_body(0, "online")
    world.observe(out)


if __name__ == "__main__":
    warm()
