"""The learners of a fleet at a game, in one process, with a record of their policies: what `--study tax` is made of.

The same parts as `fleet run --single-process`, which writes its folder as it does there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from actors.stacked import StackedPolicy
from actors.valued import EXPLORE
from env_server.games.payoffs import AGENTS
from env_server.games.setup import make_stages
from env_server.games.stages import Stages
from env_server.worlds import make_world
from fleet.core.config import Config, NetworkConfig
from fleet.core.config.load import Override, load_config, shipped_configs
from fleet.core.config.write import to_toml
from fleet.core.rundir import RunDirectory
from fleet.core.snapshots import SnapshotStore, learner_file
from fleet.core.spec import Array, WorldSpec
from fleet.core.start import LearnerStart
from fleet.study.prepare import prepare
from fleet.study.reference import SingleProcess

F64 = npt.NDArray[np.float64]
_ALIKE = "coordination"
_FAR = {"two-state": ("learner.gamma=0.9",)}
"""Games without a config of their own in which more than the next payoff counts."""


@dataclass(frozen=True, eq=False)
class Played:
    """A training's policies f64 (rounds + 1, 2, S, A): [t] acted in round t, and the last is what it came to.

    `checkpoints`: by agent, the file with which its learner ended.
    """

    policies: F64
    checkpoints: tuple[Path, ...]


def config_of(name: str, payoffs: Mapping[str, float] | None = None, settings: Sequence[str] = ()) -> Config:
    """How the game of that name is trained, some of its payoffs changed: by the shipped config of that name, if any.

    Else as coordination is. Raises BadInput.
    """
    source = name if name in shipped_configs() else _ALIKE
    options: list[str | Override] = [Override(f"NAME {name}", ("world", "game", "name"), name)]
    options += [
        Override(f"--payoff {key}={value}", ("world", "game", key), value) for key, value in (payoffs or {}).items()
    ]
    return prepare(load_config(source, [*options, *_FAR.get(name, ()), *settings]))


def play(config: Config, folder: Path, frozen: Mapping[int, Path] | None = None) -> Played:
    """Train a game's `config` in the new folder `folder`; agents in `frozen` act by those checkpoints and never learn.

    The others begin afresh. Independent learners only. Raises BadInput.
    """
    known = frozen or {}
    learners = config.learners.model_copy(update={"frozen": tuple(known)})
    config = config.model_copy(update={"learners": learners})
    stages, spec = make_stages(config.world), make_world(config.world).spec
    with RunDirectory.create(folder, to_toml(config), []) as directory:
        where = directory.run, str(directory.path)
        starts = {k: LearnerStart(*where, k, 0, "", "", "init", str(file)) for k, file in known.items()}
        training = SingleProcess(directory, config, starts)
        policies: list[F64] = []

        def note(_: object = None) -> bool:
            weights = [learner.weights() for learner in training.learners]
            policies.append(probabilities(stages, spec, config.network, weights))
            return True

        note()
        training.run(note)
        last = SnapshotStore(directory.snapshots).get("newest").folder
    return Played(np.stack(policies), tuple(last / learner_file(k) for k in range(AGENTS)))


def probabilities(
    stages: Stages, spec: WorldSpec, network: NetworkConfig, weights: Sequence[Mapping[str, Array]]
) -> F64:
    """What the agents that act by `weights`, one each, choose in each state: f64 (2, S, A).

    By logits, or where they have a share of random actions by values (epsilon-greedy).
    """
    policy = StackedPolicy(spec, network)
    for agent, own in enumerate(weights):
        policy.load([agent], {name: array for name, array in own.items() if name != EXPLORE})
    outputs = policy.logits(stages.seen).astype(np.float64)
    chosen: F64 = softmax(outputs, axis=-1)
    if EXPLORE in weights[0]:
        explore = np.array([own[EXPLORE] for own in weights], np.float64)[:, None, None]
        chosen = explore / stages.actions + (1 - explore) * np.eye(stages.actions)[outputs.argmax(-1)]
    return chosen
