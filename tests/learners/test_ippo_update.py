"""The update around the loss: minibatches, early stop, schedule, refusals, several robots."""

from dataclasses import replace

import numpy as np
import pytest

from learners.protocol import LearnerError


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def steps_of(learner, monkeypatch):
    """What the learner's gradient steps are made over, from now on."""
    taken, step = [], learner._descent.step
    monkeypatch.setattr(learner._descent, "step", lambda rows, rate: taken.append(rows) or step(rows, rate))
    return taken


def test_every_epoch_takes_each_sample_once_in_a_new_order(build, make_rollout, monkeypatch):
    learner = build(epochs=3, minibatch=40)
    taken = steps_of(learner, monkeypatch)
    ticks = []

    learner.update(make_rollout(), lambda: ticks.append(1))  # 96 samples: three parts of 32

    assert [len(rows) for rows in taken] == [32] * 9
    assert len(ticks) == 9
    orders = [np.concatenate(taken[k : k + 3]) for k in (0, 3, 6)]
    assert not np.array_equal(orders[0], orders[1])
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(96))


def test_the_order_depends_on_seed_learner_and_version_alone(build, make_rollout, monkeypatch):
    def first_order(**who):
        learner = build(learner=who.get("learner", 0), seed=who.get("seed", 7))
        learner.version = who.get("version", 0)
        taken = steps_of(learner, monkeypatch)
        learner.update(make_rollout())
        return taken[0].tolist()

    assert first_order() == first_order()
    for other in ({"learner": 1}, {"seed": 8}, {"version": 1}):
        assert first_order(**other) != first_order()


def test_samples_are_in_the_order_of_the_rollout(build, make_rollout, samples):
    learner, rollout = build(network={"observation_scaling": "none"}), make_rollout(robots=(0, 2))
    taken = samples(learner, rollout)

    np.testing.assert_array_equal(taken.obs, rollout.obs[:, :-1].reshape(-1, 6))
    np.testing.assert_array_equal(taken.actions.ravel(), rollout.actions.ravel())
    np.testing.assert_array_equal(taken.log_probs, rollout.log_probs.ravel())
    np.testing.assert_allclose(
        taken.values, learner._network.values(learner.parameters, taken.obs), rtol=1e-4, atol=1e-6
    )


def test_diagnostics_are_named_and_finite(build, make_rollout):
    figures = build().update(make_rollout())

    assert set(figures) == {
        "policy_loss",
        "value_loss",
        "entropy",
        "kl",
        "clip_fraction",
        "explained_variance",
        "grad_norm",
        "learning_rate",
        "reward_mean",
    }
    assert all(isinstance(value, float) and np.isfinite(value) for value in figures.values())
    assert figures["reward_mean"] == pytest.approx(make_rollout().rewards.mean(), rel=1e-5)


def test_target_kl_stops_after_the_epoch_that_exceeds_it(build, make_rollout):
    def steps(**settings):
        ticks = []
        build(epochs=5, minibatch=96, learning_rate=0.05, **settings).update(make_rollout(), lambda: ticks.append(1))
        return len(ticks)

    assert steps() == 5
    assert steps(target_kl=1e9) == 5
    assert 1 <= steps(target_kl=1e-9) < 5


def test_the_schedule_moves_the_step_size(build, make_rollout):
    learner = build(lr_schedule="linear", lr_horizon=2, learning_rate=0.01)

    rates = [learner.update(make_rollout(seed))["learning_rate"] for seed in range(3)]

    assert rates == [0.01, 0.005, 0.0]


def test_a_step_size_of_zero_leaves_the_weights(build, make_rollout):
    learner = build(lr_schedule="linear", lr_horizon=1)
    learner.update(make_rollout())
    before = learner.weights()

    learner.update(make_rollout(1))

    assert same(before, learner.weights())


