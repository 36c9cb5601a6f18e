"""A learner of VDN or QMIX as its process has it: update, save, restore; what it publishes and what it refuses."""

import numpy as np
import pytest

from actors.valued import ValuedPolicy
from fleet.core.config import Config
from learners.build import build_learner
from learners.protocol import LearnerError, WrongWeights
from learners.rollouts import owned
from learners.schedule import exploration
from learners.values import Values

ROBOTS = (0, 1, 2)
# beyond what a config may say, so that the memory is full after two or three rollouts
SMALL = {"capacity": 250, "warmup": 100, "batch": 16, "steps_per_update": 3, "target_every": 4, "explore_updates": 4}


@pytest.fixture
def learn(spec):
    def make(algorithm="vdn", actors="separate", network=None, replay=None, **learner):
        tables = {
            "world": {"map": "rware-tiny-2ag"},
            "mapping": "central",
            "network": {"hidden": [8], **(network or {})},
            "learner": {"algorithm": algorithm, "actors": actors, "learning_rate": 0.01, **learner},
        }
        config = Config.model_validate(tables)
        changed = config.replay.model_copy(update=SMALL | (replay or {}))
        made = build_learner(config.model_copy(update={"replay": changed}), spec, 0)
        assert isinstance(made, Values)
        return made

    return make


def same(left, right):
    assert left[1] == right[1]
    assert left[0].keys() == right[0].keys()
    for name, array in left[0].items():
        np.testing.assert_array_equal(array, right[0][name], name)


@pytest.mark.parametrize(("algorithm", "actors"), [("vdn", "shared"), ("qmix", "separate")])
@pytest.mark.parametrize("scaling", ["range", "running"])
def test_one_restored_goes_on_as_one_never_stopped(learn, make_rollout, algorithm, actors, scaling):
    """Whatever the memory holds, partly or all over, and whoever was offline."""
    settings = (algorithm, actors, {"observation_scaling": scaling})
    never, stopped = learn(*settings), learn(*settings)
    for number, robots in enumerate([ROBOTS, (1,), ROBOTS, (0, 2), ROBOTS]):
        fresh = learn(*settings)
        fresh.restore(*stopped.save())
        stopped = fresh
        rollout = make_rollout(number, robots)
        assert never.update(rollout) == stopped.update(rollout)
        same(never.save(), stopped.save())
    for name, array in never.weights().items():
        np.testing.assert_array_equal(array, stopped.weights()[name])


def test_figures_are_finite_and_say_how_old_the_steps_are(learn, make_rollout):
    learner, ticks = learn(), []
    sizes = []
    for number in range(4):
        figures = learner.update(make_rollout(number, ROBOTS), lambda: ticks.append(1))
        assert np.isfinite(list(figures.values())).all()
        assert 0 <= figures["replay_age"] <= number
        assert figures["reward_mean"] == pytest.approx(make_rollout(number, ROBOTS).rewards.mean(), abs=1e-6)
        sizes.append(figures["replay_size"])
    assert sizes[0] == 24 * 4
    assert figures["replay_age"] > 0
    assert figures["td_loss"] > 0
    assert len(ticks) == 4 * 3


def test_nothing_is_learned_before_the_warmup_but_explored_less(learn, make_rollout):
    learner = learn(replay={"warmup": 200})
    first = learner.parameters.clone()
    for number, figures in enumerate(learner.update(make_rollout(number, ROBOTS)) for number in range(2)):
        assert learner.version == number + 1
        assert figures["explore"] == exploration(1.0, 0.05, 4, number)
        learned = not learner.parameters.equal(first)
        assert learned == (number == 1) == (figures["td_loss"] > 0)


def test_the_targets_weights_are_copied_every_so_many_gradient_steps(learn, make_rollout):
    learner = learn()  # three steps an update, a copy every four
    targets, parameters = [], []
    for number in range(4):
        learner.update(make_rollout(number, ROBOTS))
        targets.append(learner.target.clone())
        parameters.append(learner.parameters.clone())
    assert not targets[0].equal(targets[1])  # after step 4, of 6
    assert not targets[1].equal(parameters[1])
    assert targets[3].equal(parameters[3])  # after step 12


def test_each_update_draws_other_steps(learn, make_rollout):
    first, later = learn(), learn()
    later.version = 7
    losses = [one.update(make_rollout(0, ROBOTS))["td_loss"] for one in (first, later)]
    assert losses[0] != losses[1]


def test_exploration_falls_linearly_and_then_stays():
    assert [exploration(0.9, 0.1, 4, version) for version in (0, 1, 4, 9)] == pytest.approx([0.9, 0.7, 0.1, 0.1])


