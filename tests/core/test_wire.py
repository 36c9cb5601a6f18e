"""Messages to frames and back; anything else is BadFrame and nothing but BadFrame."""

import contextlib
from dataclasses import fields
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.core.codec import BadFrame
from fleet.core.messages import (
    PROTOCOL_VERSION,
    Event,
    Message,
    MessageError,
    Policy,
    Stop,
)
from fleet.core.spec import RolloutBatch, WorldSpec
from fleet.core.wire import MAX_FRAMES, MAX_HEADER, decode, encode
from tests.fuzz.samples import RUN, SAMPLES, sent


def same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return bool(a.dtype == b.dtype and np.array_equal(a, b))
    if isinstance(a, dict) and any(isinstance(value, np.ndarray) for value in a.values()):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if type(a) in (RolloutBatch, WorldSpec) or isinstance(a, Message):
        return type(a) is type(b) and all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    return bool(type(a) is type(b) and a == b)


@pytest.mark.parametrize("message", SAMPLES, ids=lambda message: type(message).__name__)
def test_every_kind_comes_back_as_it_was(message: Message) -> None:
    assert same(decode(sent(message)), message)


def header(message: Message = SAMPLES[0], **change: Any) -> list[bytes]:
    frames = sent(message)
    return [msgpack.packb({**msgpack.unpackb(frames[0]), **change}), *frames[1:]]


def field(message: Message = SAMPLES[0], **change: Any) -> list[bytes]:
    frames = sent(message)
    outer = msgpack.unpackb(frames[0])
    outer["fields"] = {**outer["fields"], **change}
    return [msgpack.packb(outer), *frames[1:]]


def without(name: str) -> list[bytes]:
    outer = msgpack.unpackb(sent(SAMPLES[0])[0])
    del outer["fields"][name]
    return [msgpack.packb(outer)]


HELLO, ROLLOUT, POLICY = sent(SAMPLES[0]), sent(SAMPLES[2]), sent(SAMPLES[3])
TWICE = HELLO[0].replace(b"\xa4kind", b"\xa5fleet", 1)


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        ([], "frames"),
        ([HELLO[0]] * 1000, "frames"),
        ([HELLO[0], b""], "frames"),
        ([ROLLOUT[0]], "frames"),
        ([*ROLLOUT, b""], "frames"),
        ([b""], "header"),
        ([b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"], "header"),
        ([HELLO[0][:-1]], "header"),
        ([HELLO[0] + b"\0"], "header"),
        ([b"\xc1"], "header"),
        ([b"\x91" * 2000 + b"\0"], "header"),
        ([b"\xdc\xff\xff" * 20_000], "header"),
        ([b"\xdd\xff\xff\xff\xff"], "header"),
        ([b"\xdf\xff\xff\xff\xff"], "header"),
        ([b"\xdb\xff\xff\xff\xffabc"], "header"),
        ([b"\xc6\x00\x00\x00\x01a"], "header"),
        ([b"\xd6\xff\x00\x00\x00\x00"], "header"),
        ([msgpack.packb({1: 2, "fleet": 1})], "header"),
        ([msgpack.packb({b"fleet": 1})], "header"),
        ([b"\x82\xa5fleet\x01\xa5fleet\x01"], "header"),
        ([TWICE], "header"),
        ([b"\x81\xa2\xff\xff\x01"], "header"),
        ([msgpack.packb([1, 2])], "header"),
        ([msgpack.packb("x" * MAX_HEADER)], "header"),
        (header(extra=1), "header"),
        (header(fields=[]), "header"),
        (header(arrays={}), "header"),
        (header(fleet=PROTOCOL_VERSION + 1), "protocol"),
        (header(fleet=0), "protocol"),
        (header(fleet=True), "protocol"),
        (header(fleet="1"), "protocol"),
        ([msgpack.packb({"fleet": PROTOCOL_VERSION + 1, "all": "different"})], "protocol"),
        (header(kind="bye"), "kind"),
        (header(kind=["hello"]), "kind"),
        (header(kind="__init__"), "kind"),
        (without("run"), "fields"),
        (field(extra=1), "fields"),
        (field(__class__=1), "fields"),
        (field(learner="3"), "fields"),
        (field(learner=True), "fields"),
        (field(learner=-1), "fields"),
        (field(last=2**64 - 1), "fields"),
        (field(version=2**62 + 1), "fields"),
        (field(run=RUN[:-1]), "fields"),
        (field(run=None), "fields"),
        (field(SAMPLES[2], batch=None), "fields"),
        (field(SAMPLES[2], batch=[1]), "fields"),
        (field(SAMPLES[2], batch=[1, True]), "fields"),
        (field(SAMPLES[2], batch=[[1], [2]]), "fields"),
        (field(SAMPLES[3], weights={}), "fields"),
        (field(SAMPLES[3], rollouts="89"), "fields"),
        (field(SAMPLES[3], diagnostics={"kl": [1.0]}), "fields"),
        (field(SAMPLES[1], spec=None), "fields"),
        (field(SAMPLES[1], spec=[4, 3, 5, "object", 5]), "fields"),
        (field(SAMPLES[1], spec=[4, 3, 6, "int8", 5]), "fields"),
        (field(SAMPLES[1], spec=[[], 3, 5, "int8", 5]), "fields"),
        ([*header(arrays=[["a", "int8", [0]]]), b""], "array"),
        ([header(SAMPLES[3], kind="rollout")[0], *POLICY[1:]], "array"),
        ([header(SAMPLES[2], kind="policy")[0], *ROLLOUT[1:]], "fields"),
        ([ROLLOUT[0], ROLLOUT[1][:-1]], "array"),
        ([ROLLOUT[0], ROLLOUT[1] + b"\0"], "array"),
        ([POLICY[0], b"\0\0\xc0\x7f" + POLICY[1][4:]], "fields"),
    ],
)
def test_what_is_no_message_is_refused(frames: list[bytes], reason: str) -> None:
    with pytest.raises(BadFrame) as caught:
        decode(frames)
    assert caught.value.reason == reason
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("message", [SAMPLES[2], SAMPLES[3]], ids=["rollout", "policy"])
def test_a_rollout_with_arrays_of_another_size_is_refused(message: Message) -> None:
    frames = sent(message)
    outer = msgpack.unpackb(frames[0])
    for entry in outer["arrays"]:
        for axis in range(len(entry[2])):
            entry[2][axis] += 1
            with pytest.raises(BadFrame):
                decode([msgpack.packb(outer), *frames[1:]])
            entry[2][axis] -= 1
    assert same(decode([msgpack.packb(outer), *frames[1:]]), message)


