"""Learners in one process are what they would be alone, bit for bit, and one process to all others."""

from dataclasses import replace

import numpy as np
import pytest

from fleet.core.config import Config
from learners.build import build_learner
from learners.packed import Packed, apart
from learners.protocol import LearnerError, WrongWeights

ROBOTS = (0, 1, 2)


def row(arrays, place):
    return {name: array[place] for name, array in arrays.items()}


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


@pytest.fixture
def pack(spec):
    def make(robots=3, network=None, seed=7, **settings):
        tables = {
            "run": {"seed": seed},
            "world": {"map": "rware-tiny-2ag"},
            "network": {"hidden": [16, 16], **(network or {})},
            "learner": {"minibatch": 32, **settings},
            "learners": {"per_process": 3},
        }
        made = build_learner(Config.model_validate(tables), replace(spec, robots=robots), 0)
        assert isinstance(made, Packed)
        return made

    return make


@pytest.mark.parametrize("scaling", ["range", "running"])
def test_members_are_the_learners_that_they_would_be_alone(pack, build, make_rollout, scaling):
    settings = {"network": {"observation_scaling": scaling}, "lr_schedule": "linear", "lr_horizon": 9, "seed": 11}
    packed, alone = pack(**settings), [build(learner=robot, **settings) for robot in ROBOTS]
    assert same(row(packed.weights(), 2), alone[2].weights())
    for seed in range(3):
        rollout = make_rollout(seed, robots=ROBOTS)
        figures = packed.update(rollout)
        each = [learner.update(own) for learner, own in zip(alone, apart(rollout), strict=True)]

    assert figures == {name: pytest.approx(np.mean([one[name] for one in each])) for name in each[0]}
    for robot, learner in enumerate(alone):
        assert same(row(packed.save()[0], robot), learner.save()[0])
        assert packed.save()[1]["members"][robot] == learner.save()[1]
        assert same(row(packed.weights(), robot), learner.weights())


def test_only_robots_in_the_rollout_learn_and_each_counts_its_own_updates(pack, build, make_rollout):
    packed, alone = pack(), build(learner=1)
    before = packed.save()[0]
    packed.update(make_rollout(0, robots=(0, 2)))
    assert same(row(packed.save()[0], 1), row(before, 1))
    rollout = make_rollout(1, robots=ROBOTS)
    packed.update(rollout)
    alone.update(apart(rollout)[1])

    assert packed.version == 2
    assert [member["version"] for member in packed.save()[1]["members"]] == [2, 1, 2]
    assert same(row(packed.save()[0], 1), alone.save()[0])


def test_numbering_on_from_lost_policies_takes_the_members_along(pack, build, make_rollout):
    packed, alone = pack(lr_schedule="linear", lr_horizon=9), build(learner=2, lr_schedule="linear", lr_horizon=9)
    packed.update(make_rollout(0, robots=(0, 1)))
    packed.version, alone.version = 4, 3
    rollout = make_rollout(1, robots=ROBOTS)
    packed.update(rollout)
    alone.update(apart(rollout)[2])

    assert same(row(packed.save()[0], 2), alone.save()[0])
    assert packed.save()[1]["members"][2] == alone.save()[1]


def test_restored_in_the_middle_equals_never_stopped(pack, make_rollout):
    whole, first, second = pack(), pack(), pack()
    for robots in (ROBOTS, (1,)):
        whole.update(make_rollout(1, robots=robots))
        first.update(make_rollout(1, robots=robots))
    second.restore(*first.save())
    for learner in (whole, second):
        learner.update(make_rollout(2, robots=ROBOTS))

    assert same(whole.save()[0], second.save()[0])
    assert whole.save()[1] == second.save()[1]


def test_an_update_that_fails_leaves_all_members_as_they_were(pack, make_rollout):
    packed, rollout = pack(normalize_advantage=False, max_grad_norm=None), make_rollout(0, robots=ROBOTS)
    packed.update(rollout)
    before = packed.save()
    rewards = rollout.rewards.copy()
    rewards[2] = 3e38
    with pytest.raises(LearnerError, match="left the finite numbers"), np.errstate(all="ignore"):
        packed.update(replace(rollout, rewards=rewards))

    assert same(packed.save()[0], before[0])
    assert packed.save()[1] == before[1]


def test_a_rollout_of_a_robot_of_another_process_is_refused(pack, make_rollout):
    with pytest.raises(LearnerError, match="robot 4; allowed are 0, 1, 2"):
        pack().update(make_rollout(0, robots=(2, 4)))


def test_each_member_starts_from_its_own_place(pack, make_rollout):
    source, packed = pack(), pack(seed=8)
    source.update(make_rollout(0, robots=ROBOTS))
    packed.start_from({name: array for name, array in source.save()[0].items() if not name.startswith("adam")})

    assert same(packed.weights(), source.weights())
    assert packed.version == 0
    assert not packed.save()[0]["adam.m"].any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays, meta: arrays.update({"adam.v": arrays["adam.v"][:2]}), "wanted 3 in front"),
        (lambda arrays, meta: arrays["adam.v"][1].fill(np.nan), "adam.v is not finite"),
        (lambda arrays, meta: arrays.pop("critic.0.bias"), "missing"),
        (lambda arrays, meta: meta["members"].pop(), "counters of 3 members"),
        (lambda arrays, meta: meta.update(members=[1, 2, 3]), "counters of 3 members"),
        (lambda arrays, meta: meta.update(version=-1), "version = -1"),
        (lambda arrays, meta: meta["members"][2].update(adam_steps=-1), "adam_steps"),
    ],
)
def test_a_checkpoint_of_something_else_is_refused_with_nothing_changed(pack, make_rollout, change, message):
    packed = pack()
    packed.update(make_rollout(0, robots=ROBOTS))
    saved, (arrays, meta) = packed.save(), pack().save()
    change(arrays, meta)
    with pytest.raises(WrongWeights, match=message):
        packed.restore(arrays, meta)

    assert same(packed.save()[0], saved[0])
    assert packed.save()[1] == saved[1]


def test_a_checkpoint_of_one_learner_alone_is_refused(pack, build):
    with pytest.raises(WrongWeights, match="members"):
        pack().restore(*build().save())


def test_the_last_process_has_what_is_left(pack, make_rollout):
    packed = pack(robots=1)
    packed.update(make_rollout(0, robots=(0,)))

    assert packed.weights()["actor.0.bias"].shape == (1, 16)
