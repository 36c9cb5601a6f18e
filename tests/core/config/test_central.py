"""What goes with a centralized learner, and what doesn't."""

import pytest

from fleet.core.config.load import ConfigError, load_config

MAPPO = ["mapping=central", "learner.algorithm=mappo"]
JOINT = ["mapping=central", "learner.algorithm=joint"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["mapping=central"], 'mapping = "central" with algorithm = "ippo"; allowed are "mappo"'),
        (["learner.algorithm=mappo"], 'algorithm = "mappo" .*; allowed is mapping = "central"'),
        ([*MAPPO, "learners.device=cuda"], 'learners.device = "cuda"; .* "cpu"'),
        ([*MAPPO, "network.share_trunk=true"], "network.share_trunk = true; allowed is false"),
        ([*JOINT, "network.share_trunk=true"], "network.share_trunk = true; allowed is false"),
        ([*JOINT, "learner.actors=shared"], 'learner.actors = "shared" with algorithm = "joint"'),
        (["network.critic_hidden=[8]"], 'network.critic_hidden .* algorithm = "ippo" has none'),
        ([*MAPPO, "network.critic_hidden=[0]"], "hidden layer of 0 units; allowed are 1 to 4096"),
        ([*MAPPO, "learner.advantage=all"], "learner.advantage"),
    ],
)
def test_what_does_not_go_together_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        load_config("smoke", settings)


def test_a_joint_policy_is_for_few_robots():
    with pytest.raises(ValueError, match='algorithm = "joint" with 9 robots; allowed are 1 to 8: '):
        load_config("smoke", JOINT).groups(9)


@pytest.mark.parametrize(
    ("settings", "own"), [(MAPPO, True), ([*MAPPO, "learner.actors=shared"], False), (JOINT, False), ([], False)]
)
def test_whose_weights_a_policy_holds(settings, own):
    config = load_config("smoke", settings)
    assert (config.own_weights, config.central) == (own, bool(settings))
