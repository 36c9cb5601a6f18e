"""Starting from another run's networks: they act as they did there, whatever the scaling; the rest starts afresh."""

import numpy as np
import pytest
import torch

from learners.protocol import WrongWeights


def outputs(learner, obs):
    logits, values = learner._network(learner.parameters, obs)
    return torch.cat([logits, values[:, None]], 1).numpy()


@pytest.mark.parametrize("share_trunk", [False, True])
@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("range", "range"), ("none", "range"), ("range", "none"), ("running", "range"), ("running", "running")],
)
def test_acts_and_values_as_it_did(build, make_rollout, samples, theirs, ours, share_trunk):
    source = build(network={"observation_scaling": theirs, "share_trunk": share_trunk}, learning_rate=0.01)
    for seed in range(3):
        source.update(make_rollout(seed))
    learner = build(learner=2, network={"observation_scaling": ours, "share_trunk": share_trunk})

    learner.start_from(source.save()[0])

    rollout = make_rollout(9)
    now, before = (outputs(one, samples(one, rollout).obs) for one in (learner, source))
    np.testing.assert_allclose(now, before, atol=2e-4)


def test_optimizer_and_version_start_afresh(build, make_rollout):
    source, learner = build(), build()
    source.update(make_rollout())

    learner.start_from(source.save()[0])
    arrays, meta = learner.save()

    assert (meta["version"], meta["adam_steps"]) == (0, 0)
    assert not arrays["adam.m"].any()
    np.testing.assert_array_equal(arrays["actor.2.weight"], source.save()[0]["actor.2.weight"])


def test_another_network_is_refused_by_name(build):
    learner = build()
    before = learner.save()[0]
    with pytest.raises(WrongWeights, match=r"actor.0.weight has shape \(6, 8\); wanted \(6, 16\)"):
        learner.start_from(build(network={"hidden": [8, 16]}).save()[0])
    with pytest.raises(WrongWeights, match=r"missing .*critic.2.weight"):
        learner.start_from(build(network={"share_trunk": True}).save()[0])
    np.testing.assert_array_equal(before["actor.0.weight"], learner.save()[0]["actor.0.weight"])


def test_running_statistics_can_not_be_made_up(build):
    with pytest.raises(WrongWeights, match="allowed"):
        build(network={"observation_scaling": "running"}).start_from(build().save()[0])
