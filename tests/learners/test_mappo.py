"""MAPPO against a slow version: one torch module per actor, one for the critic, loops over robots and time."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from learners.central import Rates
from learners.joint_state import JointStates
from learners.mappo import Samples
from learners.protocol import LearnerError, WrongWeights

VARIANTS = [
    {},
    {"actors": "shared", "network": {"activation": "relu"}},
    {"advantage": "team", "value_clip": 0.1},
    {"network": {"observation_scaling": "running", "critic_hidden": [24]}, "value_norm": False, "entropy_coef": 0.1},
    {"actors": "shared", "normalize_advantage": False, "network": {"observation_scaling": "none", "hidden": [8]}},
]


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def module(arrays, part, activation, place=None):
    """The network `part` of what a learner saved, of the actor in `place` if there are several."""
    layers, k = [], 0
    while f"{part}.{k}.weight" in arrays:
        weight, bias = (torch.tensor(arrays[f"{part}.{k}.{what}"]) for what in ("weight", "bias"))
        if place is not None:
            weight, bias = weight[place], bias[place]
        linear = nn.Linear(*weight.shape)
        linear.weight, linear.bias = nn.Parameter(weight.T.clone()), nn.Parameter(bias.clone())
        layers += [linear, nn.Tanh() if activation == "tanh" else nn.ReLU()]
        k += 1
    return nn.Sequential(*layers[:-1])


def gradients(network):
    return [g for linear in network if isinstance(linear, nn.Linear) for g in (linear.weight.grad.T, linear.bias.grad)]


def states_of(learner, rollout, spec):
    return JointStates(rollout, spec.robots, *learner.parts.scaling(spec.robots))


def slow_scaled(learner, rollout, spec):
    """Scaled states (T+1, E, N, D), zeros where a robot is missing as the world shows it."""
    arrays = learner.save()[0]
    raw = np.zeros((*rollout.obs.shape[1:3], spec.robots, spec.observation_size), np.float32)
    for place, robot in enumerate(rollout.robots):
        raw[:, :, robot] = rollout.obs[place]
    return torch.tensor((raw - arrays["obs.mean"]) * arrays["obs.scale"])


@pytest.mark.parametrize("settings", VARIANTS)
@pytest.mark.parametrize("robots", [(0, 1, 2), (2,), (0, 2)])
def test_the_gradient_is_the_slow_versions(build_central, make_rollout, spec, settings, robots):
    learner = build_central("mappo", **settings)
    learner.update(make_rollout(1))
    learner.update(make_rollout(2, robots=(0, 1, 2)))
    rollout, cfg, arrays = make_rollout(3, robots=robots), learner.settings, learner.save()[0]
    states = states_of(learner, rollout, spec)
    samples = learner.targets(rollout, states)[-1]
    rows = np.random.default_rng(0).permutation(96)[:40]
    batch = Samples._make(column[rows] for column in samples)
    leaves = learner.parts.leaves(learner._learning(states))
    total, figures = learner.loss(leaves, states.scaled(rows), states.present, batch)
    of_actors, of_critic = torch.autograd.grad(total, leaves)

    activation = settings.get("network", {}).get("activation", "tanh")
    shared, team = cfg.actors == "shared", cfg.advantage == "team"
    critic = module(arrays, "critic", activation)
    actors = {r: module(arrays, "actor", activation, None if shared else r) for r in ([0] if shared else robots)}
    scaled = slow_scaled(learner, rollout, spec)[:-1].flatten(0, 1)[rows]
    values = critic(scaled.flatten(1))
    log_pi = {r: torch.log_softmax(actors[0 if shared else r](scaled[:, r]), 1) for r in robots}
    columns = {robot: [column[:, place] for column in batch] for place, robot in enumerate(robots)}

    def policy_loss(log_pi, actions, log_probs, advantages):
        if cfg.normalize_advantage:
            advantages = (advantages - advantages.mean()) / (advantages.std(correction=0) + 1e-8)
        ratio = (log_pi[range(len(actions)), actions] - log_probs).exp()
        clipped = ratio.clamp(0.8, 1.2)
        entropy = -(log_pi.exp() * log_pi).sum(1).mean()
        return -torch.min(ratio * advantages, clipped * advantages).mean() - cfg.entropy_coef * entropy

    if shared:
        together = [torch.cat([columns[r][k] for r in robots]) for k in range(3)]
        expected = policy_loss(torch.cat([log_pi[r] for r in robots]), *together)
    else:
        expected = sum(policy_loss(log_pi[r], *columns[r][:3]) for r in robots)
    errors = []
    for robot in robots:
        *_, returns, before = columns[robot]
        value = values[:, 0 if team else robot]
        error = (value - returns) ** 2
        if cfg.value_clip:
            error = torch.max(error, (before + (value - before).clamp(-cfg.value_clip, cfg.value_clip) - returns) ** 2)
        errors.append(0.5 * error)
    expected = expected + cfg.value_coef * torch.stack(errors).mean()
    expected.backward()

    assert total.item() == pytest.approx(expected.item(), rel=1e-4, abs=1e-6)
    assert figures[1].item() == pytest.approx(torch.stack(errors).mean().item(), rel=1e-4)
    flat = torch.cat([g.flatten() for g in gradients(critic)])
    torch.testing.assert_close(of_critic, flat, rtol=1e-3, atol=1e-6)
    for place, actor in enumerate(actors.values()):
        flat = torch.cat([g.flatten() for g in gradients(actor)])
        torch.testing.assert_close(of_actors[place], flat, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("advantage", ["robot", "team"])
@pytest.mark.parametrize("robots", [(0, 1, 2), (0, 2)])
def test_advantages_bootstrap_from_the_joint_state_in_which_an_episode_was_cut_off(
    build_central, make_rollout, spec, advantage, robots
):
    """Of the robots whose episodes go on, that is what they see next."""
    learner = build_central("mappo", advantage=advantage)
    learner.update(make_rollout(0, robots=(0, 1, 2)))
    rollout, arrays = make_rollout(3, robots=robots), learner.save()[0]
    critic = module(arrays, "critic", "tanh")
    sums = arrays["value_norm"]
    mean, deviation = sums[0] / sums[2], np.sqrt(sums[1] / sums[2] - np.square(sums[0] / sums[2]))
    scaled = slow_scaled(learner, rollout, spec)
    cut = rollout.truncated & ~rollout.terminated
    finals = dict(zip(map(tuple, np.argwhere(cut).tolist()), rollout.final_obs.astype(np.float32), strict=True))
    rewards = np.broadcast_to(rollout.rewards.mean(0), cut.shape) if advantage == "team" else rollout.rewards

    def value(state, robot):
        output = 0 if advantage == "team" else robot
        with torch.no_grad():
            return critic(state.flatten())[output].item() * deviation[output] + mean[output]

    _, steps, copies = cut.shape
    expected = np.zeros(cut.shape)
    for place, robot in enumerate(robots):
        for e in range(copies):
            carry = 0.0
            for t in reversed(range(steps)):
                after = scaled[t + 1, e].clone()
                for other, who in enumerate(robots):
                    if cut[other, t, e]:
                        seen = finals[other, t, e] - arrays["obs.mean"][who]
                        after[who] = torch.tensor(seen * arrays["obs.scale"][who])
                if not cut[place, t, e]:
                    after = scaled[t + 1, e]
                worth = 0.0 if rollout.terminated[place, t, e] else value(after, robot)
                ended = rollout.terminated[place, t, e] or rollout.truncated[place, t, e]
                delta = rewards[place, t, e] + 0.99 * worth - value(scaled[t, e], robot)
                carry = delta + (0.0 if ended else 0.99 * 0.95 * carry)
                expected[place, t, e] = carry

    _, advantages, returns, samples = learner.targets(rollout, states_of(learner, rollout, spec))
    np.testing.assert_allclose(advantages, expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(samples.advantages.T.reshape(advantages.shape), advantages)
    np.testing.assert_array_equal(samples.actions.T.reshape(cut.shape), rollout.actions)
    scaled_returns = samples.returns.T.numpy()
    if advantage == "robot":  # a hundredth of new returns, so about centred
        assert np.abs(scaled_returns.mean(1)).max() < 1
    assert returns.shape == scaled_returns.reshape(cut.shape).shape


@pytest.mark.parametrize("scaling", ["range", "running"])
def test_one_robot_with_a_critic_of_its_own_is_ippo(build, build_central, make_rollout, spec, scaling):
    alone = replace(spec, robots=1)
    settings = {"network": {"observation_scaling": scaling}, "max_grad_norm": None, "spec": alone}
    ippo, mappo = build(**settings), build_central("mappo", value_norm=False, **settings)
    arrays, meta = mappo.save()
    theirs = ippo.save()[0]
    arrays |= {name: theirs[name][None] for name in theirs if name.startswith("actor")}
    arrays |= {name: theirs[name] for name in theirs if name.startswith("critic")}
    mappo.restore(arrays, meta)
    for seed in range(3):
        figures = mappo.update(make_rollout(seed))
        wanted = ippo.update(make_rollout(seed))
        for name in set(wanted) - {"grad_norm"}:
            assert figures[name] == pytest.approx(wanted[name], rel=2e-3, abs=1e-4), name
    for name, array in ippo.weights().items():
        np.testing.assert_allclose(mappo.weights()[name][0], array, rtol=2e-3, atol=1e-4, err_msg=name)


def test_actors_begin_as_independent_learners_would(build, build_central, spec):
    weights = build_central("mappo").weights()
    for robot in range(spec.robots):
        for name, array in build(learner=robot).weights().items():
            np.testing.assert_array_equal(weights[name][robot], array)
    shared = build_central("mappo", actors="shared").weights()
    assert {name: array.shape for name, array in shared.items()} == {
        name: array.shape for name, array in build().weights().items()
    }


def test_a_missing_robot_keeps_its_actor_its_outputs_and_their_moments(build_central, make_rollout):
    learner = build_central("mappo", network={"observation_scaling": "running"})
    learner.update(make_rollout(0, robots=(0, 1, 2)))
    before, meta = learner.save()
    learner.update(make_rollout(1, robots=(0, 2)))
    after, later = learner.save()
    for name in set(before) - {"value_norm"}:
        if not name.startswith(("critic", "adam.critic")):
            changed = [not np.array_equal(a, b) for a, b in zip(before[name], after[name], strict=True)]
            assert changed == [True, False, True], name
    for name in ("critic.2.weight", "critic.2.bias", "value_norm"):
        changed = [(before[name][..., k] != after[name][..., k]).any() for k in range(3)]
        assert changed == [True, False, True], name
    moments = [(a["adam.critic.m"][-3:], a["adam.critic.v"][-3:]) for a in (before, after)]  # the biases of the head
    for old, new in zip(*moments, strict=True):
        assert (old != new).tolist() == [True, False, True]
    assert (meta["adam_steps"], later["adam_steps"]) == ([12, 12, 12], [24, 12, 24])


def test_the_others_learn_as_if_nobody_were_missing(build_central, make_rollout):
    """In one step, before which nothing has moved."""
    rollout = make_rollout(0, robots=(0, 1, 2))
    rollout.obs[1] = 0  # as a missing robot's
    nowhere = np.zeros_like(rollout.truncated)
    whole = replace(rollout, truncated=nowhere, final_obs=rollout.final_obs[:0])
    steps = ("obs", "actions", "log_probs", "rewards", "terminated", "truncated")
    part = replace(whole, robots=(0, 2), **{name: getattr(whole, name)[[0, 2]] for name in steps})
    learners = [build_central("mappo", epochs=1, minibatch=96) for _ in range(2)]
    for learner, seen in zip(learners, (whole, part), strict=True):
        learner.update(seen)
    (a, b), fresh = (learner.weights()["actor.0.weight"] for learner in learners), build_central("mappo").weights()
    np.testing.assert_allclose(a[[0, 2]], b[[0, 2]], rtol=1e-4, atol=1e-6)
    assert [not np.array_equal(x, y) for x, y in zip(b, fresh["actor.0.weight"], strict=True)] == [True, False, True]


@pytest.mark.parametrize(("settings", "rate"), [({}, 3e-3 / 3**0.5), ({"critic_learning_rate": 2e-3}, 2e-3)])
def test_the_critics_step_size_falls_with_the_number_of_robots_unless_it_is_set(build_central, settings, rate):
    cfg = build_central("mappo", learning_rate=3e-3, lr_schedule="linear", **settings).settings
    assert Rates.at(cfg, 3, 4, 0) == pytest.approx((3e-3, rate))
    assert Rates.at(cfg, 3, 4, 1) == pytest.approx((0.75 * 3e-3, 0.75 * rate))


def test_another_robots_rewards_reach_an_actor_only_through_the_team(build_central, make_rollout):
    """In one update, whose advantages are known when it begins; later on also through the critic that they share."""

    def actors(advantage, shaken):
        learner = build_central("mappo", advantage=advantage, max_grad_norm=0.01)
        rollout = make_rollout(0, robots=(0, 1, 2))
        if shaken:
            rollout.rewards[0] += np.random.default_rng(1).normal(size=rollout.rewards[0].shape)
        learner.update(rollout)
        return learner.weights()["actor.0.weight"]

    for advantage, expected in (("robot", [True, False, False]), ("team", [True, True, True])):
        as_is, shaken = actors(advantage, False), actors(advantage, True)
        assert [not np.array_equal(a, b) for a, b in zip(as_is, shaken, strict=True)] == expected


@pytest.mark.parametrize("algorithm", ["mappo", "joint"])
def test_goes_on_from_what_it_saved_bit_for_bit(build_central, make_rollout, algorithm):
    settings = {"network": {"observation_scaling": "running"}, "lr_schedule": "linear"}
    learner, again = build_central(algorithm, **settings), build_central(algorithm, seed=7, **settings)
    learner.update(make_rollout(0, robots=(0, 1, 2)))
    learner.update(make_rollout(1, robots=(1,)))
    again.restore(*learner.save())
    ticks = []
    for seed, robots in ((2, (0, 2)), (3, (0, 1, 2))):
        a, b = learner.update(make_rollout(seed, robots=robots)), again.update(make_rollout(seed, robots=robots))
        learner.update(make_rollout(9, robots=robots), lambda: ticks.append(1))
        again.update(make_rollout(9, robots=robots))
        assert a == b
    assert same(learner.save()[0], again.save()[0])
    assert learner.save()[1] == again.save()[1]
    assert len(ticks) == 2 * 4 * 3


@pytest.mark.parametrize("algorithm", ["mappo", "joint"])
def test_what_is_not_for_it_is_refused_with_nothing_changed(build_central, make_rollout, algorithm):
    learner = build_central(algorithm, max_grad_norm=None)
    learner.update(make_rollout(0, robots=(0, 1, 2)))
    before, meta = learner.save()
    rollout = make_rollout(1, robots=(0, 1, 2))
    for robots in ((0, 1, 3), (0, 2, 1), (0, 1, 1)):
        with pytest.raises(LearnerError, match=r"robots .*; allowed are 0 to 2, in ascending order"):
            learner.update(replace(rollout, robots=robots))
    with pytest.raises(LearnerError, match="update 2 left the finite numbers"), np.errstate(all="ignore"):
        learner.update(replace(rollout, rewards=np.full_like(rollout.rewards, 3e38)))
    for arrays, other in ((before, {**meta, "algorithm": "ippo"}), (before, {**meta, "adam_steps": [1]})):
        with pytest.raises(WrongWeights):
            learner.restore(arrays, other)
    with pytest.raises(WrongWeights, match="critic.0.weight"):
        learner.restore({**before, "critic.0.weight": before["critic.0.weight"][1:]}, meta)
    assert same(before, learner.save()[0])
    assert meta == learner.save()[1]


@pytest.mark.parametrize("algorithm", ["mappo", "joint"])
def test_starts_from_anothers_networks_and_units(build_central, make_rollout, algorithm):
    source, learner = build_central(algorithm), build_central(algorithm, seed=8)
    source.update(make_rollout(0, robots=(0, 1, 2)))
    learner.start_from(source.save()[0])
    (theirs, _), (ours, meta) = source.save(), learner.save()
    assert meta["version"] == meta["critic_adam_steps"] == sum(meta["adam_steps"]) == 0
    assert all(np.array_equal(ours[name], theirs[name]) == ("adam" not in name) for name in ours)
    with pytest.raises(WrongWeights, match="scaled otherwise"):
        build_central(algorithm, network={"observation_scaling": "none"}).start_from(theirs)


def test_diagnostics_are_ippos_and_the_critics_norm(build, build_central, make_rollout):
    wanted = set(build().update(make_rollout())) | {"critic_grad_norm"}
    for algorithm in ("mappo", "joint"):
        figures = build_central(algorithm, target_kl=1e-9).update(make_rollout(0, robots=(0, 1, 2)))
        assert set(figures) == wanted
        assert all(isinstance(value, float) and np.isfinite(value) for value in figures.values())
