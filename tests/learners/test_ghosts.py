"""What independent Q-learners have against ghosts: fingerprints, leniency, and a figure that shows them."""

import math

import numpy as np
import pytest

from actors.valued import ValuedPolicy
from fleet.core.config import Config
from fleet.core.config.load import ConfigError, load_config
from learners import fingerprint
from learners.build import build_learner
from learners.diagnostics import ghost_gap
from learners.protocol import WrongWeights
from learners.rollouts import owned
from learners.schedule import forgiveness
from learners.values import Values

NETWORK = {"hidden": [8]}
SMALL = {"warmup": 50, "batch": 16, "steps_per_update": 3, "target_every": 4, "explore_updates": 6}


@pytest.fixture
def learn(spec):
    def make(scaling="range", **replay):
        tables = {
            "run": {"rounds": 10},
            "world": {"map": "rware-tiny-2ag"},
            "network": {**NETWORK, "observation_scaling": scaling},
            "learner": {"algorithm": "iql", "learning_rate": 0.01},
        }
        config = Config.model_validate(tables)
        # beyond what a config may say, so that the memory is full after three rollouts
        changed = config.replay.model_copy(update=SMALL | {"capacity": 250} | replay)
        made = build_learner(config.model_copy(update={"replay": changed}), spec, 0)
        assert isinstance(made, Values)
        return made

    return make


def acting(spec, weights):
    policy = ValuedPolicy(spec, Config.model_validate({"world": {"map": "rware-tiny-2ag"}, "network": NETWORK}).network)
    policy.load([0], {name: weights[name] for name in policy.names})
    return lambda obs: policy._values.logits(np.repeat(obs, spec.robots, 0))[0].copy()


def test_a_fingerprint_is_the_share_of_random_actions_and_of_the_run(learn):
    settings = learn(explore_start=0.9, explore_end=0.1, explore_updates=4).replaying
    found = fingerprint.fingerprints(np.array([0, 2, 12]), settings, 10)
    assert found == pytest.approx(np.array([[0.9, 0.0], [0.5, 0.2], [0.1, 1.0]]))
    assert found.dtype == np.float32


@pytest.mark.parametrize("scaling", ["range", "running"])
@pytest.mark.parametrize("published", [True, False])
def test_the_actors_values_are_the_learners_with_the_fingerprint_behind_what_is_seen(
    learn, make_rollout, spec, scaling, published
):
    """Also with what is in a checkpoint. Broken by a fingerprint of the version before, and by columns interchanged."""
    learner = learn(scaling, fingerprint=True)
    for number in range(3):
        learner.update(make_rollout(number))
    obs = make_rollout(7).obs[:, 0]
    seen = learner._normalizer.apply_(owned(obs)).numpy()
    now = np.array([learner.explore(), 3 / 10], np.float32)
    inputs = np.concatenate([seen, np.broadcast_to(now, (*seen.shape[:2], 2))], -1)
    theirs = learner.team.values(learner.parameters, owned(inputs)).numpy()
    act = acting(spec, learner.weights() if published else learner.save()[0])
    np.testing.assert_allclose(act(obs), theirs[0], atol=1e-4)
    assert learner.weights().keys() == learn().weights().keys()


def test_each_step_is_learned_with_its_own_fingerprint(learn, make_rollout, monkeypatch):
    """What it led to as well. Broken by the fingerprint of now for all."""
    learner, drawn, seen = learn(fingerprint=True, steps_per_update=1), [], []
    sample, values = learner.memory.sample, learner.team.values

    def sampled(*given):
        drawn.append(sample(*given))
        return drawn[-1]

    def valued(parameters, obs):
        seen.append(obs.numpy().copy())
        return values(parameters, obs)

    monkeypatch.setattr(learner.memory, "sample", sampled)
    monkeypatch.setattr(learner.team, "values", valued)
    for number in range(3):
        learner.update(make_rollout(number))
    wanted = fingerprint.fingerprints(drawn[-1].versions, learner.replaying, 10)
    assert len(np.unique(wanted, axis=0)) == 3
    for inputs in seen[-3:]:  # by the target and by the weights what followed, and what was seen
        np.testing.assert_array_equal(inputs[0, :, -2:], wanted)


@pytest.mark.parametrize(
    "replay",
    [
        {"fingerprint": True, "n_step": 3},
        {"leniency": 2.0, "leniency_decay": 0.8},
        {"fingerprint": True, "leniency": 5.0, "n_step": 4},
    ],
)
def test_one_restored_goes_on_as_one_never_stopped(learn, make_rollout, replay):
    never, stopped = learn("running", **replay), learn("running", **replay)
    for number in range(5):
        fresh = learn("running", **replay)
        fresh.restore(*stopped.save())
        stopped = fresh
        rollout = make_rollout(number)
        assert never.update(rollout) == stopped.update(rollout)
        (left, counts), (right, others) = never.save(), stopped.save()
        assert counts == others
        for name, array in left.items():
            np.testing.assert_array_equal(array, right[name], name)


