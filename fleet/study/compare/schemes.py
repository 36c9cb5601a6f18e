"""The schemes that `fleet compare` and `fleet tune` know: how a config is changed so that its fleet trains or runs so.

From a name to a `Scheme`, and from a scheme and a task to the config that is trained. All that a scheme changes is who
learns and how; the floor, the robots, the rollouts and the networks are the task's.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from env_server.worlds import make_world
from fleet.core.config import Config
from fleet.core.config.load import Override, load_config, placing_faults
from fleet.core.config.root import MOST_JOINT
from fleet.core.errors import BadInput
from fleet.study.prepare import prepare


@dataclass(frozen=True)
class Scheme:
    """One way to drive a fleet. `changes` are settings over the task's; without `trained` the actor alone decides.

    `by_values`: its learners are off-policy, with settings of their own. `most_robots`: beyond it the scheme can't be
    had at all. `plans`: it follows orders, so a task must hand them out.
    """

    name: str
    meaning: str
    changes: tuple[str, ...] = ()
    trained: bool = True
    by_values: bool = False
    most_robots: int | None = None
    plans: bool = False


_CENTRAL = 'mapping="central"'
SCHEMES: Mapping[str, Scheme] = {
    scheme.name: scheme
    for scheme in (
        Scheme("independent", "PPO, a learner for each robot", ('mapping="per-robot"', "learner.algorithm=ippo")),
        Scheme(
            "iql",
            "double DQN with replay, one for each robot",
            ('mapping="per-robot"', "learner.algorithm=iql"),
            by_values=True,
        ),
        Scheme("shared", "PPO, one set of weights for all robots", ('mapping="shared"', "learner.algorithm=ippo")),
        Scheme("central", "MAPPO: a joint critic, one learner for all", (_CENTRAL, "learner.algorithm=mappo")),
        Scheme(
            "vdn",
            "value decomposition, a sum of the robots' values",
            (_CENTRAL, "learner.algorithm=vdn"),
            by_values=True,
        ),
        Scheme(
            "qmix", "value decomposition, mixed monotonically", (_CENTRAL, "learner.algorithm=qmix"), by_values=True
        ),
        Scheme(
            "joint",
            "one policy over the joint action",
            (_CENTRAL, "learner.algorithm=joint"),
            most_robots=MOST_JOINT,
        ),
        Scheme("greedy", "the hand-tuned planner", trained=False, plans=True),
        Scheme("pibt", "priority inheritance with backtracking", trained=False, plans=True),
        Scheme("random", "every action drawn", trained=False),
    )
}
_TUNED = ("learner.", "replay.", "checkpoint.")
"""The tables that a file of tuned settings may have."""
_OURS = ("learner.algorithm", "learner.rollout_steps")
"""What it can't say of them, since the scheme or the task does."""


def find_scheme(name: str) -> Scheme:
    """The scheme of that name. Raises BadInput if there is none."""
    if name not in SCHEMES:
        raise BadInput(f"no scheme {name!r}; there are {', '.join(SCHEMES)}")
    return SCHEMES[name]


def task_config(task: str, scheme: Scheme, extra: Sequence[str] = (), tuned: Sequence[str] = ()) -> Config:
    """The config of `task` under `scheme`: its own settings, then the scheme's, the tuned ones, and `extra`.

    Raises BadInput if that can't be, naming where the setting at fault was given.
    """
    plain = ("learners.per_process=1", "faults.fault=[]", "faults.rates=unset")
    overrides: list[str | Override] = [*scheme.changes, *plain, *tuned, *extra]
    config = load_config(task, overrides)
    with placing_faults(task, config, overrides):
        config = prepare(config)
    _check_fits(task, scheme, config)
    return config


def _check_fits(task: str, scheme: Scheme, config: Config) -> None:
    """Raise BadInput if a scheme that plans is to be had on a task that hands out no orders."""
    if scheme.plans:
        try:
            world = make_world(config.world.model_copy(update={"worlds": 1}))
            world.traffic_view()
        except BadInput as error:
            raise BadInput(f"scheme {scheme.name} on {task}: {error}") from None


def fitting(task: str) -> list[Scheme]:
    """The schemes that the task can be had under. Raises BadInput if it can't be had at all."""
    task_config(task, SCHEMES["independent"])
    found = []
    for scheme in SCHEMES.values():
        try:
            task_config(task, scheme)
        except BadInput:
            continue
        found.append(scheme)
    return found


def tuned_settings(folder: Path | None, scheme: Scheme) -> tuple[str, ...]:
    """The settings in `folder`/SCHEME.toml as overrides; none without a folder or such a file.

    Raises BadInput if the file can't be read or says what is the scheme's to say.
    """
    if folder is None:
        return ()
    if not folder.is_dir():
        raise BadInput(f"--settings {folder}: no such folder; `fleet tune` writes one")
    path = folder / f"{scheme.name}.toml"
    if not path.exists():
        return ()
    try:
        table = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: can't be read as TOML: {error}") from None
    settings = tuple(f"{key}={value}" for key, value in _flat(table))
    wrong = [key for key, _ in _flat(table) if key in _OURS or not key.startswith(_TUNED)]
    if wrong:
        raise BadInput(f"{path}: {wrong[0]} is not the settings' to say; allowed are those of how a learner learns")
    return settings


def _flat(table: Mapping[str, Any], head: str = "") -> Iterable[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{head}{key}.")
        elif isinstance(value, bool):
            yield f"{head}{key}", str(value).lower()
        else:
            yield f"{head}{key}", repr(value) if isinstance(value, str) else str(value)
