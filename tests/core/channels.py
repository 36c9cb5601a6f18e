"""What the tests of both channels share: a run, messages for it, and waiting for what comes in."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from fleet.core.data_channel import DataClient, DataServer
from fleet.core.messages import Hello, Message, Policy, Rollout, Welcome
from fleet.core.spec import RolloutBatch, WorldSpec

RUN, OTHER = "0123456789abcdef" * 2, "f" * 32
SPEC = WorldSpec(4, 3, 5, np.dtype(np.int8), 5, np.ones(5, np.float32))
WEIGHTS = {"w": np.ones(2, np.float32)}


def make_rollout(
    seq: int = 0, life: int = 1, learner: int = 3, incarnation: int = 0, steps: int = 4, features: int = 5
) -> Rollout:
    flat = (1, steps, 3)
    batch = RolloutBatch(
        robots=(3,),
        obs=np.full((1, steps + 1, 3, features), seq % 100, np.int8),
        actions=np.zeros(flat, np.uint8),
        log_probs=np.zeros(flat, np.float32),
        rewards=np.zeros(flat, np.float32),
        terminated=np.zeros(flat, np.bool_),
        truncated=np.zeros(flat, np.bool_),
        final_obs=np.zeros((0, features), np.int8),
    )
    return Rollout(RUN, life, learner, incarnation, seq, 0, -1, batch)


def make_policy(version: int = 0, **change: Any) -> Policy:
    return replace(Policy(RUN, 1, 3, 0, version, (), WEIGHTS, {}), **change)


def make_welcome(hello: Message, life: int = 1) -> Welcome:
    assert isinstance(hello, Hello)
    return Welcome(RUN, life, hello.learner, hello.incarnation, -1, (3,), SPEC, greeting=hello.greeting)


def until(done: Callable[[], object], receive: Callable[[float], object], timeout_s: float = 10.0) -> None:
    """Receive until `done`, or fail."""
    deadline = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < deadline
        receive(0.05)


def greet(server: DataServer, client: DataClient, life: int = 1) -> None:
    assert client.greet()
    hellos = server.receive(10)
    assert server.send(3, 0, make_welcome(hellos[-1], life))
    assert isinstance(client.receive(10)[-1], Welcome)
