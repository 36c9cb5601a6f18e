"""The data channel over real sockets: what arrives, what is thrown away, and that the good peer goes on."""

import logging
import socket
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fleet.core.counters import Counters
from fleet.core.data_channel import DataClient, DataServer
from fleet.core.messages import Hello, Message, Policy, Rollout, Stop, Welcome
from fleet.core.wire import encode
from tests.core.channels import OTHER, RUN, SPEC, greet, make_policy, make_rollout, make_welcome, until


def test_a_rollout_and_a_policy_cross(server: DataServer, client: DataClient) -> None:
    greet(server, client)
    sent = make_rollout(7, steps=8000)
    assert server.send(3, 0, sent)
    [rollout] = client.receive(10)
    assert isinstance(rollout, Rollout)
    assert np.array_equal(rollout.batch.obs, sent.batch.obs)
    assert not rollout.batch.obs.flags.writeable
    assert client.answering.last == 7
    assert client.send(make_policy(1, rollouts=(7,), diagnostics={"kl": 0.5}))
    [policy] = server.receive(10)
    assert isinstance(policy, Policy)
    assert policy.diagnostics == {"kl": 0.5}
    size = sum(len(frame) for frame in encode(sent))
    assert server.counters.bytes("sent", "rollout") == client.counters.bytes("received", "rollout") == size
    assert server.counters.bytes("received") == client.counters.bytes("sent")
    assert server.counters.as_dict()["messages_received"] == {"hello": 1, "policy": 1}
    assert client.counters.as_dict()["messages_sent"] == {"hello": 1, "policy": 1}


def test_receive_waits_no_longer_than_told(server: DataServer) -> None:
    started = time.monotonic()
    assert server.receive(0.05) == []
    assert 0.04 < time.monotonic() - started < 2


def test_an_unknown_peer_is_told_at_once(server: DataServer, client: DataClient) -> None:
    greet(server, client)
    assert not server.send(3, 1, make_rollout())
    assert not server.send(4, 0, make_rollout())
    assert server.counters.messages("sent", "rollout") == 0


def test_a_peer_that_never_reads_holds_nobody(server: DataServer, client: DataClient) -> None:
    greet(server, client)
    started = time.monotonic()
    taken = 0
    while server.send(3, 0, make_rollout(taken, steps=8000)):
        taken += 1
        assert taken < 1000
    assert time.monotonic() - started < 5
    assert taken >= 8
    until(lambda: client.answering.last == taken - 1, client.receive)


def test_a_peer_that_died_is_noticed(server: DataServer, client: DataClient) -> None:
    greet(server, client)
    client.close()
    until(lambda: server.counters.disconnects, server.receive)
    assert not server.send(3, 0, make_rollout())


def test_a_policy_is_sent_as_it_was(server: DataServer, client: DataClient) -> None:
    live = np.zeros(200_000, np.float32)
    for version in range(8):
        live[:] = version
        assert client.send(make_policy(version, weights={"w": live}))
    live[:] = -1
    got: list[Message] = []
    until(lambda: len(got) == 8, lambda timeout_s: got.extend(server.receive(timeout_s)))
    for version, message in enumerate(got):
        assert isinstance(message, Policy)
        assert (message.weights["w"] == version).all()


@pytest.mark.parametrize(
    ("identity", "frames", "reason"),
    [
        (b"learner-3/0", encode(make_policy(run=OTHER)), "run"),
        (b"learner-3/0", encode(make_policy(learner=4)), "sender"),
        (b"learner-3/0", encode(make_policy(incarnation=1)), "sender"),
        (b"learner-3/1", encode(make_policy()), "sender"),
        (b"learner-03/0", encode(make_policy()), "sender"),
        (b"\x01\xff", encode(make_policy()), "sender"),
        (b"learner-3/0", encode(Stop(RUN, "now")), "kind"),
        (b"learner-3/0", encode(make_rollout()), "kind"),
        (b"learner-3/0", [b""], "header"),
        (b"learner-3/0", [b"\xc1" * 100], "header"),
        (b"learner-3/0", [b"x"] * 1000, "frames"),
        (b"learner-3/0", [*encode(make_policy()), b""], "frames"),
        (b"learner-3/0", [encode(make_policy())[0].replace(b"\xa5fleet\x03", b"\xa5fleet\x04")], "protocol"),  # type: ignore[union-attr]
    ],
)
def test_a_bad_message_is_counted_and_its_sender_goes_on(
    server: DataServer, stranger: Any, identity: bytes, frames: list[bytes], reason: str, caplog: Any
) -> None:
    raw = stranger(identity)
    raw.send_multipart(frames)
    until(lambda: server.counters.rejected, server.receive)
    assert server.counters.rejected == {reason: 1}
    assert "threw away" in caplog.text
    if identity == b"learner-3/0":
        raw.send_multipart(encode(make_policy(5)))
        [policy] = server.receive(10)
        assert isinstance(policy, Policy)
        assert policy.version == 5