@pytest.mark.parametrize(("theirs", "ours"), [(True, True), (True, False), (False, True)])
def test_a_start_from_others_acts_as_they_last_did_whatever_the_time(learn, make_rollout, spec, theirs, ours):
    source, learner = learn("none", fingerprint=theirs), learn(fingerprint=ours)
    for number in range(4):
        source.update(make_rollout(number))
    learner.start_from(source.save()[0])
    obs = make_rollout(7).obs[:, 0]
    wanted = acting(spec, source.weights())(obs)
    np.testing.assert_allclose(acting(spec, learner.weights())(obs), wanted, atol=2e-4)
    learner.version = 9
    np.testing.assert_allclose(acting(spec, learner.weights())(obs), wanted, atol=2e-4)


def test_a_checkpoint_without_fingerprints_is_another_networks(learn):
    with pytest.raises(WrongWeights, match=r"missing \['fingerprint.bias', 'fingerprint.weight'\]"):
        learn(fingerprint=True).restore(*learn().save())


def test_forgiving_falls_with_updates():
    """Palmer et al.'s equation 5, whatever its temperature."""
    assert forgiveness(0.0, 0.9, 3) == 0
    assert forgiveness(2.0, 0.9, 3) == pytest.approx(1 - math.exp(-2.0 * 0.9**3))
    assert forgiveness(2.0, 1.0, 500) == pytest.approx(1 - math.exp(-2.0))


@pytest.mark.parametrize(
    ("lenient", "hysteretic"),
    [
        ({"leniency": 1000.0, "leniency_decay": 1.0}, {"hysteresis": 0.0}),
        ({"leniency": 1e-300, "leniency_decay": 1.0}, {"hysteresis": 1.0}),
    ],
)
def test_who_forgives_all_or_nothing_is_hysteretic(learn, make_rollout, lenient, hysteretic):
    """The former never follows a falling value, the latter always does. Draws beside a batch's don't change the next's
    only where there is one gradient step an update."""
    one, other = learn(steps_per_update=1, **lenient), learn(steps_per_update=1, **hysteretic)
    for number in range(4):
        assert one.update(make_rollout(number)) == other.update(make_rollout(number))
    assert one.parameters.equal(other.parameters)


def test_so_many_errors_are_forgiven(learn):
    learner = learn(batch=20_000, leniency=1.5, leniency_decay=0.5)
    learner.version = 1
    kept = learner._falling(np.random.default_rng(0)).numpy()
    assert set(kept.tolist()) == {0.0, 1.0}
    assert kept.mean() == pytest.approx(math.exp(-0.75), abs=0.01)


@pytest.mark.parametrize(
    ("errors", "versions", "gap"),
    [
        ([5.0, 1.0, 2.0, 9.0, 3.0, 0.0], [1, 8, 5, 2, 6, 9], 7.0 - 0.5),
        ([5.0, 1.0, 2.0, 9.0, 3.0, 0.0], [1, 8, 8, 1, 1, 9], 17.0 / 3 - 1.0),  # all that are as old
        ([5.0, 1.0, 2.0], [4, 4, 4], 0.0),
        ([5.0, 1.0], [1, 2], 0.0),
        ([5.0, 1.0, 2.0, 9.0, 3.0, 0.0], [1, 1, 1, 1, 2, 2], 17.0 / 4 - 1.5),
        ([5.0, 1.0, 2.0, 9.0, 3.0, 0.0], [1, 1, 1, 1, 1, 2], 0.0),
    ],
)
def test_the_ghost_gap_is_what_old_steps_are_worse_fitted_by(errors, versions, gap):
    assert ghost_gap(np.array(errors, np.float32), np.array(versions)) == pytest.approx(gap)


def test_the_ghost_gap_is_a_figure_of_the_update(learn, make_rollout):
    learner = learn()
    gaps = [learner.update(make_rollout(number))["ghost_gap"] for number in range(4)]
    assert gaps[0] == 0
    assert all(gap != 0 for gap in gaps[2:])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["replay.leniency=-1"], "replay.leniency = -1; allowed: 0 to 1000"),
        (["replay.leniency_decay=1.5"], "replay.leniency_decay = 1.5; allowed: above 0 to 1"),
        (["replay.leniency=2", "replay.hysteresis=0.5"], "leniency = 2.0 with hysteresis = 0.5: both forgive"),
        (
            ["learner.algorithm=vdn", "mapping=central", "replay.fingerprint=true"],
            'replay.fingerprint = true with algorithm = "vdn".*allowed is algorithm = "iql"',
        ),
        (
            ["learner.algorithm=qmix", "mapping=central", "replay.leniency=2"],
            'replay.leniency = 2.0 with algorithm = "qmix"',
        ),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, said):
    with pytest.raises(ConfigError, match=said):
        load_config("demo", settings)
