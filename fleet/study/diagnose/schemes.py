"""A task's config, and the same for other learners. What is diagnosed may be a config, a game or somebody's task."""

from collections.abc import Sequence
from typing import get_args

from fleet.core.config import Config
from fleet.core.config.game import GameName
from fleet.core.config.load import shipped_configs
from fleet.core.config.root import MOST_JOINT
from fleet.core.errors import BadInput
from fleet.study.compare.schemes import SCHEMES, task_config


def find_task(name: str, overrides: Sequence[str] = ()) -> Config:
    """The config of a task, its robots learning independently with PPO and nothing failing.

    `name`: a TOML file or a shipped config; else a game; else, with a colon, a PettingZoo environment's import path.
    Raises BadInput if it can't be had, or has but one robot.
    """
    base, own = _named(name)
    plain = ("eval.every=0", "learners.device=cpu")
    config = task_config(base, SCHEMES["independent"], plain, (*own, *overrides))
    if robots(config) < 2:
        raise BadInput(f"{name} has 1 robot; a diagnosis is for 2 or more, who learn beside each other")
    return config


def as_joint(config: Config) -> Config:
    """The same with one policy over the joint action."""
    return _central(config, "joint")


def as_central(config: Config) -> Config:
    """The same with one learner of all robots: of their joint action if they are few, else with a joint critic."""
    return _central(config, "joint" if robots(config) <= MOST_JOINT else "mappo")


def robots(config: Config) -> int:
    """How many there are in a config whose world has been looked at."""
    assert config.world.robots is not None
    return config.world.robots


def _central(config: Config, algorithm: str) -> Config:
    learner = config.learner.model_copy(update={"algorithm": algorithm, "actors": "separate"})
    network = config.network.model_copy(update={"share_trunk": False})
    return config.model_copy(update={"mapping": "central", "learner": learner, "network": network})


def _named(name: str) -> tuple[str, tuple[str, ...]]:
    """The config to take for a task, and what to change in it."""
    if ":" in name:
        return "spread", (f"world.pettingzoo.env={name}", "world.pettingzoo.args={}")
    if name in get_args(GameName) and name not in shipped_configs():
        gamma = "0.9" if name == "two-state" else "0.0"
        return "coordination", (f"world.game.name={name}", f"learner.gamma={gamma}")
    return name, ()
