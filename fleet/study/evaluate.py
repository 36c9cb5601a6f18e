"""Trained policies, random actions or a planner on fresh episodes, without learning: what `fleet eval` prints."""

from pathlib import Path
from typing import Literal, get_args

from actors.planner import PlannerName
from actors.stacked import StackedPolicy
from env_server import evaluate as arena
from env_server.evaluate import Evaluation
from env_server.protocol import Body
from env_server.worlds import make_world
from fleet.core.config import Config
from fleet.core.config.load import load_config, placing_faults
from fleet.core.errors import BadInput
from fleet.core.rundir import RunDirectory
from fleet.core.seeds import generator
from fleet.core.spec import WorldSpec
from fleet.study.policies import load_policies

Actor = Literal["learned", "greedy", "pibt", "random"]
_MOST = 1024


def evaluate(
    source: str | Path,
    *,
    episodes: int = 32,
    greedy: bool = False,
    offline: int = 0,
    snapshot: str | None = None,
    actor: str = "learned",
) -> Evaluation:
    """Play `episodes` episodes on the floor of `source`, a run's folder, with the policies of its `snapshot`.

    Another `actor` takes a config too: "greedy" and "pibt" are the planners, "random" draws every action. All meet the
    same episodes, and `offline` robots, drawn by the seed, are stalled from the start; where robots follow orders the
    bound is worked out as well. `snapshot` is "newest" (None), "best" or a round; `greedy` takes the policies'
    likeliest actions. Raises BadInput if the source or the snapshot can't be used, for an unknown actor or what it
    can't take, if there aren't that many robots, or for fewer than 1 or more than 1,024 episodes.
    """
    if not 1 <= episodes <= _MOST:
        raise BadInput(f"{episodes} episodes; allowed are 1 to {_MOST}")
    if actor not in get_args(Actor):
        raise BadInput(f"--actor {actor}; allowed are {', '.join(get_args(Actor))}")
    if actor == "learned":
        trained = load_policies(source, snapshot or "newest")
        config, spec, policy = trained.config, trained.spec, trained.policy
    elif greedy or snapshot is not None:
        raise BadInput(f"--{'greedy' if greedy else 'snapshot'} is for trained policies; --actor {actor} has none")
    else:
        config, spec = _floor(source)
        policy = StackedPolicy(spec, config.network)  # without weights it acts uniformly at random
    if not 0 <= offline <= spec.robots:
        raise BadInput(f"{offline} robots offline; allowed are 0 to {spec.robots}")
    chosen = generator(config.run.seed, "faults").permutation(spec.robots)[:offline]
    bodies: dict[int, Body] = {int(robot): "stalled" for robot in chosen}
    world, seed = config.world, config.run.seed
    if actor in get_args(PlannerName):
        return arena.evaluate_planner(world, actor, seed, episodes=episodes, offline=bodies, bounded=True)
    return arena.evaluate(world, policy, seed, episodes=episodes, greedy=greedy, offline=bodies, bounded=True)


def _floor(source: str | Path) -> tuple[Config, WorldSpec]:
    """The config of a run's folder, or the one that is named, and the shape of its world."""
    if Path(source).is_dir():
        source = RunDirectory.open(Path(source)).config
    config = load_config(source)
    with placing_faults(source, config):
        return config, make_world(config.world).spec
