"""The constructors: what a message may hold, whoever made it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fleet.core import checks
from fleet.core.messages import (
    Command,
    Event,
    Gone,
    Heartbeat,
    Hello,
    Lost,
    MessageError,
    Policy,
    Progress,
    Reply,
    Rollout,
    Stop,
    Welcome,
)
from fleet.core.spec import RolloutBatch, WorldSpec

RUN = "0123456789abcdef" * 2
SPEC = WorldSpec(4, 3, 5, np.dtype(np.int8), 5, np.ones(5, np.float32))


def make_batch(cut: int = 2, dtype: Any = np.int8) -> RolloutBatch:
    truncated = np.zeros((2, 4, 3), np.bool_)
    truncated.reshape(-1)[:cut] = True
    return RolloutBatch(
        robots=(1, 3),
        obs=np.ones((2, 5, 3, 5), dtype),
        actions=np.full((2, 4, 3), 4, np.uint8),
        log_probs=np.full((2, 4, 3), -1.5, np.float32),
        rewards=np.zeros((2, 4, 3), np.float32),
        terminated=np.zeros((2, 4, 3), np.bool_),
        truncated=truncated,
        final_obs=np.zeros((cut, 5), dtype),
    )


HELLO = Hello(RUN, 3, 1, -1, -1)
POLICY = Policy(RUN, 0, 3, 1, 7, (4, 6), {"actor.0.weight": np.ones((2, 3), np.float32)}, {"kl": 0.01})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("run", "0" * 31),
        ("run", RUN.upper()),
        ("run", RUN + "\n"),
        ("run", 3),
        ("learner", True),
        ("learner", -1),
        ("learner", 1_000_000),
        ("learner", 1.0),
        ("learner", np.int64(1)),
        ("incarnation", 2**31),
        ("version", -2),
        ("version", 2**64 - 1),
        ("last", "3"),
    ],
)
def test_a_field_out_of_range_is_named(field: str, value: object) -> None:
    with pytest.raises(MessageError, match=field):
        replace(HELLO, **{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"rollouts": (4, 4)}, "rollouts"),
        ({"rollouts": (6, 4)}, "rollouts"),
        ({"rollouts": [4]}, "rollouts"),
        ({"rollouts": (-1,)}, "rollouts"),
        ({"rollouts": (True,)}, "rollouts"),
        ({"weights": {}}, "weights"),
        ({"weights": {"a": np.ones(2)}}, "float64|f8"),
        ({"weights": {"a": np.ones(2, ">f4")}}, ">f4"),
        ({"weights": {"a": np.array([1, np.nan], np.float32)}}, "NaN"),
        ({"weights": {"a": np.array([1, -np.inf], np.float32)}}, "infinity"),
        ({"weights": {"a": np.ones((2, 0), np.float32)}}, "shape"),
        ({"weights": {"a": np.ones((1,) * 6, np.float32)}}, "dimensions"),
        ({"weights": {"a": [1.0]}}, "numpy"),
        ({"weights": {"": np.ones(1, np.float32)}}, "name"),
        ({"weights": {"../x y": np.ones(1, np.float32)}}, "name"),
        ({"weights": {f"w{i}": np.ones(1, np.float32) for i in range(65)}}, "64"),
        ({"diagnostics": {"kl": 1}}, "kl"),
        ({"diagnostics": {"kl": "1"}}, "kl"),
        ({"version": -1}, "version"),
    ],
)
def test_a_policy_is_checked(change: dict[str, Any], named: str) -> None:
    with pytest.raises(MessageError, match=named):
        replace(POLICY, **change)


def test_diagnostics_may_hold_nan() -> None:
    assert np.isnan(replace(POLICY, diagnostics={"explained_variance": float("nan")}).diagnostics["explained_variance"])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"robots": ()}, "robots"),
        ({"robots": (3, 1)}, "robots"),
        ({"robots": (1, 2, 3)}, "obs"),
        ({"obs": np.ones((2, 5, 3, 4), np.int8)}, "final_obs"),
        ({"obs": np.ones((2, 6, 3, 5), np.int8)}, "actions"),
        ({"obs": np.ones((2, 1, 3, 5), np.int8)}, "T, E and D"),
        ({"obs": np.ones((2, 5, 3, 5), object)}, "dtype"),
        ({"obs": np.ones((2, 5, 3, 5), np.int16)}, "final_obs has dtype"),
        ({"obs": np.full((2, 5, 3, 5), np.nan, np.float32), "final_obs": np.ones((2, 5), np.float32)}, "obs holds NaN"),
        ({"actions": np.zeros((2, 4, 3), np.int8)}, "actions"),
        ({"actions": np.zeros((2, 4, 3), np.bool_)}, "actions"),
        ({"log_probs": np.full((2, 4, 3), np.nan, np.float32)}, "log_probs holds"),
        ({"rewards": np.full((2, 4, 3), np.inf, np.float32)}, "rewards holds"),
        ({"rewards": np.full((2, 4, 3), 1e308)}, "rewards has dtype"),
        ({"terminated": np.zeros((2, 4, 3), np.uint8)}, "terminated"),
        ({"truncated": np.zeros((2, 4, 3), np.bool_)}, "final_obs"),
        ({"final_obs": np.zeros((3, 5), np.int8)}, "final_obs"),
    ],
)
def test_the_arrays_of_a_rollout_agree(change: dict[str, Any], named: str) -> None:
    with pytest.raises(MessageError, match=named):
        Rollout(RUN, 0, 3, 1, 0, 0, 0, replace(make_batch(), **change))


def test_an_episode_that_terminated_needs_no_final_observation() -> None:
    batch = make_batch(cut=2)
    batch.terminated.reshape(-1)[0] = True
    Rollout(RUN, 0, 3, 1, 0, 0, 0, replace(batch, final_obs=np.zeros((1, 5), np.int8)))


@pytest.mark.parametrize("magnitude", [3e38, -3e38])
def test_large_finite_numbers_pass(magnitude: float) -> None:
    Rollout(RUN, 0, 3, 1, 0, 0, 0, replace(make_batch(), rewards=np.full((2, 4, 3), magnitude, np.float32)))


@pytest.mark.parametrize(
    ("spec", "robots", "named"),
    [
        (SPEC, (1, 2), "robots"),
        (replace(SPEC, worlds=2), (1, 3), "shape"),
        (replace(SPEC, observation_size=4), (1, 3), "shape"),
        (replace(SPEC, observation_dtype=np.dtype(np.int16)), (1, 3), "dtype"),
        (replace(SPEC, actions=4), (1, 3), "actions hold 4"),
    ],
)
def test_a_rollout_is_held_to_its_world(spec: WorldSpec, robots: tuple[int, ...], named: str) -> None:
    checks.batch_in(make_batch(), SPEC, (1, 3))
    with pytest.raises(MessageError, match=named):
        checks.batch_in(make_batch(), spec, robots)


@pytest.mark.parametrize(
    "change",
    [
        {"robots": 0},
        {"actions": 257},
        {"worlds": True},
        {"observation_dtype": np.dtype(object)},
        {"bound": np.ones(4, np.float32)},
        {"bound": np.zeros(5, np.float32)},
        {"bound": np.full(5, np.nan, np.float32)},
        {"bound": np.ones(5)},
    ],
)
def test_a_spec_is_checked(change: dict[str, Any]) -> None:
    with pytest.raises(MessageError, match="spec"):
        Welcome(RUN, 0, 3, 1, -1, (0,), replace(SPEC, **change))


def test_a_welcome_names_robots_of_its_world() -> None:
    Welcome(RUN, 0, 3, 1, -1, (0, 3), SPEC)
    with pytest.raises(MessageError, match="robots"):
        Welcome(RUN, 0, 3, 1, -1, (0, 4), SPEC)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Heartbeat(RUN, "learner-03", 0, 1, 0, 0, 0.0),
        lambda: Heartbeat(RUN, "../etc", 0, 1, 0, 0, 0.0),
        lambda: Heartbeat(RUN, "zygote", 0, 0, 0, 0, 0.0),
        lambda: Heartbeat(RUN, "zygote", 0, 1, 0, 0, float("nan")),
        lambda: Heartbeat(RUN, "zygote", 0, 1, 0, 0, -1.0),
        lambda: Heartbeat(RUN, "zygote", 0, 1, 0, 0, 1),
        lambda: Progress(RUN, 0, {"a b": 1.0}),
        lambda: Progress(RUN, 0, {"a": None}),  # type: ignore[dict-item]
        lambda: Progress(RUN, 0, {"a": 2**63}),
        lambda: Lost(RUN, 0, 0, "Not a word"),
        lambda: Gone(RUN, 0, ""),
        lambda: Stop(RUN, "x" * 1001),
        lambda: Event(RUN, "zygote", "spawn", {"a": (1,)}),
        lambda: Event(RUN, "zygote", "spawn", {"a": b"x"}),
        lambda: Event(RUN, "zygote", "spawn", {1: 2}),  # type: ignore[dict-item]
        lambda: Command(RUN, "stop now", {}),
        lambda: Command(RUN, "stop", {"a": [[[[[[1]]]]]]}),
        lambda: Command(RUN, "stop", []),  # type: ignore[arg-type]
        lambda: Reply(RUN, 1, "", {}),  # type: ignore[arg-type]
        lambda: Reply(RUN, True, "", {"a": [0] * 1025}),
        lambda: Reply(RUN, True, "x" * 20_000, {}),
    ],
)
def test_control_messages_are_checked(make: Any) -> None:
    with pytest.raises(MessageError):
        make()


def test_what_an_error_shows_is_bounded() -> None:
    with pytest.raises(MessageError) as caught:
        Stop("x" * 10_000, "")
    assert len(str(caught.value)) < 300
    assert len(checks.shown(10**5000)) < 100
