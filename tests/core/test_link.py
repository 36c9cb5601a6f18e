"""The link below both channels: whose the socket is, and how large a message may be."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest
import zmq

from fleet.core.counters import Counters
from fleet.core.data_channel import DataClient, DataServer
from fleet.core.endpoints import ChannelError
from fleet.core.link import Link
from fleet.core.messages import Message, MessageError, Stop
from fleet.core.wire import encode
from tests.core.channels import RUN, greet, until


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
    "endpoint", ["tcp://localhost:5555", "tcp://0.0.0.0:1", "ipc://relative", "ipc:///" + "x" * 107, "inproc://a", ""]
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
