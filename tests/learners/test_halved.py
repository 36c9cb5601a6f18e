"""Policies in half precision: the same learner, whose robots act by rounded weights."""

from dataclasses import replace

import numpy as np
import pytest

from actors.build import make_policy
from fleet.core.config import Config
from fleet.core.config.load import load_config
from fleet.core.errors import BadInput
from fleet.core.messages import Policy
from fleet.core.wire import decode, encode
from learners.build import build_learner
from learners.halved import Halved
from learners.protocol import WrongWeights


@pytest.fixture
def build_any(spec):
    def make(halved=True, mapping="per-robot", per_process=1, seed=7, **settings):
        tables = {
            "run": {"seed": seed},
            "world": {"map": "rware-tiny-2ag"},
            "mapping": mapping,
            "network": {"hidden": [16, 16]},
            "learner": {"minibatch": 32, **settings},
            "learners": {"per_process": per_process, "policies": "float16" if halved else "float32"},
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


def test_a_weight_beyond_the_range_is_sent_as_the_largest(build_any):
    half = build_any()
    arrays, meta = half.save()
    name = next(name for name in arrays if name.startswith("actor") and name.endswith("weight"))
    huge = arrays[name].copy()
    huge.flat[:2] = 70_000, -1e30
    half.restore({**arrays, name: huge}, meta)
    sent = half.weights()[name]
    assert sent.flat[:2].tolist() == [65504, -65504]
    assert np.isfinite(sent).all()


def test_robots_act_by_rounded_weights_whatever_values_them(build_any, spec, make_rollout):
    for kind, robots in KINDS:
        half, whole = build_any(**kind), build_any(halved=False, **kind)
        config = load_config("smoke", ["network.hidden=[16,16]", *(f"{key}={value}" for key, value in acting(kind))])
        policies = [make_policy(replace(spec, robots=3), config) for _ in range(2)]
        for policy, learner in zip(policies, (half, whole), strict=True):
            policy.load(robots, learner.weights())
        obs = make_rollout(1, robots=(0, 1, 2)).obs[:, 0]
        drawn = np.zeros(obs.shape[:2], np.uint8)
        rounded, exact = (policy.probabilities(obs, drawn) for policy in policies)
        assert not np.array_equal(rounded, exact) or "iql" in kind.values()
        assert np.allclose(rounded, exact, atol=0.01)


def acting(kind):
    names = {"algorithm": "learner.algorithm", "mapping": "mapping"}
    return [(names[key], value) for key, value in kind.items() if key in names]


def test_no_other_precision():
    with pytest.raises(BadInput, match=r'learners.policies = "float8"'):
        load_config("smoke", ["learners.policies=float8"])
