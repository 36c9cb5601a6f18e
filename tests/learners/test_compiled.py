"""The compiled gradient steps against autograd's: the same gradient, figures and curve, over all that they apply to."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fleet.core.spec import WorldSpec
from learners.autograd import AutogradDescent, loss
from learners.compiled.descent import CompiledDescent
from learners.rollouts import owned

DTYPES = (np.int8, np.int16, np.float32)


def drawn_case(rng):
    """A world, a network, settings and a rollout's shape, all of them odd."""
    size, copies = int(rng.integers(1, 40)), int(rng.integers(1, 6))
    spec = WorldSpec(
        robots=4,
        worlds=copies,
        observation_size=size,
        observation_dtype=np.dtype(DTYPES[rng.integers(3)]),
        actions=int(rng.integers(2, 9)),
        bound=rng.integers(1, 30, size).astype(np.float32),
    )
    network = {
        "hidden": [int(units) for units in rng.integers(1, 40, rng.integers(1, 4))],
        "activation": str(rng.choice(["tanh", "relu"])),
        "observation_scaling": str(rng.choice(["none", "range", "running"])),
    }
    settings = {
        "clip_coef": float(rng.uniform(0.05, 0.5)),
        "value_coef": float(rng.uniform(0, 2)),
        "value_clip": [None, 0.05, 1.0][rng.integers(3)],
        "entropy_coef": float(rng.uniform(0, 0.1)),
        "normalize_advantage": bool(rng.integers(2)),
        "max_grad_norm": [None, 0.5, 1e-3][rng.integers(3)],
        "minibatch": 4096,
    }
    robots = tuple(range(int(rng.integers(1, 4))))
    return spec, network, settings, robots, int(rng.integers(1, 60))


def drawn_rollout(make_rollout, spec, robots, steps, rng):
    """A rollout of that world, whose observations have parts after the point if they can."""
    plain = make_rollout(0, robots, steps)
    shape = (len(robots), steps, spec.worlds)
    truncated = rng.random(shape) < 0.1

    def observed(*leading):
        return (rng.uniform(-1, 1, (*leading, spec.observation_size)) * spec.bound).astype(spec.observation_dtype)

    return replace(
        plain,
        obs=observed(len(robots), steps + 1, spec.worlds),
        actions=rng.integers(0, spec.actions, shape).astype(np.uint8),
        log_probs=(rng.normal(0, 0.2, shape) - np.log(spec.actions)).astype(np.float32),
        rewards=rng.normal(size=shape).astype(np.float32),
        terminated=np.zeros(shape, np.bool_),
        truncated=truncated,
        final_obs=observed(int(truncated.sum())),
    )


