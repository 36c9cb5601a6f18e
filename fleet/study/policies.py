"""The trained policies of a run, out of one of its snapshots, ready to act in any number of copies of its world."""

from dataclasses import dataclass
from pathlib import Path

from actors.build import make_policy
from actors.policy import Policy
from env_server.worlds import make_world
from fleet.core.checkpoint import load_arrays
from fleet.core.config import Config
from fleet.core.config.load import load_config
from fleet.core.rundir import RunDirectory
from fleet.core.snapshots import Snapshot, SnapshotStore, learner_file
from fleet.core.spec import WorldSpec
from learners.build import build_learner


@dataclass(frozen=True)
class Trained:
    """A run's config and policies. A robot whose learner had no checkpoint yet acts at random."""

    config: Config
    spec: WorldSpec
    policy: Policy
    snapshot: Snapshot


def load_policies(directory: str | Path, snapshot: str = "newest") -> Trained:
    """The policies in `snapshot` ("newest", "best" or a round), wherever they were trained.

    Raises BadInput if it isn't there or is damaged.
    """
    run = RunDirectory.open(Path(directory))
    config = load_config(run.config)
    chosen = SnapshotStore(run.snapshots).get(snapshot)
    spec = make_world(config.world).spec
    policy = make_policy(spec, config)
    here = config.model_copy(update={"learners": config.learners.model_copy(update={"device": "cpu"})})
    for learner, robots in enumerate(config.groups(spec.robots)):
        file = chosen.folder / learner_file(learner)
        if file.exists():
            trained = build_learner(here, spec, learner)
            trained.restore(*load_arrays(file))
            policy.load(robots, trained.weights())
    return Trained(config, spec, policy, chosen)


def untrained(config: Config) -> Policy:
    """Policies without weights, which act uniformly at random."""
    return make_policy(make_world(config.world).spec, config)
