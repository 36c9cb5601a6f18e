"""Bit for bit: restarts, seeds, independence of one learner from another, and of where the wire put its bytes."""

from dataclasses import fields, replace

import numpy as np
import pytest

from learners.protocol import WrongWeights


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("scaling", ["range", "running"])
def test_restored_in_the_middle_equals_never_stopped(build, make_rollout, scaling):
    network = {"observation_scaling": scaling}
    whole = build(network=network, lr_schedule="linear", lr_horizon=10)
    for seed in range(4):
        whole.update(make_rollout(seed))

    first = build(network=network, lr_schedule="linear", lr_horizon=10)
    for seed in range(2):
        first.update(make_rollout(seed))
    saved = first.save()
    first.update(make_rollout(99))  # what it does later must not reach what it gave out
    second = build(network=network, lr_schedule="linear", lr_horizon=10)
    second.restore(*saved)
    for seed in range(2, 4):
        second.update(make_rollout(seed))

    assert same(whole.save()[0], second.save()[0])
    assert whole.save()[1] == second.save()[1]
    assert second.version == 4


def test_same_seed_same_weights_other_learner_or_seed_other_weights(build, make_rollout):
    def after_one(**who):
        learner = build(**who)
        learner.update(make_rollout())
        return learner.save()[0]

    assert same(after_one(), after_one())
    for other in ({"learner": 1}, {"seed": 8}):
        assert not np.array_equal(after_one()["actor.0.weight"], after_one(**other)["actor.0.weight"])


def test_one_learners_rollout_does_not_reach_anothers_weights(build, make_rollout):
    def train(first_rollout):
        learners = [build(learner=k) for k in range(2)]
        for seed in range(3):
            learners[0].update(first_rollout(seed))
            learners[1].update(make_rollout(100 + seed))
        return [learner.save()[0] for learner in learners]

    def perturbed(seed):
        rollout = make_rollout(seed)
        return replace(rollout, rewards=rollout.rewards + np.float32(0.125))

    as_is, shaken = train(make_rollout), train(perturbed)

    assert not same(as_is[0], shaken[0])
    assert same(as_is[1], shaken[1])


@pytest.mark.parametrize("offset", [1, 4, 20, 60])
@pytest.mark.parametrize("dtype", [np.int8, np.float32])
def test_where_the_rollouts_bytes_lie_does_not_matter(build, make_rollout, offset, dtype):
    rollout = make_rollout(robots=(0, 1), steps=40)
    rollout = replace(rollout, obs=rollout.obs.astype(dtype), final_obs=rollout.final_obs.astype(dtype))

    def moved(array):
        room = np.empty(array.nbytes + offset + 64, np.uint8)
        start = -room.ctypes.data % 64 + offset
        copy = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
        copy[...] = array
        copy.flags.writeable = False
        return copy

    arrays = {field.name: moved(getattr(rollout, field.name)) for field in fields(rollout) if field.name != "robots"}
    aligned, misaligned = (build(network={"observation_scaling": "running"}, minibatch=50) for _ in range(2))
    for _ in range(2):
        a, b = aligned.update(rollout), misaligned.update(replace(rollout, **arrays))

    assert same(aligned.save()[0], misaligned.save()[0])
    assert a == b


def test_what_is_given_out_is_a_copy(build, make_rollout):
    learner = build()
    weights, (arrays, _) = learner.weights(), learner.save()
    kept = {name: array.copy() for name, array in arrays.items()}
    learner.update(make_rollout())

    assert same(arrays, kept)
    np.testing.assert_array_equal(weights["actor.0.weight"], kept["actor.0.weight"])


def test_a_restored_learner_keeps_nothing_of_the_arrays(build, make_rollout):
    first, second = build(), build()
    first.update(make_rollout())
    arrays, meta = first.save()
    second.restore(arrays, meta)
    for array in arrays.values():
        array.fill(0)

    assert same(first.save()[0], second.save()[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays, meta: arrays.pop("adam.v"), "missing .'adam.v'"),
        (lambda arrays, meta: arrays.update(extra=np.zeros(1)), "not wanted .'extra'"),
        (lambda arrays, meta: arrays.update({"critic.0.bias": np.zeros(3)}), "critic.0.bias has shape"),
        (lambda arrays, meta: arrays["actor.1.weight"].fill(np.nan), "actor.1.weight is not finite"),
        (lambda arrays, meta: meta.update(algorithm="iql"), "iql"),
        (lambda arrays, meta: meta.pop("version"), "version"),
        (lambda arrays, meta: meta.update(adam_steps="3"), "adam_steps"),
    ],
)
def test_a_checkpoint_of_something_else_is_refused_with_nothing_changed(build, make_rollout, change, message):
    learner = build()
    learner.update(make_rollout())
    before = learner.save()
    arrays, meta = learner.save()
    change(arrays, meta)

    with pytest.raises(WrongWeights, match=message):
        build().restore(arrays, meta)
    with pytest.raises(WrongWeights, match=message):
        learner.restore(arrays, meta)

    assert same(before[0], learner.save()[0])
