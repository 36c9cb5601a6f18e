import numpy as np
import pytest
import torch

from fleet.core.config import NetworkConfig
from fleet.core.seeds import stream
from learners.network import ActorCritic, initial_parameters, named, parameter_shapes


def made(spec, **settings):
    network = NetworkConfig.model_validate({"hidden": [16, 8], **settings})
    return ActorCritic(spec, network), initial_parameters(parameter_shapes(spec, network), stream(1, "init", 0))


def test_shapes_of_separate_networks_and_of_a_shared_trunk(spec):
    separate, _ = made(spec)
    assert {name: shape for name, shape in separate.shapes.items() if name.endswith("weight")} == {
        "actor.0.weight": (6, 16),
        "actor.1.weight": (16, 8),
        "actor.2.weight": (8, 5),
        "critic.0.weight": (6, 16),
        "critic.1.weight": (16, 8),
        "critic.2.weight": (8, 1),
    }
    shared, _ = made(spec, share_trunk=True)
    assert [name for name in shared.shapes if name.startswith("critic")] == ["critic.0.weight", "critic.0.bias"]
    assert shared.shapes["critic.0.weight"] == (8, 1)


@pytest.mark.parametrize(("activation", "function"), [("tanh", torch.tanh), ("relu", torch.relu)])
@pytest.mark.parametrize("shared", [False, True])
def test_equals_layer_after_layer(spec, activation, function, shared):
    network, flat = made(spec, activation=activation, share_trunk=shared)
    flat += 0.1 * torch.randn(flat.shape, generator=torch.Generator().manual_seed(0))
    p = named(flat, network.shapes)
    x = torch.randn(7, 6, generator=torch.Generator().manual_seed(1))

    def trunk(part):
        h = function(x @ p[f"{part}.0.weight"] + p[f"{part}.0.bias"])
        return function(h @ p[f"{part}.1.weight"] + p[f"{part}.1.bias"])

    expected_logits = trunk("actor") @ p["actor.2.weight"] + p["actor.2.bias"]
    head = "critic.0" if shared else "critic.2"
    expected = trunk("actor" if shared else "critic") @ p[f"{head}.weight"] + p[f"{head}.bias"]

    logits, values = network(flat, x)

    torch.testing.assert_close(logits, expected_logits, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(values, expected.squeeze(1), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(network.values(flat, x), values)


@pytest.mark.parametrize(
    ("name", "gain"),
    [("actor.0", 2**0.5), ("actor.1", 2**0.5), ("actor.2", 0.01), ("critic.1", 2**0.5), ("critic.2", 1)],
)
def test_initial_weights_are_orthogonal_with_their_gain(spec, name, gain):
    network, flat = made(spec)
    weight = named(flat, network.shapes)[f"{name}.weight"]
    small = weight if weight.shape[0] < weight.shape[1] else weight.T

    torch.testing.assert_close(small @ small.T, gain**2 * torch.eye(len(small)), atol=1e-5, rtol=1e-5)
    assert not named(flat, network.shapes)[f"{name}.bias"].any()


def test_initial_weights_are_a_function_of_the_seed(spec):
    shapes = made(spec)[0].shapes

    assert torch.equal(
        initial_parameters(shapes, stream(1, "init", 0)), initial_parameters(shapes, stream(1, "init", 0))
    )
    assert not torch.equal(
        initial_parameters(shapes, stream(1, "init", 0)), initial_parameters(shapes, stream(1, "init", 1))
    )


def test_named_parts_are_views_that_cover_the_vector(spec):
    network, flat = made(spec)
    for k, part in enumerate(named(flat, network.shapes).values()):
        part.fill_(k + 1)

    assert flat.min() == 1
    assert len(np.unique(flat)) == len(network.shapes)
