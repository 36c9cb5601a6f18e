"""What a link suffers on purpose: pure at first, then over real sockets."""

import time
from collections.abc import Iterator
from math import inf

import pytest

from fleet.core.counters import Counters
from fleet.core.data_channel import DataClient, DataServer
from fleet.core.messages import Hello, Message, Policy, Rollout, Welcome
from fleet.core.weather import Weather
from tests.core.channels import RUN, make_policy, make_rollout, make_welcome, until

FRAMES = [b"header", b"one array", b"another"]


def test_fair_weather_changes_nothing() -> None:
    weather = Weather()
    assert weather.leaving("policy", FRAMES, 0.0) is FRAMES
    assert (weather.next_due, weather.due(9.0)) == (inf, [])


def test_nothing_leaves_a_cut_link_and_what_was_held_is_lost() -> None:
    weather = Weather()
    weather.delay_s = 1.0
    assert weather.leaving("policy", FRAMES, 0.0) is None
    weather.cut_out = True
    assert weather.leaving("policy", FRAMES, 0.5) is None
    assert weather.due(1.0) == []
    weather.cut_out = False
    assert weather.next_due == inf


def test_what_is_held_leaves_in_order_though_the_delay_shrinks() -> None:
    weather = Weather()
    array = bytearray(b"array")
    weather.delay_s = 2.0
    assert weather.leaving("policy", [b"1", memoryview(array)], 0.0) is None
    array[:] = b"other"
    weather.delay_s = 0.0
    assert weather.leaving("hello", [b"2"], 1.0) is None
    assert weather.due(1.9) == []
    assert [(held.kind, held.frames) for held in weather.due(2.0)] == [("policy", [b"1", b"array"]), ("hello", [b"2"])]
    assert weather.leaving("hello", FRAMES, 3.0) is FRAMES


def test_one_byte_of_the_next_messages_is_flipped_in_the_header_or_in_an_array_and_by_the_seed() -> None:
    hit = set()
    for seed in range(40):
        weather, same = Weather(seed), Weather(seed)
        weather.corrupt = same.corrupt = 1
        spoiled = weather.leaving("policy", FRAMES, 0.0)
        assert spoiled is not None
        assert spoiled == same.leaving("policy", FRAMES, 0.0)
        pairs = zip(b"".join(FRAMES), b"".join(map(bytes, spoiled)), strict=True)
        assert sum(before != after for before, after in pairs) == 1
        hit.add(next(at for at, frame in enumerate(spoiled) if frame != FRAMES[at]))
        assert weather.leaving("policy", FRAMES, 0.0) is FRAMES
    assert hit == {0, 1, 2}


def test_a_message_without_arrays_can_be_hit_in_its_header_only() -> None:
    weather = Weather(3)
    weather.corrupt = 20
    assert all(weather.leaving("hello", [b"header", b""], 0.0) != [b"header", b""] for _ in range(20))


@pytest.fixture
def weather() -> Weather:
    return Weather(1)


@pytest.fixture
def client(endpoint: str, weather: Weather) -> Iterator[DataClient]:
    client = DataClient(endpoint, RUN, 3, 0, Counters(), weather=weather)
    yield client
    client.close()


def greet(server: DataServer, client: DataClient) -> None:
    client.greet_if_due()
    [hello] = server.receive(10)
    assert server.send(3, 0, make_welcome(hello))
    assert isinstance(client.receive(10)[0], Welcome)


def test_a_cut_link_carries_nothing_and_its_end_has_hello_said_again(
    server: DataServer, client: DataClient, weather: Weather
) -> None:
    """Broken by no `reconnect` at its end, and by no ROUTER_HANDOVER: the new connection finds its name taken."""
    greet(server, client)
    weather.cut_in = weather.cut_out = True
    assert client.send(make_policy(1))
    server.send(3, 0, make_rollout(0))
    assert (server.receive(0.2), client.receive(0.2), client.answering.last) == ([], [], -1)
    weather.cut_in = weather.cut_out = False
    for greeting in range(2, 12):
        client.reconnect()
        until(lambda: client.answering.hello_at < 0, client.receive)
        greet_again: list[Message] = []
        client.greet_if_due()
        until(lambda got=greet_again: got, lambda timeout_s, got=greet_again: got.extend(server.receive(timeout_s)))
        assert isinstance(greet_again[-1], Hello)
        assert greet_again[-1].greeting == greeting
        assert server.send(3, 0, make_welcome(greet_again[-1]))
        until(lambda: client.answering.welcomed, client.receive)
    server.send(3, 0, make_rollout(1))
    assert [message.seq for message in client.receive(10) if isinstance(message, Rollout)] == [1]


def test_what_is_delayed_leaves_while_its_sender_waits(
    server: DataServer, client: DataClient, weather: Weather
) -> None:
    greet(server, client)
    weather.delay_s = 0.3
    began = time.monotonic()
    client.send(make_policy(1))
    assert server.receive(0.0) == []
    client.receive(0.5)
    assert time.monotonic() - began < 2.0
    [policy] = server.receive(10)
    assert isinstance(policy, Policy)


def test_a_flipped_byte_upsets_nobody(server: DataServer, client: DataClient, weather: Weather) -> None:
    greet(server, client)
    weather.corrupt = 60
    got: list[Message] = []
    for version in range(1, 62):
        assert client.send(make_policy(version))
        until(
            lambda sent=version: sum(server.counters.rejected.values()) + len(got) == sent,
            lambda timeout_s: got.extend(server.receive(timeout_s)),
        )
    assert sum(server.counters.rejected.values()) > 10
    assert isinstance(got[-1], Policy)
    assert got[-1].version == 61
