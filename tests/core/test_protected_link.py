"""Links with keys, over tcp and ipc: who has no allowed key is refused and counted, and those inside don't notice."""

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from fleet.core import zap
from fleet.core.control_channel import ControlClient, ControlServer
from fleet.core.counters import Counters
from fleet.core.data_channel import DataClient, DataServer
from fleet.core.endpoints import ChannelError, parse_endpoint
from fleet.core.errors import BadInput
from fleet.core.keys import load_client_keys, load_server_keys, make_keys
from fleet.core.messages import Hello, Stop
from fleet.core.wire import encode
from tests.core.channels import RUN, greet, until
from tests.ports import free_port, until_free

Raw = Callable[..., "zmq.Socket[bytes]"]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys") / "keys"
    make_keys(folder)
    return folder


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("strangers") / "keys"
    make_keys(folder)
    return folder


@pytest.fixture(params=["tcp", "ipc"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An endpoint without keys."""
    if request.param == "ipc":
        return f"ipc://{tmp_path_factory.mktemp('s')}/data"
    return f"tcp://127.0.0.1:{free_port()}"


@pytest.fixture
def endpoint(place: str, keys: Path) -> str:
    return f"{place}?keys={keys}"


@pytest.fixture
def server(endpoint: str) -> Iterator[DataServer]:
    server = DataServer(endpoint, RUN, Counters())
    yield server
    server.close()
    assert not doorkeepers()


@pytest.fixture
def client(endpoint: str) -> Iterator[DataClient]:
    client = DataClient(endpoint, RUN, 3, 0, Counters())
    yield client
    client.close()


@pytest.fixture
def raw(place: str) -> Iterator[Raw]:
    """Clients of one's own that say a proper hello, with whatever options."""
    made: list[zmq.Socket[bytes]] = []

    def connect(**options: Any) -> "zmq.Socket[bytes]":
        client: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        client.setsockopt(zmq.IDENTITY, b"learner-3/0")
        client.linger = 0
        for name, value in options.items():
            setattr(client, name, value)
        client.connect(place)
        with contextlib.suppress(zmq.Again):  # turned away before it could speak
            client.send_multipart(encode(Hello(RUN, 3, 0, -1, -1)), zmq.NOBLOCK)
        made.append(client)
        return client

    yield connect
    for client in made:
        client.close()


def doorkeepers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "doorkeeper"]


def refused(server: DataServer, times: int = 1) -> None:
    """Nothing comes in, and each attempt is counted."""
    until(
        lambda: server.counters.disconnects >= times, lambda wait: [pytest.fail("let in") for _ in server.receive(wait)]
    )


def identity(folder: Path, server: bytes | None = None) -> dict[str, bytes]:
    found = load_client_keys(folder)
    return {
        "curve_publickey": found.own.public,
        "curve_secretkey": found.own.secret,
        "curve_serverkey": server or found.server,
    }


def test_who_has_an_allowed_key_is_let_in_and_comes_back(server: DataServer, client: DataClient) -> None:
    assert len(doorkeepers()) == 1
    greet(server, client)
    assert server.counters.disconnects == 0


def test_a_strangers_key_is_refused(
    server: DataServer, client: DataClient, raw: Raw, strangers: Path, keys: Path
) -> None:
    """Broken by answering every question with 200, and by binding without curve_server."""
    raw(**identity(strangers, server=load_server_keys(keys).own.public))
    refused(server)
    greet(server, client)


def test_a_wrong_idea_of_the_servers_key_is_refused(server: DataServer, raw: Raw, keys: Path, strangers: Path) -> None:
    raw(**identity(keys, server=load_server_keys(strangers).own.public))
    refused(server)


def test_an_unencrypted_client_is_refused(server: DataServer, client: DataClient, raw: Raw) -> None:
    raw()
    refused(server)
    greet(server, client)


def test_a_password_is_refused(server: DataServer, raw: Raw) -> None:
    raw(plain_username=b"admin", plain_password=b"admin")
    refused(server)


def test_no_doorkeeper_lets_nobody_in(server: DataServer, raw: Raw, keys: Path) -> None:
    """Broken by leaving out ZAP_ENFORCE_DOMAIN: ZeroMQ then lets every key in."""
    context = zmq.Context.instance()
    keeper = zap._doorkeepers.pop(context)
    keeper.close()
    raw(**identity(keys))
    refused(server)
    zap._doorkeepers[context] = zap._Doorkeeper(context)  # for the fixture's close to find
    zap._doorkeepers[context].allowed = keeper.allowed


GREETING = b"\xff\0\0\0\0\0\0\0\1\x7f\3\1CURVE" + bytes(15) + b"\1" + bytes(31)
STARTS = {
    "http": b"GET / HTTP/1.1\r\nHost: fleet\r\n\r\n" + b"x" * 300,
    "nothing": b"",
    "half a greeting": GREETING[:11],
    "a greeting and nothing": GREETING,
    "a greeting of another mechanism": GREETING.replace(b"CURVE", b"NULL\0"),
    "a greeting and junk": GREETING + b"\4\x40" + bytes(64),
    "half a hello": GREETING + b"\4\xc8\5HELLO\1\0" + bytes(72),
    "zmtp 1": b"\1\0\1\0junk",
    "zmtp 2": b"\xff\0\0\0\0\0\0\0\1\x7f\1\5\0\0\4junk",
}


@pytest.mark.slow
def test_what_does_not_finish_its_handshake_is_cut_off_and_counted(
    place: str, server: DataServer, client: DataClient
) -> None:
    """Broken by a handshake_ivl of 0: whoever says nothing then stays for ever."""
    where = parse_endpoint(place)
    greet(server, client)
    with contextlib.ExitStack() as stack:
        strangers = []
        for start in STARTS.values():
            stranger = socket.socket(socket.AF_INET if where.path is None else socket.AF_UNIX)
            strangers.append(stack.enter_context(stranger))
            stranger.connect(where.path or (str(where.host), where.port))
            stranger.sendall(start)
        until(lambda: server.counters.disconnects >= len(STARTS), server.receive)
        for stranger in strangers:
            stranger.settimeout(1)
            with contextlib.suppress(ConnectionError):
                while stranger.recv(4096):
                    pass
    greet(server, client)
    assert server.counters.rejected == {}


def test_two_links_of_one_process_share_a_doorkeeper_and_no_guests(
    server: DataServer, client: DataClient, raw: Raw, keys: Path, strangers: Path, tmp_path: Path
) -> None:
    """Broken by one allow-list for all links: who is let in at one would be let in at the other."""
    theirs = ControlServer(f"ipc://{tmp_path}/c?keys={strangers}", RUN)
    guest = ControlClient(f"ipc://{tmp_path}/c?keys={strangers}", RUN, "cli", 0)
    guest.send(Stop(RUN, "x"))
    until(lambda: theirs.counters.rejected == {"kind": 1}, theirs.receive)
    assert len(doorkeepers()) == 1
    raw(**identity(strangers, server=load_server_keys(keys).own.public))
    refused(server)
    theirs.close()
    guest.close()
    greet(server, client)
    assert len(doorkeepers()) == 1


def test_the_last_link_closes_the_door_and_the_next_opens_it_again(endpoint: str) -> None:
    for _ in range(20):
        server = DataServer(endpoint, RUN, Counters())
        server.close()
        server.close()
        assert not doorkeepers()
        where = parse_endpoint(endpoint)
        if where.path is None:
            until_free(where.port)


def test_a_forked_child_has_its_own_doorkeeper(
    server: DataServer, client: DataClient, tmp_path: Path, keys: Path
) -> None:
    greet(server, client)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            where = f"ipc://{tmp_path}/child?keys={keys}"
            inner, guest = DataServer(where, RUN, Counters()), DataClient(where, RUN, 3, 0, Counters())
            greet(inner, guest)
            guest.close()
            inner.close()
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    greet(server, client)


def test_a_port_in_use_is_said_and_no_doorkeeper_stays(keys: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ChannelError, match="in use"):
            DataServer(f"tcp://127.0.0.1:{other.getsockname()[1]}?keys={keys}", RUN, Counters())
    assert not doorkeepers()


def test_keys_that_have_become_unsafe_are_refused(endpoint: str, tmp_path: Path) -> None:
    make_keys(tmp_path / "k")
    (tmp_path / "k" / "server.secret").chmod(0o644)
    with pytest.raises(BadInput, match="chmod"):
        DataServer(f"{endpoint.partition('?')[0]}?keys={tmp_path}/k", RUN, Counters())
    assert not doorkeepers()


@pytest.mark.parametrize(
    "question",
    [
        [],
        [b"1.0"],
        [b"1.0", b"7"],
        [b"1.0", b"7", b"d", b"", b"", b"NULL"],
        [b"2.0", b"7", b"d", b"", b"", b"CURVE", b"k"],
    ],
)
def test_a_question_that_makes_no_sense_is_answered_with_no(server: DataServer, question: list[bytes]) -> None:
    with zmq.Context.instance().socket(zmq.REQ) as asker:
        asker.linger = 0
        asker.connect("inproc://zeromq.zap.01")
        asker.send_multipart(question or [b""])
        assert asker.poll(5000)
        assert asker.recv_multipart()[2] == b"400"
