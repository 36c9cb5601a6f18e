"""Several learners updated at once, stacked: what each would come to alone, and none through another."""

from dataclasses import replace

import numpy as np
import pytest

from fleet.core.config import Config
from learners.build import build_learner
from learners.packed import one_by_one
from learners.protocol import LearnerError
from learners.stacked import OnDevice, Stacked

VARIANTS = [
    {},
    {"network": {"activation": "relu", "share_trunk": True}, "value_clip": 0.1, "minibatch": 40},
    {"network": {"observation_scaling": "running"}, "normalize_advantage": False, "max_grad_norm": None},
    {"network": {"hidden": [8]}, "lr_schedule": "linear", "lr_horizon": 7, "entropy_coef": 0.1},
    {"target_kl": 0.15, "learning_rate": 3e-3},
]


def learners(build, settings, count=3):
    return [build(learner=k, **settings) for k in range(count)]


def rollouts(make_rollout, seed, count=3):
    return [make_rollout(100 * seed + k, robots=(k,)) for k in range(count)]


def close(a, b, scale=1.0):
    for name, wanted in b.save()[0].items():
        np.testing.assert_allclose(a.save()[0][name], wanted, rtol=2e-3 * scale, atol=2e-5 * scale, err_msg=name)
    assert a.save()[1] == b.save()[1]


@pytest.mark.parametrize("settings", VARIANTS)
def test_equals_separate_learners_to_rounding(build, make_rollout, settings):
    together, apart = learners(build, settings), learners(build, settings)
    for seed in range(3):
        made = rollouts(make_rollout, seed)
        figures = Stacked("cpu")(together, made, None)
        expected = one_by_one(apart, made, None)
        for own, wanted in zip(figures, expected, strict=True):
            assert own == pytest.approx(wanted, rel=2e-3, abs=1e-4)
        for a, b in zip(together, apart, strict=True):
            close(a, b, scale=1 + seed)


def test_one_over_its_target_kl_stops_and_the_others_go_on(build, make_rollout):
    settings = {"target_kl": 0.15, "learning_rate": 3e-3}
    together = learners(build, settings)
    Stacked("cpu")(together, rollouts(make_rollout, 0), None)
    assert [learner.save()[1]["adam_steps"] for learner in together] == [4 * 3, 3, 3]


def test_one_learners_rollout_does_not_reach_anothers_weights(build, make_rollout):
    def train(shaken):
        members = learners(build, {"network": {"observation_scaling": "running"}})
        for seed in range(2):
            made = rollouts(make_rollout, seed)
            if shaken:
                made[1] = make_rollout(999, robots=(1,))
            Stacked("cpu")(members, made, None)
        return [member.save()[0] for member in members]

    as_is, shaken = train(False), train(True)
    for k in range(3):
        assert all(np.array_equal(as_is[k][name], shaken[k][name]) for name in as_is[k]) == (k != 1)


def test_members_may_have_made_different_numbers_of_updates(build, make_rollout):
    together, apart = learners(build, {}), learners(build, {})
    for members, update in ((together, Stacked("cpu")), (apart, one_by_one)):
        update(members[:2], rollouts(make_rollout, 0, 2), None)
        update(members, rollouts(make_rollout, 1), None)
    for a, b in zip(together, apart, strict=True):
        close(a, b)


def test_rollouts_in_which_no_episode_is_cut_off(build, make_rollout):
    made = [
        replace(rollout, truncated=np.zeros_like(rollout.truncated), final_obs=rollout.final_obs[:0])
        for rollout in rollouts(make_rollout, 0)
    ]
    together, apart = learners(build, {}), learners(build, {})
    Stacked("cpu")(together, made, None)
    one_by_one(apart, made, None)
    for a, b in zip(together, apart, strict=True):
        close(a, b)


def test_an_update_that_fails_changes_nobody_and_ticks_are_told(build, make_rollout):
    members = learners(build, {"normalize_advantage": False, "max_grad_norm": None})
    ticks = []
    Stacked("cpu")(members, rollouts(make_rollout, 0), lambda: ticks.append(1))
    assert len(ticks) == 4 * 3  # epochs, and 96 samples in minibatches of 32
    before = [member.save() for member in members]
    made = rollouts(make_rollout, 1)
    made[2] = replace(made[2], rewards=np.full_like(made[2].rewards, 3e38))
    with pytest.raises(LearnerError, match="update 2 left the finite numbers"), np.errstate(all="ignore"):
        Stacked("cpu")(members, made, None)
    for member, (arrays, meta) in zip(members, before, strict=True):
        assert all(np.array_equal(member.save()[0][name], array) for name, array in arrays.items())
        assert member.save()[1] == meta


def test_a_learner_of_several_robots_on_a_device_saves_what_any_process_can_read(build, make_rollout, spec):
    tables = {"run": {"seed": 7}, "world": {"map": "rware-tiny-2ag"}, "network": {"hidden": [16, 16]}}
    config = Config.model_validate(tables | {"learner": {"minibatch": 32}})
    device, process = OnDevice(config, spec, 0, Stacked("cpu")), build()
    for seed in range(2):
        rollout = make_rollout(seed, robots=(0, 1, 2))
        assert device.update(rollout) == pytest.approx(process.update(rollout), rel=2e-3, abs=1e-4)
    close(device, process, scale=2)
    process.restore(*device.save())
    close(process, device, scale=0)
    with pytest.raises(LearnerError, match="obs has shape"):
        device.update(replace(rollout, robots=(0, 1)))


@pytest.mark.parametrize("per_process", [1, 2])
def test_a_device_that_is_not_there_is_told(spec, per_process):
    learners = {"device": "cuda:99", "per_process": per_process}
    config = Config.model_validate({"world": {"map": "rware-tiny-2ag"}, "learners": learners})
    with pytest.raises(LearnerError, match=r'learners.device = "cuda:99": (this build of torch|torch finds)'):
        build_learner(config, spec, 0)
