"""The joint policy: one robot's choice is the next one's input, in acting as in learning."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from actors.acting import uniforms
from actors.joint import JointPolicy
from actors.stacked import StackedPolicy
from fleet.core.config import NetworkConfig
from fleet.core.spec import RolloutBatch, WorldSpec
from learners.central import Learning
from learners.joint_state import JointStates

COPIES = 64


def states_of(learner, rollout, spec):
    return JointStates(rollout, spec.robots, *learner.parts.scaling(spec.robots))


def acted(policy, rollout, missing, blind):
    """The rollout with the policy's own actions, and without the robots `missing`, who see zeros, as the `blind` do."""
    robots, steps, copies = rollout.actions.shape
    rollout.obs[[*missing, *blind]] = 0
    for t in range(steps):
        drawn = np.random.default_rng(t).random((robots, copies), dtype=np.float32)
        rollout.actions[:, t], rollout.log_probs[:, t] = policy.act(rollout.obs[:, t], drawn)
    kept = [robot for robot in range(robots) if robot not in missing]
    parts = {name: getattr(rollout, name)[kept] for name in ("obs", "actions", "log_probs", "rewards", "terminated")}
    nowhere = np.zeros_like(parts["terminated"])
    return replace(rollout, robots=tuple(kept), truncated=nowhere, final_obs=rollout.final_obs[:0], **parts)


@pytest.mark.slow
@pytest.mark.parametrize("scaling", ["none", "range", "running"])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize(("missing", "blind"), [((), ()), ((1,), ()), ((0, 2), ()), ((), (0,)), ((2,), (1,))])
def test_the_learner_gives_the_joint_action_the_probability_the_actor_gave(
    build_central, make_rollout, spec, scaling, activation, missing, blind
):
    network = {"hidden": [16, 16], "observation_scaling": scaling, "activation": activation}
    learner = build_central("joint", network=network, learning_rate=0.05, entropy_coef=0)
    for seed in range(3):
        learner.update(make_rollout(seed, robots=(0, 1, 2)))
    policy = JointPolicy(spec, NetworkConfig.model_validate(network))
    policy.load(range(3), learner.weights())
    rollout = acted(policy, make_rollout(9, robots=(0, 1, 2)), missing, blind)

    states, rows = states_of(learner, rollout, spec), np.arange(96)
    samples = learner.targets(rollout, states)[-1]
    present, scaled = learner.parts.actors[states.present], states.scaled(rows)
    log_pi = learner.log_policies(present, states, rows, scaled, samples.actions)
    theirs = log_pi.gather(1, samples.actions.T[:, None])[:, 0].view(rollout.actions.shape)

    np.testing.assert_allclose(theirs, rollout.log_probs, atol=1e-4)
    np.testing.assert_allclose(samples.log_probs, rollout.log_probs.sum(0).ravel(), rtol=1e-5)
    assert rollout.log_probs.std() > 0.1


def test_a_later_robot_knows_what_an_earlier_one_did_and_not_the_reverse(build_central, make_rollout, spec):
    learner, rollout = build_central("joint", learning_rate=0.05), make_rollout(0, robots=(0, 1, 2))
    learner.update(rollout)
    states, rows = states_of(learner, rollout, spec), np.arange(96)
    actions = learner.targets(rollout, states)[-1].actions

    def policies(actions):
        return learner.log_policies(learner.parts.actors, states, rows, states.scaled(rows), actions)

    before = policies(actions)
    for robot in range(3):
        other = actions.clone()
        other[:, robot] = (other[:, robot] + 1) % 5
        changed = (policies(other) != before).any(2).any(1).tolist()
        assert changed == [later > robot for later in range(3)]