@pytest.mark.parametrize(("actors", "leading"), [("separate", (3,)), ("shared", ())])
def test_actors_can_act_with_what_is_published_and_with_what_is_saved(learn, make_rollout, spec, actors, leading):
    learner = learn("qmix", actors)
    learner.update(make_rollout(0, ROBOTS))
    policy = ValuedPolicy(spec, learner_network())
    published, saved = learner.weights(), learner.save()[0]
    assert published.keys() == policy.names
    assert published["explore"].shape == leading
    assert {array.dtype for array in published.values()} == {np.dtype(np.float32)}
    obs, uniforms = make_rollout(1, ROBOTS).obs[:, 0], np.random.default_rng(0).random((3, 4))
    policy.load(ROBOTS, published)
    chosen = policy.act(obs, uniforms)
    policy.load(ROBOTS, {name: saved[name] for name in saved if name in policy.names})
    for now, then in zip(policy.act(obs, uniforms), chosen, strict=True):
        np.testing.assert_array_equal(now, then)


def learner_network():
    return Config.model_validate({"world": {"map": "rware-tiny-2ag"}, "network": {"hidden": [8]}}).network


def test_the_actors_values_are_the_learners(learn, make_rollout, spec):
    learner = learn(network={"observation_scaling": "running"})
    for number in range(3):
        learner.update(make_rollout(number, ROBOTS))
    policy = ValuedPolicy(spec, learner_network())
    policy.load(ROBOTS, learner.weights())
    obs = make_rollout(7, ROBOTS).obs[:, 0]
    seen = learner._normalizer.apply_(owned(obs))
    theirs = learner.team.values(learner.parameters, seen).numpy()
    np.testing.assert_allclose(policy._values.logits(obs), theirs, atol=1e-4)


def test_an_update_that_leaves_the_finite_numbers_changes_nothing(learn, make_rollout):
    learner = learn("qmix", learning_rate=1.0, max_grad_norm=None)
    for number in range(3):
        learner.update(make_rollout(number, ROBOTS))
    before = learner.save()
    broken = make_rollout(5, ROBOTS)
    broken.rewards[:] = 3e38
    with pytest.raises(LearnerError, match="update 4 left the finite numbers"):
        learner.update(broken)
    same(learner.save(), before)
    broken.rewards[0, 0, 0] = np.nan
    with pytest.raises(LearnerError, match="rewards is not finite"):
        learner.update(broken)
    same(learner.save(), before)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"algorithm": "ippo"}, "algorithm 'ippo'; wanted 'vdn'"),
        ({"version": -1}, r"version, adam_steps = \[-1, 3\]"),
        ({"replay": None}, "goes on at None"),
    ],
)
def test_another_checkpoint_is_refused_with_nothing_changed(learn, make_rollout, change, said):
    source, learner = learn(), learn()
    source.update(make_rollout(0, ROBOTS))
    learner.update(make_rollout(1, ROBOTS))
    before = learner.save()
    arrays, meta = source.save()
    with pytest.raises(WrongWeights, match=said):
        learner.restore(arrays, meta | change)
    with pytest.raises(WrongWeights, match="memory of another learner: obs is missing"):
        learner.restore({name: array for name, array in arrays.items() if name != "replay.obs"}, meta)
    with pytest.raises(WrongWeights, match="actor.0.weight has shape"):
        learner.restore(*learn(actors="shared").save())
    same(learner.save(), before)


@pytest.mark.parametrize("actors", ["separate", "shared"])
@pytest.mark.parametrize(("theirs", "ours"), [("none", "range"), ("running", "running"), ("range", "none")])
def test_a_start_from_other_networks_acts_as_they_did_and_learns_afresh(
    learn, make_rollout, spec, theirs, ours, actors
):
    source = learn(actors=actors, network={"observation_scaling": theirs})
    for number in range(3):
        source.update(make_rollout(number, ROBOTS))
    learner = learn(actors=actors, network={"observation_scaling": ours})
    learner.start_from(source.save()[0])
    assert (learner.version, learner.memory.filled, learner.explore()) == (0, 0, 1.0)
    assert learner.target.equal(learner.parameters)
    obs, values = make_rollout(7, ROBOTS).obs[:, 0], []
    for one in (source, learner):
        policy = ValuedPolicy(spec, learner_network())
        policy.load(ROBOTS, one.weights())
        values.append(policy._values.logits(obs).copy())
    np.testing.assert_allclose(values[1], values[0], atol=2e-4)
    with pytest.raises(WrongWeights, match=r"missing .*mixer"):
        learn("qmix", actors).start_from(source.save()[0])