@pytest.mark.parametrize("name", ["rewards", "log_probs", "obs", "final_obs"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_rollout_that_is_not_finite_is_refused_by_name_with_nothing_changed(build, make_rollout, name, bad):
    learner, rollout = build(), make_rollout()
    learner.update(rollout)
    before, meta = learner.save()
    array = getattr(rollout, name).astype(np.float32)
    array.flat[3] = bad

    with pytest.raises(LearnerError, match=f"{name} is not finite"):
        learner.update(replace(rollout, **{name: array}))

    assert same(before, learner.save()[0])
    assert meta == learner.save()[1]


def test_an_update_that_leaves_the_finite_numbers_is_undone(build, make_rollout):
    learner, rollout = build(), make_rollout()
    learner.update(rollout)
    before, meta = learner.save()

    with pytest.raises(LearnerError, match="update 2 left the finite numbers"):
        learner.update(replace(rollout, rewards=np.full_like(rollout.rewards, 1e30)))

    assert same(before, learner.save()[0])
    assert meta == learner.save()[1]
    learner.update(rollout)


@pytest.mark.parametrize("name", ["actions", "log_probs", "rewards", "terminated", "truncated", "final_obs"])
def test_a_rollout_of_other_shapes_is_refused_by_name(build, make_rollout, name):
    rollout = make_rollout()

    with pytest.raises(LearnerError, match=name):
        build().update(replace(rollout, **{name: getattr(rollout, name)[:, 1:]}))


def test_a_rollout_of_another_world_is_refused(build, make_rollout):
    rollout = make_rollout()

    with pytest.raises(LearnerError, match="obs has shape"):
        build().update(replace(rollout, obs=rollout.obs[..., 1:]))
    with pytest.raises(LearnerError, match="action 5"):
        build().update(replace(rollout, actions=np.full_like(rollout.actions, 5)))


def test_several_robots_are_more_samples(build, make_rollout):
    """Two robots' rollouts are learned from like one robot's rollout in twice as many copies."""
    rollout = make_rollout(robots=(0, 1))
    ended = ~rollout.truncated  # without truncations, whose final observations come in another order
    pair = replace(rollout, truncated=np.zeros_like(ended), final_obs=rollout.final_obs[:0])
    wide = replace(
        pair,
        robots=(0,),
        **{
            name: np.concatenate(list(getattr(pair, name)), axis=1)[None]
            for name in ("obs", "actions", "log_probs", "rewards", "terminated", "truncated")
        },
    )
    two, one = build(epochs=1, minibatch=1000), build(epochs=1, minibatch=1000)

    a, b = two.update(pair), one.update(wide)

    assert a == pytest.approx(b, rel=1e-4, abs=1e-6)


def test_value_of_a_truncated_robot_comes_from_its_own_final_observation(build, make_rollout):
    learner, rollout = build(), make_rollout(robots=(0, 2))
    cut = rollout.truncated & ~rollout.terminated
    which = 2
    changed = rollout.final_obs.copy()
    changed[which] = -changed[which] + 1
    r, t, e = (axis[which] for axis in np.nonzero(cut))

    difference = learner.targets(rollout)[2] - learner.targets(replace(rollout, final_obs=changed))[2]

    touched = np.argwhere(np.abs(difference) > 0)
    assert (touched[:, 0] == r).all()
    assert (touched[:, 2] == e).all()
    assert touched[:, 1].max() == t


@pytest.mark.parametrize("network", [{"share_trunk": True}, {"activation": "relu"}, {"hidden": [8]}])
@pytest.mark.parametrize("scaling", ["none", "range", "running"])
def test_every_network_learns_without_complaint(build, make_rollout, network, scaling):
    learner = build(network={**network, "observation_scaling": scaling}, value_clip=0.2, max_grad_norm=None)
    before = learner.weights()

    learner.update(make_rollout())

    assert learner.version == 1
    assert not same(before, learner.weights())


def test_running_scaling_changes_after_the_update_that_saw_the_rollout(build, make_rollout):
    learner, rollout = build(network={"observation_scaling": "running"}), make_rollout()
    as_range = build(network={"observation_scaling": "range"})
    a, b = learner.update(rollout), as_range.update(rollout)

    assert a == b
    np.testing.assert_array_equal(learner.weights()["actor.0.weight"], as_range.weights()["actor.0.weight"])
    np.testing.assert_allclose(learner.weights()["obs.mean"], rollout.obs[:, :-1].mean((0, 1, 2)), rtol=1e-5)
