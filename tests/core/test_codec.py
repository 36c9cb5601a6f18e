"""Arrays to frames and back; what lies about itself is refused."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fleet.core.checks import DTYPES, MessageError
from fleet.core.codec import SMALL, BadFrame, pack, unpack


def through(arrays: dict[str, Any]) -> dict[str, Any]:
    descriptions, frames = pack(arrays)
    return unpack([list(d) for d in descriptions], [bytes(f) for f in frames])


@settings(deadline=None, max_examples=60)
@given(
    st.dictionaries(
        st.text("abc.0", min_size=1, max_size=5),
        st.sampled_from(sorted(DTYPES)).flatmap(
            lambda code: hnp.arrays(DTYPES[code], hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
        ),
        max_size=5,
    )
)
def test_arrays_come_back_as_they_were(arrays: dict[str, Any]) -> None:
    back = through(arrays)
    assert list(back) == list(arrays)
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        assert back[name].shape == array.shape
        assert back[name].tobytes() == array.tobytes()
        assert back[name].flags.aligned
        assert not back[name].flags.writeable


def test_small_and_large_arrays_mix() -> None:
    arrays = {f"a{size}": np.arange(size, dtype=np.uint8) for size in (0, 3, SMALL - 1, SMALL, SMALL + 1, 5)}
    _, frames = pack(arrays)
    assert [len(frame) for frame in frames[1:]] == [SMALL, SMALL + 1]
    for name, array in through(arrays).items():
        assert np.array_equal(array, arrays[name])


def test_a_large_array_is_sent_and_read_without_a_copy() -> None:
    array = np.zeros((300, 300), np.float32)
    descriptions, frames = pack({"a": array})
    assert np.shares_memory(np.frombuffer(frames[0], np.uint8), array)
    received = unpack([list(d) for d in descriptions], frames)["a"]
    assert np.shares_memory(received, array)
    with pytest.raises(ValueError, match="read-only"):
        received[0, 0] = 1


def test_a_strided_array_is_sent_by_its_values() -> None:
    array = np.arange(400_000, dtype=np.int32).reshape(400, 1000).T[::2]
    assert np.array_equal(through({"a": array})["a"], array)


def test_an_unaligned_frame_is_read() -> None:
    descriptions, frames = pack({"a": np.arange(9, dtype=np.float64)})
    shifted = memoryview(b"x" + bytes(frames[0]))[1:]
    back = unpack([list(d) for d in descriptions], [shifted])["a"]
    assert back.flags.aligned
    assert np.array_equal(back, np.arange(9.0))


@pytest.mark.parametrize("dtype", [object, "U3", "V4", ">f4", ">i8", np.complex64, ">f2", np.uint16, "M8[s]"])
def test_a_dtype_off_the_list_is_not_sent(dtype: Any) -> None:
    with pytest.raises(MessageError, match="dtype"):
        pack({"a": np.zeros(2, dtype)})


@pytest.mark.parametrize(
    ("description", "size"),
    [
        (["a", "object", [1]], 8),
        (["a", "O", [1]], 8),
        (["a", ">f4", [1]], 4),
        (["a", "<U4", [1]], 16),
        (["a", "|V8", [1]], 8),
        (["a", ["float32"], [1]], 4),
        (["a", "float32", [-1]], 4),
        (["a", "float32", [-1, -1]], 4),
        (["a", "float32", [2**62, 4]], 0),
        (["a", "float32", [2**31, 2**31, 4]], 0),
        (["a", "float32", [0, 2**31, 2**31, 2**31]], 0),
        (["a", "float32", [2**64]], 0),
        (["a", "float32", [True]], 4),
        (["a", "float32", [1.0]], 4),
        (["a", "float32", ["1"]], 4),
        (["a", "float32", [1] * 6], 4),
        (["a", "float32", 1], 4),
        (["a", "float32", [3]], 8),
        (["a", "float32", [1]], 5),
        (["a", "float32", [1]], 16),
        (["a", "float32", []], 0),
        (["a", "float32", [SMALL]], 4 * SMALL - 1),
        (["a", "float32", [SMALL]], 4 * SMALL + 1),
        ([3, "float32", [1]], 4),
        (["a" * 65, "float32", [1]], 8),
        (["a", "float32"], 4),
        ("a", 4),
        (None, 4),
    ],
)
def test_a_description_that_lies_is_refused(description: object, size: int) -> None:
    with pytest.raises(BadFrame):
        unpack([description], [bytes(size)])


@pytest.mark.parametrize("sizes", [[], [8, 8], [8, 0], [3]])
def test_missing_and_surplus_frames_are_refused(sizes: list[int]) -> None:
    assert unpack([["a", "float32", [2]]], [bytes(8)])
    with pytest.raises(BadFrame):
        unpack([["a", "float32", [2]]], [bytes(size) for size in sizes])


def test_a_name_twice_is_refused() -> None:
    with pytest.raises(BadFrame, match="same name"):
        unpack([["a", "int64", [1]], ["a", "int64", [1]]], [bytes(16)])


def test_a_bool_is_0_or_1() -> None:
    assert unpack([["a", "bool", [8]]], [b"\0\1" * 4])["a"].sum() == 4
    with pytest.raises(BadFrame, match="bool"):
        unpack([["a", "bool", [8]]], [b"\0\2" * 4])


def test_too_many_arrays_are_refused() -> None:
    with pytest.raises(BadFrame, match="65"):
        unpack([[f"a{i}", "int64", [1]] for i in range(65)], [bytes(8 * 65)])
