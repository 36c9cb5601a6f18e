"""Both ends of the data channel on a socket of the test's own, and strangers on it."""

from collections.abc import Callable, Iterator

import pytest
import zmq

from fleet.core.counters import Counters
from fleet.core.data_channel import DataClient, DataServer
from tests.core.channels import RUN


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
