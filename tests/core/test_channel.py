"""Both channels over real sockets: what arrives, what is thrown away, and that the good peer goes on."""

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from fleet.core.control_channel import ControlClient, ControlServer, Peer
from fleet.core.counters import Counters
from fleet.core.data_channel import DataClient, DataServer
from fleet.core.link import ChannelError, Link
from fleet.core.messages import (
    Command,
    Event,
    Heartbeat,
    Hello,
    Lost,
    Message,
    MessageError,
    Policy,
    Progress,
    Reply,
    Rollout,
    Stop,
    Welcome,
)
from fleet.core.spec import RolloutBatch, WorldSpec
from fleet.core.wire import encode

RUN, OTHER = "0123456789abcdef" * 2, "f" * 32
SPEC = WorldSpec(4, 3, 5, np.dtype(np.int8), 5, np.ones(5, np.float32))
WEIGHTS = {"w": np.ones(2, np.float32)}


def make_rollout(seq: int = 0, life: int = 1, learner: int = 3, incarnation: int = 0, steps: int = 4) -> Rollout:
    flat = (1, steps, 3)
    batch = RolloutBatch(
        robots=(3,),
        obs=np.full((1, steps + 1, 3, 5), seq % 100, np.int8),
        actions=np.zeros(flat, np.uint8),
        log_probs=np.zeros(flat, np.float32),
        rewards=np.zeros(flat, np.float32),
        terminated=np.zeros(flat, np.bool_),
        truncated=np.zeros(flat, np.bool_),
        final_obs=np.zeros((0, 5), np.int8),
    )
    return Rollout(RUN, life, learner, incarnation, seq, 0, -1, batch)


def make_policy(version: int = 0, **change: Any) -> Policy:
    return replace(Policy(RUN, 1, 3, 0, version, (), WEIGHTS, {}), **change)


def make_welcome(hello: Message, life: int = 1) -> Welcome:
    assert isinstance(hello, Hello)
    return Welcome(RUN, life, hello.learner, hello.incarnation, -1, (3,), SPEC, greeting=hello.greeting)


@pytest.fixture
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"ipc://{tmp_path_factory.mktemp('s')}/data"


@pytest.fixture
def server(endpoint: str) -> Iterator[DataServer]:
    server = DataServer(endpoint, RUN, Counters())
    yield server
    server.close()


@pytest.fixture
def client(endpoint: str) -> Iterator[DataClient]:
    client = DataClient(endpoint, RUN, 3, 0, Counters())
    yield client
    client.close()


@pytest.fixture
def stranger(endpoint: str) -> Iterator[Callable[[bytes], "zmq.Socket[bytes]"]]:
    """Raw sockets with a routing id of one's choice, which send whatever one likes."""
    made: list[zmq.Socket[bytes]] = []

    def connect(identity: bytes) -> "zmq.Socket[bytes]":
        raw: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        raw.setsockopt(zmq.IDENTITY, identity)
        raw.linger = 0
        raw.connect(endpoint)
        made.append(raw)
        return raw

    yield connect
    for raw in made:
        raw.close()


def until(done: Callable[[], object], receive: Callable[[float], object], timeout_s: float = 10.0) -> None:
    """Receive until `done`, or fail."""
    deadline = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < deadline
        receive(0.05)


def greet(server: DataServer, client: DataClient, life: int = 1) -> None:
    assert client.greet(-1)
    hellos = server.receive(10)
    assert server.send(3, 0, make_welcome(hellos[-1], life))
    assert isinstance(client.receive(10)[-1], Welcome)


