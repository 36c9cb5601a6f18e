"""Joint values, learning targets and gradients against slow versions, robot by robot and step by step."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812 - its usual name

from fleet.core.config import NetworkConfig
from fleet.core.seeds import stream
from learners.mixing import Monotonic, initial_mixer, make_mixer
from learners.normalize import Normalizer
from learners.replay import Replay
from learners.team import Team, batch_of, goals, loss

ROBOTS, GAMMA = (0, 1, 2), 0.9


def team_of(spec, algorithm="qmix", activation="tanh", separate=True):
    network = NetworkConfig.model_validate({"hidden": [8, 7], "activation": activation})
    team = Team(algorithm, spec, network, ROBOTS, separate=separate)
    rng = torch.Generator().manual_seed(1)
    first = team.initial(3, 0)
    return team, first + 0.3 * torch.randn(len(first), generator=rng), first


@pytest.fixture
def drawn(spec, make_rollout):
    memory = Replay(10_000, ROBOTS, spec)
    for version, robots in enumerate([ROBOTS, (1,), (0, 2)]):
        memory.add(make_rollout(version, robots, steps=10), version)
    return memory.sample(np.random.default_rng(0), 50)


@pytest.fixture
def normalizer(spec):
    made = Normalizer("running", spec.bound)
    made.take_in(np.random.default_rng(5).integers(-3, 4, (100, spec.observation_size)))
    return made


def slow_values(parts, place, x, activation):
    for k in range(3):
        weight, bias = parts[f"actor.{k}.weight"], parts[f"actor.{k}.bias"]
        if place is not None:
            weight, bias = weight[place], bias[place]
        x = x @ weight + bias
        x = x if k == 2 else getattr(torch, activation)(x)
    return x


def slow_qmix(parts, values, state):
    """Equations 4 and 5 of the paper's appendix for one step: values (R,), state (R * D,)."""

    def linear(layer, x):
        return F.linear(x, parts[f"mixer.{layer}.weight"].T, parts[f"mixer.{layer}.bias"])

    weight1 = linear("weight1.1", F.relu(linear("weight1.0", state))).abs().reshape(len(values), 32)
    weight2 = linear("weight2.1", F.relu(linear("weight2.0", state))).abs()
    hidden = F.elu(values @ weight1 + linear("bias1.0", state))
    return hidden @ weight2 + linear("bias2.1", F.relu(linear("bias2.0", state))).squeeze()


def slow_joint(algorithm, parts, values, seen, online):
    shares = torch.stack([value if here else value * 0 for value, here in zip(values, online, strict=True)])
    shares = shares / sum(online)
    return shares.sum() if algorithm == "vdn" else slow_qmix(parts, shares, torch.cat(seen))


def slow_loss(team, settings, parameters, target, drawn, normalizer):
    """The errors of all steps one by one: `settings`: algorithm, activation, double, huber, hysteresis."""
    algorithm, activation, double, huber, hysteresis = settings
    ours = team.named(parameters)
    theirs, still = team.named(target), team.named(parameters.detach())
    total = 0.0
    for b in range(len(drawn.obs)):
        online = [bool(here) for here in drawn.present[b]]

        def scaled(obs):
            x = (torch.tensor(obs, dtype=torch.float32) - torch.tensor(normalizer.mean)) * torch.tensor(
                normalizer.scale
            )
            return [row if here else row * 0 for row, here in zip(x, online, strict=True)]  # noqa: B023

        now, after = scaled(drawn.obs[b]), scaled(drawn.next_obs[b])
        places = range(len(ROBOTS)) if team.separate else [None] * len(ROBOTS)
        chosen, best = [], []
        for r, place in enumerate(places):
            chosen.append(slow_values(ours, place, now[r], activation)[int(drawn.actions[b, r])])
            valued = slow_values(theirs, place, after[r], activation)
            choice = slow_values(still, place, after[r], activation) if double else valued
            goes_on = online[r] and not drawn.terminated[b, r]
            best.append(valued[choice.argmax()] if goes_on else torch.tensor(0.0))
        any_goes_on = any(here and not end for here, end in zip(online, drawn.terminated[b], strict=True))
        following = slow_joint(algorithm, theirs, best, after, online) if any_goes_on else 0.0
        reward = sum(float(x) for x in drawn.rewards[b]) / sum(online)
        error = slow_joint(algorithm, ours, chosen, now, online) - (reward + GAMMA * following)
        small = huber is None or abs(error.item()) <= huber
        weight = hysteresis if error.item() > 0 else 1.0
        total = total + weight * (0.5 * error**2 if small else huber * (error.abs() - 0.5 * huber))
    return len(ROBOTS) * total / len(drawn.obs)


