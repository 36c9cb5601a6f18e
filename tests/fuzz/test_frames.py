"""Frames from anyone: decode raises BadFrame or gives a message, and what it gives can be sent again as it is."""

import contextlib
from random import Random
from typing import Any

import msgpack
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fleet.core.checks import MAX_COUNT, MessageError
from fleet.core.codec import BadFrame, unpack
from fleet.core.messages import PROTOCOL_VERSION, Message
from fleet.core.wire import MAX_FRAMES, MAX_HEADER, decode, encode
from tests.fuzz.profile import quick
from tests.fuzz.samples import JUNK, SAMPLES, mutated, same, sent


def fuzz(frames: list[bytes]) -> None:
    """Decode; whatever is a message is encoded and decoded to an equal one."""
    try:
        message = decode(frames)
    except BadFrame:
        return
    with contextlib.suppress(MessageError):  # its header may be larger as msgpack writes it than as it came
        assert same(decode(sent(message)), message)


def header(**change: Any) -> bytes:
    outer = {"fleet": PROTOCOL_VERSION, "kind": "stop", "fields": {"run": "0" * 32, "reason": "x"}, "arrays": []}
    return bytes(msgpack.packb({**outer, **change}))


def nested(depth: int, opening: bytes = b"\x91") -> bytes:
    return opening * depth + b"\xc0"


BAD: dict[str, list[bytes]] = {
    "nothing": [],
    "an empty frame": [b""],
    "a thousand frames": [header()] * 1000,
    "one frame too many": [header()] * (MAX_FRAMES + 1),
    "a reserved byte": [b"\xc1"],
    "http": [b"GET / HTTP/1.1\r\n\r\n"],
    "nested 2,000 deep": [nested(2000)],
    "nested in tables": [nested(2000, b"\x81\xa1a")],
    "a list that lies": [b"\xdd\xff\xff\xff\xff"],
    "a table that lies": [b"\xdf\xff\xff\xff\xff"],
    "a text that lies": [b"\xdb\xff\xff\xff\xff"],
    "bytes that lie": [b"\xc6\xff\xff\xff\xff"],
    "an extension": [b"\xc7\x01\x01\x00"],
    "a timestamp": [b"\xd6\xff\x00\x00\x00\x00"],
    "many lists of many": [b"\xdc\x04\x00" * 60_000],
    "integer keys": [msgpack.packb({1: 2, "fleet": PROTOCOL_VERSION})],
    "duplicate keys": [b"\x85" + header()[1:] + b"\xa5fleet" + bytes([PROTOCOL_VERSION])],
    "no text": [b"\xa3\xff\xff\xff"],
    "trailing bytes": [header() + b"\0"],
    "truncated": [header()[:-1]],
    "version 0": [header(fleet=0)],
    "a future version": [header(fleet=PROTOCOL_VERSION + 1)],
    "a version of 2^64-1": [header(fleet=2**64 - 1)],
    "true as the version": [header(fleet=True)],
    "a float as the version": [header(fleet=float(PROTOCOL_VERSION))],
    "a header one byte too long": [header() + bytes(MAX_HEADER)],
    "an array too many": [header(arrays=[["a", "int8", [1]]]), b"\0"],
    "a surplus frame": [header(), b""],
}


@pytest.mark.parametrize("frames", BAD.values(), ids=BAD.keys())
def test_the_bad_frames_of_the_list_are_refused(frames: list[bytes]) -> None:
    """Broken by taking a header in which a key comes twice."""
    with pytest.raises(BadFrame):
        decode(frames)


@quick
@given(st.lists(st.binary(max_size=200), max_size=4))
@example([b"\x80"])
@example([b"\xa0", b""])
def test_random_bytes(frames: list[bytes]) -> None:
    fuzz(frames)


