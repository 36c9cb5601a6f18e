"""From the config to the robots' policies: the one place that knows how each algorithm's robots act."""

from actors.joint import JointPolicy
from actors.policy import Policy
from actors.stacked import StackedPolicy
from fleet.core.config import Config
from fleet.core.spec import WorldSpec


def make_policy(spec: WorldSpec, config: Config) -> Policy:
    """Policies without weights, for all robots of a run."""
    if config.learner.algorithm == "joint":
        return JointPolicy(spec, config.network)
    return StackedPolicy(spec, config.network)