@pytest.mark.parametrize("separate", [True, False])
@pytest.mark.parametrize(
    "settings",
    [
        ("vdn", "tanh", True, 0.4, 1.0),
        ("vdn", "tanh", True, None, 0.25),
        ("qmix", "tanh", True, None, 1.0),
        ("qmix", "relu", False, 0.4, 0.1),
    ],
)
def test_error_and_gradient_are_those_of_each_step_alone(spec, drawn, normalizer, settings, separate):
    algorithm, activation, double, huber, hysteresis = settings
    team, parameters, target = team_of(spec, algorithm, activation, separate)
    leaf, slow_leaf = parameters.clone().requires_grad_(), parameters.clone().requires_grad_()

    batch = batch_of(drawn, normalizer)
    wanted = goals(team, parameters, target, batch, GAMMA, double=double)
    total, (error, *_) = loss(team, leaf, batch, wanted, huber, hysteresis)
    slow = slow_loss(team, settings, slow_leaf, target, drawn, normalizer)

    assert total.item() == pytest.approx(slow.item(), rel=1e-4)
    assert len(ROBOTS) * error.item() == pytest.approx(total.item())
    (gradient,), (slow_gradient,) = torch.autograd.grad(total, leaf), torch.autograd.grad(slow, slow_leaf)
    np.testing.assert_allclose(gradient, slow_gradient, rtol=2e-3, atol=2e-5)


@pytest.mark.parametrize("algorithm", ["vdn", "qmix"])
def test_once_all_online_have_terminated_nothing_is_to_come(spec, drawn, normalizer, algorithm):
    """Not even what QMIX's mixer makes of the state alone."""
    team, parameters, target = team_of(spec, algorithm)
    batch = batch_of(drawn._replace(terminated=drawn.present), normalizer)
    np.testing.assert_array_equal(goals(team, parameters, target, batch, GAMMA, double=True), batch.rewards)


@pytest.mark.parametrize("algorithm", ["vdn", "qmix"])
def test_no_joint_value_falls_when_a_robots_value_rises(algorithm):
    mixer, rng = make_mixer(algorithm, 4, 6), torch.Generator().manual_seed(2)
    for seed in range(20):
        flat = 3 * initial_mixer(mixer.shapes, stream(seed, "init", 0))
        values = (5 * torch.randn(4, 30, generator=rng)).requires_grad_()
        obs = torch.randn(4, 30, 6, generator=rng)
        present = (torch.rand(4, 30, generator=rng) < 0.7).float()
        present[0] = 1
        joint = mixer(flat, values, obs * present.unsqueeze(-1), present)
        (slopes,) = torch.autograd.grad(joint.sum(), values)
        assert (slopes >= 0).all()
        assert not slopes[present == 0].any()
        higher = values + 2 * torch.rand(4, 30, generator=rng)
        assert (mixer(flat, higher, obs * present.unsqueeze(-1), present) >= joint - 1e-4).all()


def test_vdns_joint_value_is_the_mean_of_those_online():
    mixer = make_mixer("vdn", 3, 6)
    present = torch.tensor([[1.0, 1.0], [0.0, 1.0], [1.0, 1.0]])
    joint = mixer(torch.empty(0), torch.tensor([[1.0, 1.0], [50.0, 3.0], [2.0, 5.0]]), torch.zeros(3, 2, 6), present)
    np.testing.assert_allclose(joint, [1.5, 3.0])


def test_qmix_weighs_values_by_the_state():
    mixer = Monotonic(2, 3)
    flat = initial_mixer(mixer.shapes, stream(1, "init", 0))
    values, present = torch.ones(2, 2), torch.ones(2, 2)
    one, other = mixer(flat, values, torch.tensor([[[1.0] * 3, [-2.0] * 3]] * 2), present).tolist()
    assert one != pytest.approx(other, abs=1e-3)


def test_offline_robots_get_no_gradient_and_change_nothing(spec, make_rollout, normalizer):
    memory = Replay(1000, ROBOTS, spec)
    memory.add(make_rollout(0, (0, 2)), 0)
    team, parameters, target = team_of(spec)
    batch = batch_of(memory.sample(np.random.default_rng(0), 30), normalizer)
    assert not batch.obs[1].any()
    leaf = parameters.clone().requires_grad_()
    total, _ = loss(team, leaf, batch, goals(team, parameters, target, batch, GAMMA, double=True), 1.0)
    (gradient,) = torch.autograd.grad(total, leaf)
    for name, part in team.named(gradient).items():
        if name.startswith("actor"):
            assert part[0].any()
            assert not part[1].any()


def test_separate_networks_begin_as_those_of_robots_alone_and_heads_near_zero(spec):
    team, _, first = team_of(spec)
    parts = team.named(first)
    assert parts["actor.0.weight"].shape == (3, 6, 8)
    other = team_of(spec, "vdn", separate=True)[2]
    np.testing.assert_array_equal(parts["actor.1.weight"], team_of(spec, "vdn")[0].named(other)["actor.1.weight"])
    assert not torch.equal(parts["actor.0.weight"][0], parts["actor.0.weight"][1])
    assert parts["actor.2.weight"].abs().max() < 0.02