@quick
@given(st.sampled_from(SAMPLES), st.integers(0, 2**32))
def test_a_message_of_every_kind_spoilt_at_random(message: Message, seed: int) -> None:
    """Broken by trusting the header's field names: a surplus one then reaches the dataclass as a TypeError."""
    random = Random(seed)
    frames = sent(message)
    for _ in range(random.randrange(1, 3)):
        with contextlib.suppress(IndexError, TypeError, KeyError, ValueError, msgpack.UnpackException):
            frames = mutated(frames, random)
    fuzz(frames)


def every_field() -> list[tuple[Message, str]]:
    return [(message, name) for message in SAMPLES for name in msgpack.unpackb(sent(message)[0])["fields"]]


@pytest.mark.parametrize(
    ("message", "name"), every_field(), ids=[f"{type(m).__name__.lower()}-{name}" for m, name in every_field()]
)
def test_every_field_of_every_kind_as_anything(message: Message, name: str) -> None:
    """Broken by dropping the type from checks.text, matches, integer, number, flag or table, each in turn."""
    frames = sent(message)
    outer = msgpack.unpackb(frames[0])
    proper = outer["fields"].pop(name)
    fuzz([msgpack.packb(outer), *frames[1:]])
    with pytest.raises(BadFrame):
        decode([msgpack.packb(outer), *frames[1:]])
    for value in [*JUNK, [proper], [proper] * 2, {"a": proper}, [None, proper], [2**64 - 1], {"k": [0.0] * 1025}]:
        outer["fields"][name] = value
        fuzz([msgpack.packb(outer), *frames[1:]])
        with contextlib.suppress(BadFrame):
            assert type(getattr(decode([msgpack.packb(outer), *frames[1:]]), name)) is type(getattr(message, name))


NUMBERS = ["learner", "incarnation", "life", "seq", "round", "version", "progress", "memory", "last", "accepted"]


@pytest.mark.parametrize("message", SAMPLES, ids=lambda message: type(message).__name__.lower())
def test_numbers_past_their_ends_are_refused(message: Message) -> None:
    """Broken by leaving the upper bound out of checks.integer: 2^64 - 1 then overflows an int64 somewhere later."""
    frames = sent(message)
    fields = msgpack.unpackb(frames[0])["fields"]
    for name in set(NUMBERS) & fields.keys():
        for value in (-2, MAX_COUNT + 1, 2**64 - 1, -(2**63), True, 1.0, "1", None):
            outer = msgpack.unpackb(frames[0])
            outer["fields"][name] = value
            with pytest.raises(BadFrame):
                decode([msgpack.packb(outer), *frames[1:]])


VALUE = st.one_of(
    st.sampled_from([value for value in JUNK if not isinstance(value, float) or value == value]), st.none()
)
DESCRIBED = st.lists(
    st.one_of(
        VALUE,
        st.tuples(
            st.sampled_from(["obs", "actions", "bound", "a", "a" * 65, 3, None]),
            st.sampled_from(["bool", "int8", "uint8", "int64", "float32", "float64", "object", ">f4", "O", None, 7]),
            st.one_of(VALUE, st.lists(st.integers(-2, 6) | st.sampled_from([2**31, 2**62, 2**64]), max_size=7)),
        ).map(list),
    ),
    max_size=5,
)


@quick
@given(DESCRIBED, st.lists(st.binary(max_size=64), max_size=3))
@example([["a", "float64", [0, 2**31, 2**31]]], [b""])
@example([["a", "bool", [2**31, 2**31, 4]]], [b""])
@example([["a", "bool", [1]]], [b"\2"])
@example([["a", "float64", [-1, -8]]], [bytes(64)])
def test_arrays_described_in_any_way(described: list[Any], frames: list[bytes]) -> None:
    """Broken by computing the size with numpy's int64: a shape of [2^31, 2^31, 4] overflows to 0 bytes."""
    with contextlib.suppress(BadFrame):
        for name, array in unpack(described, frames).items():
            assert array.nbytes <= sum(map(len, frames)), name
            assert not array.flags.writeable


def test_every_kind_comes_back_as_it_was() -> None:
    for message in SAMPLES:
        assert same(decode([bytes(frame) for frame in encode(message)]), message)