def test_a_rollout_and_a_policy_cross(server: DataServer, client: DataClient) -> None:
    greet(server, client)
    sent = make_rollout(7, steps=8000)
    assert server.send(3, 0, sent)
    [rollout] = client.receive(10)
    assert isinstance(rollout, Rollout)
    assert np.array_equal(rollout.batch.obs, sent.batch.obs)
    assert not rollout.batch.obs.flags.writeable
    assert client.last == 7
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
    until(lambda: client.last == taken - 1, client.receive)


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
        (b"learner-3/0", [encode(make_policy())[0].replace(b"\xa5fleet\x01", b"\xa5fleet\x02")], "protocol"),  # type: ignore[union-attr]
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
    client.greet(-1)
    [first] = server.receive(10)
    server.send(3, 0, make_rollout(0))
    until(lambda: client.counters.rejected == {"life": 1}, client.receive)
    client.greet(-1)
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
    client.greet(-1)
    server.send(3, 0, make_rollout(0))
    until(lambda: client.counters.rejected == {"life": 1}, client.receive)
    assert client.last == -1


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
    until(lambda: client.last == 4, client.receive)
    before = client.connections
    first.close()
    second = DataServer(endpoint, RUN, Counters())
    until(lambda: client.connections > before, client.receive)
    client.greet(7)
    [hello] = second.receive(10)
    assert isinstance(hello, Hello)
    assert (hello.version, hello.last, hello.life, hello.greeting) == (7, 4, 1, 2)
    second.send(3, 0, make_welcome(hello, life=2))
    second.send(3, 0, make_rollout(0, life=2))
    until(lambda: client.last == 0, client.receive)
    second.close()


def test_the_socket_is_its_users_own(endpoint: str) -> None:
    before = os.umask(0o022)
    try:
        server = DataServer(endpoint, RUN, Counters())
        path = Path(endpoint.removeprefix("ipc://"))
        assert path.stat().st_mode & 0o077 == 0
        assert os.umask(0o022) == 0o022
        server.close()
        assert not path.exists()
    finally:
        os.umask(before)


def test_an_endpoint_in_use_is_not_stolen(endpoint: str, server: DataServer, client: DataClient) -> None:
    with pytest.raises(ChannelError, match="another process"):
        DataServer(endpoint, RUN, Counters())
    greet(server, client)


def test_a_socket_that_a_dead_process_left_is_taken_over(endpoint: str, client: DataClient) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(endpoint.removeprefix("ipc://"))
    left.close()
    server = DataServer(endpoint, RUN, Counters())
    greet(server, client)
    server.close()


@pytest.mark.parametrize(
    "endpoint", ["tcp://127.0.0.1:5555", "tcp://0.0.0.0:1", "ipc://relative", "ipc:///" + "x" * 107, "inproc://a", ""]
)
def test_an_endpoint_that_is_no_private_path_is_refused(endpoint: str) -> None:
    with pytest.raises(ChannelError, match="endpoint"):
        DataClient(endpoint, RUN, 0, 0, Counters())


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(ChannelError, match="can't serve"):
        DataServer(f"ipc://{tmp_path}/no/data"[:107], RUN, Counters())


@pytest.mark.parametrize(("over", "goes"), [(-1, True), (0, True), (1, False)])
def test_what_the_other_side_would_not_take_is_not_sent(endpoint: str, over: int, goes: bool) -> None:
    stop = Stop(RUN, "x")
    limit = sum(len(frame) for frame in encode(stop)) - over
    link = Link(zmq.DEALER, endpoint, Counters(), queue=4, largest_out=limit)
    try:
        if goes:
            assert link.send(stop)
        else:
            with pytest.raises(MessageError, match="allowed are at most"):
                link.send(stop)
    finally:
        link.close()


@pytest.mark.parametrize(("size", "taken"), [(999, 1), (1000, 1), (1001, 0)])
def test_a_message_over_the_cap_never_comes_in(endpoint: str, stranger: Any, size: int, taken: int) -> None:
    counters = Counters()
    link = Link(zmq.ROUTER, endpoint, counters, queue=4, largest_in=1000)
    seen: list[int] = []

    def take(frames: list[Any]) -> tuple[None, Message]:
        seen.append(len(frames[1]))
        return None, Stop(RUN, "x")

    stranger(b"s").send(bytes(size))
    until(lambda: seen or counters.disconnects, lambda timeout_s: link.receive(timeout_s, take))
    assert len(seen) == taken
    link.close()


