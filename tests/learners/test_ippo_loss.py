"""The loss against numbers worked out by hand, and a gradient step against torch's own modules and optimizer."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.adam import adam  # the function: the class's step imports torch's compiler, which takes seconds

from learners.autograd import Samples, loss, normalized

ADAM = {"amsgrad": False, "beta1": 0.9, "beta2": 0.999, "weight_decay": 0.0, "maximize": False}


class Fixed:
    """A network that answers the same logits and values whatever it sees."""

    def __init__(self, logits, values):
        self.logits, self.values_ = torch.tensor(logits), torch.tensor(values)

    def __call__(self, parameters, obs):
        return self.logits, self.values_


def two_samples(**changes):
    columns = {
        "obs": torch.zeros(2, 6),
        "actions": torch.tensor([[0], [1]]),
        "log_probs": torch.log(torch.tensor([0.5, 0.5])),
        "advantages": torch.tensor([1.0, -1.0]),
        "returns": torch.tensor([1.0, 0.0]),
        "values": torch.tensor([0.0, 0.0]),
    }
    return Samples(**(columns | changes))


# The new policy takes action 0 with 0.75 in both samples: ratios 1.5 (action 0) and 0.5 (action 1).
LOGITS = [[math.log(3.0), 0.0], [math.log(3.0), 0.0]]


def test_the_surrogate_is_the_lower_of_clipped_and_unclipped(build):
    learner = build(clip_coef=0.2, value_coef=0.0, entropy_coef=0.0, normalize_advantage=False)
    network = Fixed(LOGITS, [0.0, 0.0])

    total, (policy_loss, _, _, kl, clip_fraction) = loss(learner.settings, network, learner.parameters, two_samples())

    # min(1.5, 1.2) * 1 and min(0.5 * -1, 0.8 * -1)
    assert float(total) == pytest.approx(-(1.2 - 0.8) / 2)
    assert float(policy_loss) == pytest.approx(-0.2)
    assert float(clip_fraction) == 1.0
    assert float(kl) == pytest.approx(((0.5 - math.log(1.5)) + (-0.5 - math.log(0.5))) / 2)


def test_a_ratio_that_got_worse_is_not_clipped_away(build):
    learner = build(clip_coef=0.2, value_coef=0.0, entropy_coef=0.0, normalize_advantage=False)
    network = Fixed(LOGITS, [0.0, 0.0])

    total, _ = loss(learner.settings, network, learner.parameters, two_samples(advantages=torch.tensor([-1.0, 1.0])))

    assert float(total) == pytest.approx(-(-1.5 + 0.5) / 2)


def test_entropy_lowers_the_loss_by_its_weight(build):
    learner = build(value_coef=0.0, entropy_coef=0.1, normalize_advantage=False)
    network = Fixed(LOGITS, [0.0, 0.0])

    total, (policy_loss, _, entropy, _, _) = loss(learner.settings, network, learner.parameters, two_samples())

    assert float(entropy) == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    assert float(total) == pytest.approx(float(policy_loss) - 0.1 * float(entropy))


def test_the_value_loss_is_half_the_mean_squared_error(build):
    learner = build(value_coef=3.0, entropy_coef=0.0)
    network = Fixed(LOGITS, [0.5, 2.0])

    total, (policy_loss, value_loss, *_) = loss(learner.settings, network, learner.parameters, two_samples())

    assert float(value_loss) == pytest.approx(0.5 * (0.25 + 4) / 2)
    assert float(total) == pytest.approx(float(policy_loss) + 3.0 * float(value_loss))


def test_value_clipping_keeps_the_larger_error(build):
    learner = build(value_clip=0.5)
    network = Fixed(LOGITS, [1.0, 0.1])  # the first moved by 1 towards its return of 1, of which 0.5 counts

    _, (_, value_loss, *_) = loss(learner.settings, network, learner.parameters, two_samples())

    assert float(value_loss) == pytest.approx(0.5 * (0.25 + 0.01) / 2)


def test_advantages_are_normalized_in_the_minibatch(build):
    learner = build(value_coef=0.0, entropy_coef=0.0, normalize_advantage=True)
    network = Fixed(LOGITS, [0.0, 0.0])

    shifted, _ = loss(
        learner.settings, network, learner.parameters, two_samples(advantages=torch.tensor([105.0, 95.0]))
    )

    assert float(shifted) == pytest.approx(-0.2)  # as for advantages 1 and -1


def test_one_advantage_alone_normalizes_to_zero():
    assert normalized(torch.tensor([3.0])).tolist() == [0.0]


def reference_networks(learner):
    """The same weights in torch's own modules."""

    def mlp(part, outputs):
        layers = [nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, outputs)]
        arrays = learner.save()[0]
        for k, layer in enumerate(layers[::2]):
            layer.weight.data = torch.tensor(arrays[f"{part}.{k}.weight"].T.copy())
            layer.bias.data = torch.tensor(arrays[f"{part}.{k}.bias"])
        return nn.Sequential(*layers)

    return mlp("actor", 5), mlp("critic", 1)