def test_the_loss_is_ppos_of_the_joint_action_and_the_mean_reward(build_central, make_rollout, spec):
    learner = build_central("joint", value_norm=False)
    rollout = make_rollout(0, robots=(0, 1, 2))
    states, rows = states_of(learner, rollout, spec), np.arange(96)
    values, advantages, returns, samples = learner.targets(rollout, states)
    total, (policy_loss, value_loss, entropy, *_) = learner.loss(
        learner.parts.leaves(learning_of(states)), states, rows, samples
    )
    log_pi = learner.log_policies(learner.parts.actors, states, rows, states.scaled(rows), samples.actions)
    log_prob = sum(log_pi[robot, samples.actions[:, robot], range(96)] for robot in range(3))
    ratio = (log_prob - torch.tensor(rollout.log_probs.sum(0).ravel())).exp()
    scaled = torch.tensor((advantages.ravel() - advantages.mean()) / (advantages.std() + 1e-8))
    expected = -torch.min(ratio * scaled, ratio.clamp(0.8, 1.2) * scaled).mean()
    assert policy_loss.item() == pytest.approx(expected.item(), rel=1e-4)
    assert value_loss.item() == pytest.approx(0.5 * np.square(values[:-1] - returns).mean(), rel=1e-4)
    assert total.item() == pytest.approx((expected + 0.5 * value_loss - 0.03 * entropy).item(), rel=1e-4)

    shifted = rollout.rewards.copy()
    shifted[0] += 1
    shifted[1:] -= 0.5
    again = learner.targets(replace(rollout, rewards=shifted), states)[1]
    np.testing.assert_allclose(again, advantages, atol=1e-4)


def learning_of(states):
    return Learning(torch.from_numpy(states.present), torch.empty(0, dtype=torch.int64))


def play(policy, seed, number):
    """One step of a stag hunt in all copies: 0 pays 3; 1 pays 5 if the other does it too, and -10 if not."""
    obs = np.ones((2, 2, COPIES, 1), np.int8)
    actions, log_probs = policy.act(obs[:, 0], uniforms(seed, [0, 1], number, 1, COPIES)[0])
    pays = np.where(actions == 0, 3, np.where(actions[::-1] == 1, 5, -10)).astype(np.float32)
    step = (2, 1, COPIES)
    return RolloutBatch(
        robots=(0, 1),
        obs=obs,
        actions=actions[:, None],
        log_probs=log_probs[:, None],
        rewards=pays[:, None],
        terminated=np.ones(step, np.bool_),
        truncated=np.zeros(step, np.bool_),
        final_obs=obs[0, 0, :0],
    )


def hunted(policy, load, update, seed):
    """Whether both robots' best action is 1 after training."""
    for number in range(40):
        load()
        update(play(policy, seed, number))
    load()
    return bool((policy.greedy(np.ones((2, COPIES, 1), np.int8)) == 1).all())


@pytest.mark.slow
def test_a_joint_policy_commits_to_what_is_only_good_together_and_independent_learners_do_not(build, build_central):
    """Alone, whoever dares before the other does pays for it, and both settle for what is safe."""
    spec = WorldSpec(2, COPIES, 1, np.dtype(np.int8), 2, np.ones(1, np.float32))
    settings = {"spec": spec, "learning_rate": 0.01, "minibatch": 64}
    network = NetworkConfig.model_validate({"hidden": [16, 16]})
    joint, alone = [], []
    for seed in range(4):
        learner, policy = build_central("joint", seed=seed, **settings), JointPolicy(spec, network)

        def load_joint(policy=policy, learner=learner):
            policy.load([0, 1], learner.weights())

        joint.append(hunted(policy, load_joint, learner.update, seed))
        pair, apart = [build(k, seed=seed, **settings) for k in range(2)], StackedPolicy(spec, network)

        def load(apart=apart, pair=pair):
            for robot, one in enumerate(pair):
                apart.load([robot], one.weights())

        def update(rollout, pair=pair):
            for robot, one in enumerate(pair):
                parts = ("obs", "actions", "log_probs", "rewards", "terminated", "truncated")
                own = {name: getattr(rollout, name)[robot : robot + 1] for name in parts}
                one.update(replace(rollout, robots=(robot,), **own))

        alone.append(hunted(apart, load, update, seed))
    assert all(joint)
    assert not any(alone)