def test_frames_that_are_too_large_together_are_thrown_away(endpoint: str, stranger: Any) -> None:
    counters = Counters()
    link = Link(zmq.ROUTER, endpoint, counters, queue=4, largest_in=1000)
    stranger(b"a").send_multipart([bytes(600), bytes(600)])
    until(
        lambda: counters.rejected == {"size": 1},
        lambda timeout_s: link.receive(timeout_s, lambda _: pytest.fail("taken")),
    )
    link.close()


def heartbeat(process: str = "learner-3", incarnation: int = 1) -> Heartbeat:
    return Heartbeat(RUN, process, incarnation, 4711, 5, 1_000_000, 0.5)


def test_the_supervisor_hears_and_orders(endpoint: str) -> None:
    supervisor = ControlServer(endpoint, RUN)
    learner = ControlClient(endpoint, RUN, "learner-3", 1)
    cli = ControlClient(endpoint, RUN, "cli", 0)
    learner.send(heartbeat())
    [(peer, message)] = supervisor.receive(10)
    assert peer == Peer("learner-3", 1)
    assert message == heartbeat()
    assert supervisor.send("learner-3", 1, Stop(RUN, "done"))
    assert learner.receive(10) == [Stop(RUN, "done")]
    assert not supervisor.send("learner-3", 2, Stop(RUN, "done"))
    cli.send(Command(RUN, "status", {}))
    [(peer, message)] = supervisor.receive(10)
    assert peer.process == cli.process
    assert supervisor.reply(peer, Reply(RUN, True, "runs", {"robots": 4}))
    assert cli.receive(10) == [Reply(RUN, True, "runs", {"robots": 4})]
    for end in (supervisor, learner, cli):
        end.close()


@pytest.mark.parametrize(
    ("identity", "message", "reason"),
    [
        (b"learner-3/1", heartbeat("learner-4"), "sender"),
        (b"learner-3/1", heartbeat(incarnation=2), "sender"),
        (b"learner-3/1", Progress(RUN, 1, {}), "sender"),
        (b"env_server/0", Progress(RUN, 1, {}), "sender"),
        (b"learner-3/1", Event(RUN, "supervisor", "spawn", {}), "sender"),
        (b"learner-3/1", replace(heartbeat(), run=OTHER), "run"),
        (b"learner-3/1", Lost(RUN, 3, 1, "learner_died"), "kind"),
        (b"anyone/0", Command(RUN, "stop", {}), "sender"),
        (b"learner-3/\xff", Command(RUN, "stop", {}), "sender"),
        (b"\0\1\2", Command(RUN, "stop", {}), "sender"),
    ],
)
def test_a_process_speaks_for_itself_only(
    endpoint: str, stranger: Any, identity: bytes, message: Message, reason: str
) -> None:
    supervisor = ControlServer(endpoint, RUN)
    stranger(identity).send_multipart(encode(message))
    until(lambda: supervisor.counters.rejected == {reason: 1}, supervisor.receive)
    supervisor.close()


def test_a_client_takes_no_reports(endpoint: str) -> None:
    supervisor = ControlServer(endpoint, RUN)
    learner = ControlClient(endpoint, RUN, "learner-3", 1)
    learner.send(heartbeat())
    supervisor.receive(10)
    supervisor.send("learner-3", 1, heartbeat())  # type: ignore[arg-type]
    supervisor.send("learner-3", 1, Stop(OTHER, "not ours"))
    until(lambda: learner.counters.rejected == {"kind": 1, "run": 1}, learner.receive)
    supervisor.close()
    learner.close()


@pytest.mark.parametrize("process", ["cli-1", "learner-03", "a/b", ""])
def test_a_process_has_a_proper_name(endpoint: str, process: str) -> None:
    with pytest.raises(ChannelError, match="process"):
        ControlClient(endpoint, RUN, process, 0)