@pytest.mark.parametrize("seed", range(200))
def test_the_gradient_and_its_figures_are_autograds(build, make_rollout, autograd, seed):
    rng = np.random.default_rng(seed)
    spec, network, settings, robots, steps = drawn_case(rng)
    learner = build(spec=spec, network=network, **settings)
    learner.parameters += 0.3 * torch.randn(learner.parameters.shape, generator=torch.Generator().manual_seed(seed))
    rollout = drawn_rollout(make_rollout, spec, robots, steps, rng)
    compiled, slow = learner._descent, autograd(learner)
    assert isinstance(compiled, CompiledDescent)

    values, final_values = compiled.values(rollout)
    for ours, theirs in zip((values, final_values), slow.values(rollout), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    before = (values + rng.normal(0, 0.3, values.shape)).astype(np.float32)
    advantages, returns = (rng.normal(size=values[:, :-1].shape).astype(np.float32) for _ in range(2))
    for descent in (compiled, slow):
        descent.begin(rollout, before, advantages, returns)
    rows = rng.permutation(advantages.size)[: int(rng.integers(1, advantages.size + 1))]
    batch = type(slow.samples)._make(column[torch.from_numpy(rows)] for column in slow.samples)
    leaf = learner.parameters.clone().requires_grad_()
    total, figures = loss(learner.settings, learner._network, leaf, batch)
    (gradient,) = torch.autograd.grad(total, leaf)

    measured = compiled.step(rows, 1e-3)

    # Rounding is relative to the numbers that cancel out, not to what is left of them.
    room = 1e-5 * float(gradient.abs().max()) + 1e-7
    torch.testing.assert_close(torch.from_numpy(compiled._nets.gradient), gradient, rtol=1e-4, atol=room)
    wanted = [*map(float, figures), float(gradient.norm())]
    np.testing.assert_allclose(measured, wanted, rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize("seed", range(20))
def test_clipping_and_adam_are_autograds(build, seed):
    rng = np.random.default_rng(seed)
    settings = {"max_grad_norm": [None, 0.5, 1e-2][seed % 3], "adam_eps": 1e-5}
    ours, theirs = build(**settings), build(update="autograd", **settings)
    nets = ours._descent._nets
    from learners.compiled import ppo

    for count in range(1, 5):
        gradient = owned(rng.normal(0, 0.1, nets.gradient.size).astype(np.float32))
        norm = float(gradient.norm())
        nets.gradient[:] = gradient.numpy()
        factor = min(1.0, (settings["max_grad_norm"] or np.inf) / (norm + 1e-6))
        descent = ours._descent
        ppo._descend(nets.flat, nets.gradient, descent._m, descent._v, descent._settings, factor, 0.01, count)
        theirs._adam.step(theirs.parameters, gradient * factor, 0.01)

        assert ppo._norm(nets.gradient) == pytest.approx(norm, rel=1e-5)
        torch.testing.assert_close(ours.parameters, theirs.parameters, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(ours._adam.m, theirs._adam.m, rtol=1e-5, atol=1e-7)


def test_many_updates_come_to_the_same_weights(build, make_rollout):
    """Rounding grows over the updates, and stays far below what they change."""
    settings = {"learning_rate": 1e-3, "epochs": 4, "minibatch": 32, "value_clip": 0.2, "target_kl": None}
    ours, theirs = build(**settings), build(update="autograd", **settings)
    first = ours.parameters.clone()
    figures = [(ours.update(make_rollout(seed)), theirs.update(make_rollout(seed))) for seed in range(20)]

    moved = (ours.parameters - first).norm()
    assert (ours.parameters - theirs.parameters).norm() < 1e-2 * moved
    for a, b in figures:
        assert a == pytest.approx(b, rel=2e-2, abs=2e-3)


def test_blocks_add_up(build, make_rollout, autograd):
    """A minibatch of several blocks, the last one short."""
    learner = build(minibatch=4096)
    rollout = make_rollout(steps=100)  # 400 samples
    learner._descent.begin(rollout, *learner.targets(rollout))
    slow = autograd(learner)
    slow.values(rollout)
    slow.begin(rollout, *learner.targets(rollout))
    leaf = learner.parameters.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(learner.settings, learner._network, leaf, slow.samples)[0], leaf)

    learner._descent.step(np.arange(400), 0.0)

    torch.testing.assert_close(torch.from_numpy(learner._descent._nets.gradient), gradient, rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("network", "settings"),
    [({"share_trunk": True}, {}), ({"hidden": [4, 4, 4, 4]}, {}), ({}, {"update": "autograd"})],
)
def test_autograd_where_they_do_not_apply_or_are_not_wanted(build, make_rollout, network, settings):
    learner = build(network=network, **settings)

    assert isinstance(learner._descent, AutogradDescent)
    learner.update(make_rollout())


def test_a_restored_learner_goes_on_with_its_own_moments(build, make_rollout):
    """The compiled steps hold on to memory that a restore has to fill, not to replace."""
    first, second = build(), build()
    for seed in range(2):
        first.update(make_rollout(seed))
    second.restore(*first.save())

    assert second._descent._m.any()
    np.testing.assert_array_equal(second._descent._nets.flat, first.parameters.numpy())
