"""Policies in half precision: the same learner, whose robots act by rounded weights."""

from dataclasses import replace

import numpy as np
import pytest

from fleet.core.config import Config
from fleet.core.config.load import load_config
from fleet.core.errors import BadInput
from fleet.core.messages import Policy
from fleet.core.wire import decode, encode
from learners.build import build_learner
from learners.halved import Halved
from learners.protocol import LearnerError, WrongWeights


@pytest.fixture
def build_any(spec):
    def make(halved=True, mapping="per-robot", per_process=1, seed=7, **settings):
        tables = {
            "run": {"seed": seed},
            "world": {"map": "rware-tiny-2ag"},
            "mapping": mapping,
            "network": {"hidden": [16, 16]},
            "learner": {"minibatch": 32, **settings},
            "learners": {"per_process": per_process},
            "wire": {"policies": "float16"} if halved else {},
        }
        return build_learner(Config.model_validate(tables), replace(spec, robots=3), 0)

    return make


KINDS = [
    ({}, (0,)),
    ({"per_process": 3}, (0, 1, 2)),
    ({"algorithm": "iql"}, (0,)),
    ({"algorithm": "mappo", "mapping": "central"}, (0, 1, 2)),
    ({"algorithm": "joint", "mapping": "central"}, (0, 1, 2)),
]


@pytest.mark.parametrize(("kind", "robots"), KINDS)
def test_it_learns_what_the_learner_inside_does_and_publishes_it_rounded(build_any, make_rollout, kind, robots):
    half, whole = build_any(**kind), build_any(halved=False, **kind)
    assert isinstance(half, Halved)
    for seed in range(3):
        rollout = make_rollout(seed, robots=robots)
        assert half.update(rollout) == whole.update(rollout)
        assert half.version == whole.version == seed + 1
    (arrays, meta), (wanted, wanted_meta) = half.save(), whole.save()
    assert meta == wanted_meta
    assert arrays.keys() == wanted.keys()
    assert all(np.array_equal(arrays[name], wanted[name]) for name in arrays)
    for name, array in whole.weights().items():
        rounded = half.weights()[name]
        is_network = name.startswith("actor.")
        assert rounded.dtype == (np.float16 if is_network else np.float32)
        assert np.allclose(rounded, array, rtol=2.0**-11 if is_network else 0, atol=2.0**-25 if is_network else 0)


def test_it_is_restored_started_from_and_numbered_on_like_any(build_any, make_rollout):
    half, whole, other = build_any(), build_any(halved=False), build_any(seed=9)
    half.update(make_rollout(1))
    whole.restore(*half.save())
    other.restore(*whole.save())
    half.version = whole.version = 5
    assert half.save()[1] == whole.save()[1]
    other.start_from(half.save()[0])
    assert all(np.array_equal(a, b) for a, b in zip(other.weights().values(), half.weights().values(), strict=True))
    with pytest.raises(WrongWeights):
        other.restore({}, {})


def test_a_policy_takes_half_the_bytes_and_arrives_as_it_was_sent(build_any):
    sizes = []
    for halved in (True, False):
        weights = dict(build_any(halved=halved).weights())
        frames = encode(Policy("0" * 32, 0, 0, 0, 0, (), weights, {}))
        arrived = decode([bytes(frame) for frame in frames])
        assert isinstance(arrived, Policy)
        assert all(
            arrived.weights[name].dtype == array.dtype and np.array_equal(arrived.weights[name], array)
            for name, array in weights.items()
        )
        sizes.append(sum(array.nbytes for name, array in weights.items() if name.startswith("actor.")))
    assert sizes[0] * 2 == sizes[1]


def test_a_weight_beyond_the_range_is_named(build_any):
    half = build_any()
    arrays, meta = half.save()
    name = next(name for name in arrays if name.startswith("actor") and "weight" in name)
    half.restore({**arrays, name: np.where(arrays[name] == arrays[name].max(), np.float32(70_000), arrays[name])}, meta)
    with pytest.raises(LearnerError, match=r'holds 70000; with wire.policies = "float16" weights are at most 65504'):
        half.weights()


def test_no_other_precision():
    with pytest.raises(BadInput, match="float8"):
        load_config("smoke", ["wire.policies=float8"])
