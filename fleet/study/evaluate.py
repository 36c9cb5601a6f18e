"""Trained policies on fresh episodes, without learning: what `fleet eval` prints."""

from pathlib import Path

from env_server import evaluate as arena
from env_server.evaluate import Evaluation
from env_server.protocol import Body
from fleet.core.errors import BadInput
from fleet.core.seeds import generator
from fleet.study.policies import load_policies

_MOST = 1024


def evaluate(
    directory: str | Path, *, episodes: int = 32, greedy: bool = False, offline: int = 0, snapshot: str = "newest"
) -> Evaluation:
    """Play `episodes` episodes with the policies of the run in `directory`.

    `offline` robots, drawn by the run's seed, are stalled from the start. Raises BadInput if the run or the snapshot
    can't be used, if there aren't that many robots, or for fewer than 1 or more than 1,024 episodes.
    """
    if not 1 <= episodes <= _MOST:
        raise BadInput(f"{episodes} episodes; allowed are 1 to {_MOST}")
    trained = load_policies(directory, snapshot)
    robots, seed = trained.spec.robots, trained.config.run.seed
    if not 0 <= offline <= robots:
        raise BadInput(f"{offline} robots offline; allowed are 0 to {robots}")
    chosen = generator(seed, "faults").permutation(robots)[:offline]
    bodies: dict[int, Body] = {int(robot): "stalled" for robot in chosen}
    return arena.evaluate(trained.config.world, trained.policy, seed, episodes=episodes, greedy=greedy, offline=bodies)