def test_a_flood_does_not_fill_the_log(server: DataServer, stranger: Any, caplog: Any) -> None:
    raw = stranger(b"learner-3/0")
    for _ in range(500):
        raw.send(b"flood")
    with caplog.at_level(logging.WARNING):
        until(lambda: server.counters.rejected == {"header": 500}, server.receive)
    assert len(caplog.records) == 9  # 1, 2, 4 ... 256


def test_rubbish_on_the_socket_stops_nobody(server: DataServer, client: DataClient, endpoint: str) -> None:
    greet(server, client)
    rubbish = [
        np.random.default_rng(1).bytes(4096),
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\xff\0\0\0\0\0\0\0\1\x7f",  # half a ZMTP greeting, then silence
        b"\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL" + bytes(48) + b"\4\xff" + b"\xff" * 8,  # a command of 2^64-1 bytes
        b"",
    ]
    raws = []
    for data in rubbish * 3:
        raw = socket.socket(socket.AF_UNIX)
        raw.connect(endpoint.removeprefix("ipc://"))
        with suppress(BrokenPipeError):
            raw.sendall(data)
        raws.append(raw)
    for seq in range(20):
        assert server.send(3, 0, make_rollout(seq))
        [rollout] = client.receive(10)
        assert isinstance(rollout, Rollout)
        assert client.send(make_policy(seq + 1, rollouts=(rollout.seq,)))
        assert len(server.receive(10)) == 1
    for raw in raws:
        raw.close()
    until(lambda: server.counters.disconnects >= 9, server.receive)
    assert server.send(3, 0, make_rollout(20))
    assert len(client.receive(10)) == 1
    assert server.counters.rejected == {}


def test_rollouts_wait_for_the_welcome_of_the_last_hello(server: DataServer, client: DataClient) -> None:
    client.greet()
    [first] = server.receive(10)
    server.send(3, 0, make_rollout(0))
    until(lambda: client.counters.rejected == {"life": 1}, client.receive)
    client.greet()
    [second] = server.receive(10)
    server.send(3, 0, make_welcome(first))
    server.send(3, 0, make_rollout(0))
    server.send(3, 0, make_welcome(second))
    server.send(3, 0, make_rollout(1))
    got: list[Message] = []
    until(lambda: len(got) == 2, lambda timeout_s: got.extend(client.receive(timeout_s)))
    assert isinstance(got[0], Welcome)
    assert isinstance(got[1], Rollout)
    assert got[1].seq == 1
    assert client.counters.rejected == {"life": 2, "sequence": 1}


def test_a_new_hello_ends_the_old_welcome(server: DataServer, client: DataClient) -> None:
    greet(server, client)
    client.greet()
    server.send(3, 0, make_rollout(0))
    until(lambda: client.counters.rejected == {"life": 1}, client.receive)
    assert client.answering.last == -1


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (make_rollout(3), "sequence"),
        (make_rollout(4), "sequence"),
        (make_rollout(9, life=0), "life"),
        (make_rollout(9, life=2), "life"),
        (make_rollout(9, learner=2), "sender"),
        (make_rollout(9, incarnation=1), "sender"),
        (replace(make_rollout(9), run=OTHER), "run"),
        (replace(make_rollout(9), batch=replace(make_rollout().batch, robots=(2,))), "fields"),
        (
            replace(make_rollout(9), batch=replace(make_rollout().batch, actions=np.full((1, 4, 3), 5, np.uint8))),
            "fields",
        ),
        (Welcome(RUN, 1, 3, 0, -1, (3,), SPEC, greeting=99), "sequence"),
        (Welcome(RUN, 0, 3, 0, -1, (3,), SPEC, greeting=1), "life"),
    ],
)
def test_a_learner_takes_only_what_is_its_own(
    server: DataServer, client: DataClient, bad: Rollout | Welcome, reason: str
) -> None:
    greet(server, client)
    assert server.send(3, 0, make_rollout(4))
    assert len(client.receive(10)) == 1
    assert server.send(3, 0, bad)
    assert server.send(3, 0, make_rollout(6))  # a gap is none of its business
    got: list[Message] = []
    until(lambda: got, lambda timeout_s: got.extend(client.receive(timeout_s)))
    assert [message.seq for message in got if isinstance(message, Rollout)] == [6]
    assert client.counters.rejected == {reason: 1}


def test_a_new_server_life_is_noticed_and_starts_counting_anew(endpoint: str, client: DataClient) -> None:
    first = DataServer(endpoint, RUN, Counters())
    greet(first, client)
    first.send(3, 0, make_rollout(4))
    until(lambda: client.answering.last == 4, client.receive)
    before = client.connections
    first.close()
    second = DataServer(endpoint, RUN, Counters())
    until(lambda: client.connections > before, client.receive)
    client.answering.version = 7
    client.greet()
    [hello] = second.receive(10)
    assert isinstance(hello, Hello)
    assert (hello.version, hello.last, hello.life, hello.greeting) == (7, 4, 1, 2)
    second.send(3, 0, make_welcome(hello, life=2))
    second.send(3, 0, make_rollout(0, life=2))
    until(lambda: client.answering.last == 0, client.receive)
    second.close()
