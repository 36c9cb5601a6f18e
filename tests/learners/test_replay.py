"""The memory against a list of transitions written down one by one."""

from collections import Counter, deque

import numpy as np
import pytest

from fleet.core.config import Config
from fleet.core.config.load import ConfigError, load_config
from learners.protocol import LearnerError, WrongWeights
from learners.replay import Replay

ROBOTS = (2, 5, 7)


@pytest.fixture
def memory(spec):
    def make(capacity=10_000, robots=ROBOTS):
        return Replay(capacity, robots, spec)

    return make


def slow_transitions(rollout, version):
    """Copy after copy, each step as (obs, actions, rewards, terminated, present, next_obs, version), and where a row
    is taken up by something that is no step, None."""
    finals = dict(
        zip(zip(*np.nonzero(rollout.truncated & ~rollout.terminated), strict=True), rollout.final_obs, strict=True)
    )
    rows = []
    for e in range(rollout.obs.shape[2]):
        for t in range(rollout.obs.shape[1] - 1):
            step = {name: [0] * len(ROBOTS) for name in ("actions", "rewards", "terminated", "present")}
            step |= {name: [np.zeros(rollout.obs.shape[-1])] * len(ROBOTS) for name in ("obs", "next_obs")}
            for r, robot in enumerate(rollout.robots):
                place = ROBOTS.index(robot)
                step["present"][place] = True
                step["obs"][place] = rollout.obs[r, t, e]
                step["next_obs"][place] = finals.get((r, t, e), rollout.obs[r, t + 1, e])
                for name in ("actions", "rewards", "terminated"):
                    step[name][place] = getattr(rollout, name)[r, t, e]
            rows.append(step | {"versions": version})
            if any((r, t, e) in finals for r in range(len(rollout.robots))):
                rows.append(None)
        rows.append(None)
    return rows


def key(step):
    """A step as something to be counted."""
    names = ("obs", "actions", "rewards", "terminated", "present", "next_obs", "versions")
    return tuple(np.asarray(step[name], np.float64).tobytes() for name in names)


def everything(replay):
    """Every step remembered, by drawing each of them."""

    class Each:
        def integers(self, high, size):
            assert high == size
            return np.arange(high)

    drawn = replay.sample(Each(), replay.steps)._asdict()
    return Counter(key({name: drawn[name][k] for name in drawn}) for k in range(replay.steps))


@pytest.mark.parametrize("capacity", [10_000, 300, 131, 60])
def test_remembers_the_newest_steps_with_what_each_led_to(memory, make_rollout, capacity):
    """Also over ends of both kinds, the seams of rollouts and the ring's, with robots missing."""
    replay, slow = memory(capacity), deque(maxlen=capacity)
    for version, robots in enumerate([ROBOTS, (5,), (2, 7), ROBOTS, (7, 2, 5)]):
        rollout = make_rollout(version, robots, steps=7 + 5 * version)
        replay.add(rollout, version)
        slow.extend(slow_transitions(rollout, version))

        kept = [step for step in slow if step is not None]
        assert replay.filled == len(slow)
        assert replay.steps == len(kept)
        assert everything(replay) == Counter(map(key, kept))


def test_all_steps_are_as_likely_and_the_draw_is_the_generators_alone(memory, make_rollout):
    replay = memory(100)
    for version in range(2):
        replay.add(make_rollout(version, ROBOTS, steps=9), version)
    first, again = (replay.sample(np.random.default_rng(4), 40_000) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    counts = Counter(row.tobytes() for row in first.obs)
    shares = np.array(list(counts.values())) * replay.steps / 40_000
    assert len(counts) == replay.steps
    np.testing.assert_allclose(shares, 1, atol=0.2)


@pytest.mark.parametrize("capacity", [10_000, 150, 60])
def test_what_was_added_last_can_be_taken_back(memory, make_rollout, capacity):
    replay = memory(capacity)
    for version in range(2):
        replay.add(make_rollout(version, ROBOTS), version)
    before, where = replay.save()
    replay.forget(replay.add(make_rollout(3, (5,)), 3))
    after, there = replay.save()
    assert where == there
    assert before.keys() == after.keys()
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name])


@pytest.mark.parametrize("capacity", [10_000, 150])
def test_goes_on_from_what_was_saved(memory, make_rollout, capacity):
    replay, restored = memory(capacity), memory(capacity)
    restored.add(make_rollout(9, ROBOTS, steps=40), 0)
    for version in range(2):
        replay.add(make_rollout(version, ROBOTS), version)
    restored.check(*replay.save())
    restored.restore(*replay.save())
    for one in (replay, restored):
        one.add(make_rollout(5, (2,)), 5)
    assert replay.filled == restored.filled
    draws = [one.sample(np.random.default_rng(1), 500) for one in (replay, restored)]
    for left, right in zip(*draws, strict=True):
        np.testing.assert_array_equal(left, right)


def test_saved_are_only_rows_that_hold_something_and_copies(memory, make_rollout):
    replay = memory()
    assert len(replay.save()[0]["replay.obs"]) == 0
    replay.add(make_rollout(0, ROBOTS), 0)
    arrays, _ = replay.save()
    assert {len(array) for array in arrays.values()} == {replay.filled}
    arrays["replay.obs"][:] = 99
    assert replay.save()[0]["replay.obs"].max() < 99


def test_a_strangers_rollout_is_refused(memory, make_rollout):
    with pytest.raises(LearnerError, match="robot 3; allowed are 2, 5, 7"):
        memory().add(make_rollout(0, (2, 3)), 0)


@pytest.mark.parametrize(
    ("change", "where", "said"),
    [
        ({"replay.obs": None}, 0, "obs is missing"),
        ({"replay.obs": np.zeros((1, 3, 6), np.int8)}, 0, r"obs is int8 \(1, 3, 6\); wanted int8"),
        ({"replay.extra": np.zeros(1)}, 0, "not wanted .*replay.extra"),
        ({"replay.rewards": np.inf}, 0, "rewards is not finite"),
        ({"replay.versions": 0.5}, 0, "versions is float64"),
        ({}, 3, "goes on at 3"),
        ({}, True, "goes on at True"),
    ],
)
def test_another_learners_memory_is_refused(memory, make_rollout, change, where, said):
    source = memory()
    source.add(make_rollout(0, ROBOTS), 0)
    arrays, meta = source.save()
    for name, value in change.items():
        arrays[name] = np.full(arrays[name].shape, value) if isinstance(value, float) else value
    arrays = {name: array for name, array in arrays.items() if array is not None}
    if "replay.rewards" in change:
        arrays["replay.rewards"] = arrays["replay.rewards"].astype(np.float32)
    with pytest.raises(WrongWeights, match=said):
        memory().check(arrays, {"head": where} if where else meta)


def test_a_larger_memory_is_refused_by_a_smaller(memory, make_rollout):
    source = memory()
    source.add(make_rollout(0, ROBOTS), 0)
    with pytest.raises(WrongWeights, match="remembers .* steps; allowed are 50"):
        memory(50).check(*source.save())


def test_a_warmup_that_is_never_reached_is_refused():
    with pytest.raises(ConfigError, match="warmup = 3000 is never reached; allowed are 1 to capacity = 2000"):
        load_config("smoke", ["replay.capacity=2000", "replay.warmup=3000"])
    assert Config.model_validate({"world": {"map": "rware-tiny-2ag"}}).replay.double
