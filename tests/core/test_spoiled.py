"""What a learner said in vain: the server's end of the data channel tells of it, and of nobody it can't name.

Broken by telling before the routing id was looked at, and by keeping every one of a flood.
"""

from typing import Any

import numpy as np
import pytest

from fleet.core.data_channel import DataServer, Spoiled
from fleet.core.messages import Stop
from fleet.core.wire import encode
from tests.core.channels import OTHER, RUN, make_policy, until


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        ([b"\xc1" * 9], "header"),
        ([b"x"] * 1000, "frames"),
        (encode(make_policy(run=OTHER)), "run"),
        (encode(make_policy(learner=4)), "sender"),
        (encode(Stop(RUN, "now")), "kind"),
    ],
)
def test_a_learner_whose_message_was_thrown_away_is_named(
    server: DataServer, stranger: Any, frames: list[bytes], reason: str
) -> None:
    stranger(b"learner-3/2").send_multipart(frames)
    until(lambda: server.counters.rejected, server.receive)
    assert server.spoiled() == [Spoiled(3, 2, reason)]
    assert server.spoiled() == []


def test_weights_that_are_no_numbers_spoil_a_policy(server: DataServer, stranger: Any) -> None:
    frames = [bytes(frame) for frame in encode(make_policy(weights={"w": np.ones(2, np.float32)}))]
    frames[-1] = np.full(2, np.nan, np.float32).tobytes()
    stranger(b"learner-3/0").send_multipart(frames)
    until(lambda: server.counters.rejected, server.receive)
    assert server.spoiled() == [Spoiled(3, 0, "fields")]


@pytest.mark.parametrize("identity", [b"learner-03/0", b"learner-3", b"\x01\xff"])
def test_a_stranger_is_nobody(server: DataServer, stranger: Any, identity: bytes) -> None:
    stranger(identity).send_multipart([b"\xc1"])
    until(lambda: server.counters.rejected, server.receive)
    assert server.spoiled() == []


def test_a_flood_is_one(server: DataServer, stranger: Any) -> None:
    raw = stranger(b"learner-3/0")
    for _ in range(300):
        raw.send(b"flood")
    until(lambda: server.counters.rejected == {"header": 300}, server.receive)
    assert server.spoiled() == [Spoiled(3, 0, "header")]