@pytest.mark.parametrize("update", ["auto", "autograd"])
def test_gradient_steps_equal_torchs_modules_distribution_clip_and_adam(build, make_rollout, samples, update):
    learner = build(epochs=2, minibatch=200, learning_rate=0.01, max_grad_norm=0.5, value_clip=None, update=update)
    rollout = make_rollout()
    actor, critic = reference_networks(learner)
    batch = samples(learner, rollout)
    learner.update(rollout)

    weights = [*actor.parameters(), *critic.parameters()]
    moments = [[torch.zeros_like(weight) for weight in weights] for _ in range(2)]
    steps = [torch.zeros(()) for _ in weights]
    for _ in range(2):
        pi = torch.distributions.Categorical(logits=actor(batch.obs))
        ratio = (pi.log_prob(batch.actions.squeeze(1)) - batch.log_probs).exp()
        gain = (batch.advantages - batch.advantages.mean()) / batch.advantages.std(correction=0)
        policy_loss = torch.max(-ratio * gain, -ratio.clamp(0.8, 1.2) * gain).mean()
        value_loss = 0.5 * ((critic(batch.obs).squeeze(1) - batch.returns) ** 2).mean()
        for weight in weights:
            weight.grad = None
        (policy_loss + 0.5 * value_loss - 0.01 * pi.entropy().mean()).backward()
        nn.utils.clip_grad_norm_(weights, 0.5)
        with torch.no_grad():
            adam(weights, [w.grad for w in weights], *moments, [], steps, lr=0.01, eps=1e-5, **ADAM)

    after = learner.save()[0]
    for part, network in (("actor", actor), ("critic", critic)):
        for k, layer in enumerate(network[::2]):
            np.testing.assert_allclose(after[f"{part}.{k}.weight"], layer.weight.detach().T, atol=2e-4)
            np.testing.assert_allclose(after[f"{part}.{k}.bias"], layer.bias.detach(), atol=2e-4)


def test_gradient_of_one_minibatch_equals_torchs(build, make_rollout, samples):
    learner = build()
    batch = samples(learner, make_rollout())
    actor, critic = reference_networks(learner)
    leaf = learner.parameters.detach().requires_grad_()
    (ours,) = torch.autograd.grad(loss(learner.settings, learner._network, leaf, batch)[0], leaf)

    pi = torch.distributions.Categorical(logits=actor(batch.obs))
    ratio = (pi.log_prob(batch.actions.squeeze(1)) - batch.log_probs).exp()
    gain = (batch.advantages - batch.advantages.mean()) / batch.advantages.std(correction=0)
    policy_loss = torch.max(-ratio * gain, -ratio.clamp(0.8, 1.2) * gain).mean()
    value_loss = 0.5 * ((critic(batch.obs).squeeze(1) - batch.returns) ** 2).mean()
    (policy_loss + 0.5 * value_loss - 0.01 * pi.entropy().mean()).backward()

    theirs = torch.cat(
        [
            part.flatten()
            for network in (actor, critic)
            for layer in network[::2]
            for part in (layer.weight.grad.T, layer.bias.grad)
        ]
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_the_gradient_is_clipped_to_its_norm_and_the_norm_reported_before(build, make_rollout, monkeypatch):
    learner = build(max_grad_norm=1e-3, epochs=1, minibatch=1000, update="autograd")
    seen = []
    monkeypatch.setattr(learner._adam, "step", lambda _, gradient, __: seen.append(float(gradient.norm())))

    figures = learner.update(make_rollout())

    assert seen == [pytest.approx(1e-3, rel=1e-2)]
    assert figures["grad_norm"] > 0.01
