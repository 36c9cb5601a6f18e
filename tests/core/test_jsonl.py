"""Line files stay within their bound, keep what matters, and survive a partial last line."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from fleet.core.errors import BadInput, FleetError
from fleet.core.jsonl import BoundedJsonl, read_jsonl


def test_lines_come_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = BoundedJsonl(path)
    for number in range(3):
        lines.append({"n": number, "text": "two\nlines"})
    lines.close()
    assert read_jsonl(path) == [{"n": number, "text": "two\nlines"} for number in range(3)]


def test_digits_round_floats_and_leave_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = BoundedJsonl(path, digits=6)
    lines.append({"f": 1.23456789, "i": 123456789, "b": True, "np": [np.float32(0.1), np.int64(7)], "nan": math.nan})
    lines.close()
    assert read_jsonl(path) == [{"f": 1.23457, "i": 123456789, "b": True, "np": [0.1, 7], "nan": None}]
    assert "NaN" not in path.read_text()


def test_thinning_keeps_the_first_and_the_newest_within_the_bound(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = BoundedJsonl(path, max_bytes=2000)
    for number in range(1000):
        lines.append({"n": number})
        assert path.stat().st_size <= 2000
    lines.close()
    kept = [record["n"] for record in read_jsonl(path)]
    assert kept[0] == 0
    assert kept[-40:] == list(range(960, 1000))
    assert kept == sorted(set(kept))
    gaps = np.diff(kept)
    assert gaps[: len(gaps) // 4].mean() > gaps[-len(gaps) // 4 :].mean()
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.jsonl"]


def test_a_partial_last_line_is_left_out_and_written_over(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"n":0}\n{"n":1}\n{"n":')
    assert [record["n"] for record in read_jsonl(path)] == [0, 1]
    lines = BoundedJsonl(path)
    lines.append({"n": 2})
    lines.close()
    assert path.read_bytes() == b'{"n":0}\n{"n":1}\n{"n":2}\n'


def test_a_file_of_one_long_partial_line_is_emptied(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"x" * 200_000)
    BoundedJsonl(path).close()
    assert path.stat().st_size == 0


def test_a_line_too_long_for_the_bound_is_refused(tmp_path: Path) -> None:
    lines = BoundedJsonl(tmp_path / "a.jsonl", max_bytes=800)
    with pytest.raises(FleetError, match="at most 100"):
        lines.append({"text": "x" * 200})
    lines.close()


@pytest.mark.parametrize("content", [b"{]\n", b"[1]\n", b'{"n":0}\nnonsense\n{"n":1}\n'])
def test_a_line_that_is_no_object_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"a\.jsonl, line [12]"):
        read_jsonl(path)


def test_a_missing_file_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"nothing\.jsonl"):
        read_jsonl(tmp_path / "nothing.jsonl")


def test_json_on_disk_is_compact(tmp_path: Path) -> None:
    lines = BoundedJsonl(tmp_path / "a.jsonl")
    lines.append({"a": 1, "b": [1, 2]})
    lines.close()
    assert (tmp_path / "a.jsonl").read_text() == json.dumps({"a": 1, "b": [1, 2]}, separators=(",", ":")) + "\n"