def test_nesting_is_bounded_in_memory() -> None:
    import tracemalloc

    tracemalloc.start()
    try:
        with pytest.raises(BadFrame):
            decode([b"\xdc\x04\x00" * 60_000])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000


def test_the_largest_policy_fits_the_frames() -> None:
    weights = {f"w{i}": np.ones(SIZE, np.float32) for i, SIZE in enumerate([20_000] * 63 + [1])}
    frames = encode(Policy(RUN, 0, 0, 0, 0, (), weights, {}))
    assert len(frames) == MAX_FRAMES - 1
    assert isinstance(decode([bytes(frame) for frame in frames]), Policy)


def test_what_cannot_be_sent_says_so() -> None:
    with pytest.raises(MessageError, match="sent"):
        encode(Stop(RUN, "\ud800"))
    with pytest.raises(MessageError, match="header"):
        encode(Event(RUN, "zygote", "x", {"a": ["y" * 16_000] * 20}))


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4) | st.integers(0, 9), inner, max_size=4)
    ),
    max_leaves=8,
)


def only_bad_frames(frames: list[bytes]) -> None:
    with contextlib.suppress(BadFrame):
        decode(frames)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.binary(max_size=64), max_size=4))
def test_random_bytes_raise_nothing_else(frames: list[bytes]) -> None:
    only_bad_frames(frames)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(SAMPLES), st.data())
def test_a_corrupted_message_raises_nothing_else(message: Message, data: st.DataObject) -> None:
    frames = [bytearray(frame) for frame in encode(message)]
    for _ in range(data.draw(st.integers(1, 3))):
        frame = data.draw(st.sampled_from(frames))
        if frame:
            frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    only_bad_frames([bytes(frame) for frame in frames])


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(SAMPLES), st.data())
def test_a_field_of_any_type_raises_nothing_else(message: Message, data: st.DataObject) -> None:
    outer = msgpack.unpackb(sent(message)[0])
    level = data.draw(st.sampled_from([outer, outer["fields"]]))
    level[data.draw(st.sampled_from(sorted(level)))] = data.draw(ANY)
    only_bad_frames([msgpack.packb(outer), *sent(message)[1:]])


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(SAMPLES[1:4]), ANY, st.integers(0, 7))
def test_an_array_described_by_anything_raises_nothing_else(message: Message, value: object, at: int) -> None:
    outer = msgpack.unpackb(sent(message)[0])
    arrays = outer["arrays"]
    if at < 3:
        arrays[0][at] = value
    else:
        arrays[at % len(arrays)] = value
    only_bad_frames([msgpack.packb(outer), *sent(message)[1:]])
