"""Ledger lines, JSON lines and starts from anyone: refused in words, and never an error of another kind."""

import contextlib
import copy
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fleet.core.errors import BadInput, FleetError
from fleet.core.jsonl import read_jsonl
from fleet.core.ledger import RolloutName
from fleet.core.ledger_file import Ledger, audit
from fleet.core.rundir import RunDirectory
from fleet.core.start import LearnerStart, ServerStart, read_learner_start, read_server_start, write_start
from tests.fuzz.profile import quick
from tests.fuzz.samples import JUNK, RUN, same

NAMES = [RolloutName(0, 0, 0, 0), RolloutName(0, 1, 0, 0)]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from(["k", "of", "why"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=10,
)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """A line of each kind."""
    path = tmp_path_factory.mktemp("l") / "ledger.jsonl"
    ledger = Ledger(path)
    ledger.produced(0, 64, [(NAMES[0], [0]), (NAMES[1], [1, 2])])
    ledger.withheld(0, [3], 64, "no_credit")
    ledger.trained(NAMES[:1], 0)
    ledger.lost(NAMES[1:], "learner_died")
    ledger.undone(0, -1)
    ledger.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    folded = Ledger(path, max_bytes=1)
    folded.produced(1, 64, [(RolloutName(0, 0, 0, 1), [0])])
    folded._fold()
    folded.close()
    return [*lines, json.loads(path.read_text())]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("l") / "ledger.jsonl"


def spoilt(value: Any, random: Random) -> Any:
    """Data one place of which, however deep, is junk, is gone, or is there twice."""
    if isinstance(value, dict) and value and random.random() < 0.9:
        changed: dict[str, Any] = dict(value)
        key = random.choice(list(changed))
        if random.random() < 0.1:
            del changed[key]
        else:
            changed[key] = spoilt(changed[key], random)
        return changed
    if isinstance(value, list) and value and random.random() < 0.9:
        items = copy.copy(value)
        at = random.randrange(len(items))
        if random.random() < 0.2:
            items.insert(at, items[at])
        else:
            items[at] = spoilt(items[at], random)
        return items
    junk = random.choice(JUNK)
    return repr(junk) if isinstance(junk, bytes) else junk


def taken(path: Path, content: bytes) -> None:
    """It is audited, opened and gone on with; figures come out whatever stands there."""
    path.write_bytes(content)
    balance = audit(path)
    assert balance.residual == 0 or balance.violations
    str(balance)
    with contextlib.suppress(FleetError):
        ledger = Ledger(path)
        ledger.lost(ledger.outstanding(), "server_died")
        ledger.close()
    audit(path)


@quick
@given(st.integers(0, 2**32))
@example(0)
def test_a_ledger_with_a_line_that_lies(good: list[dict[str, Any]], path: Path, seed: int) -> None:
    """Broken by not catching TypeError and AttributeError: `"of": null` then ends the audit in a traceback."""
    random = Random(seed)
    lines = [spoilt(line, random) if random.random() < 0.4 else line for line in good]
    random.shuffle(lines)
    taken(path, b"".join(json.dumps(line).encode() + b"\n" for line in lines))


@quick
@given(st.lists(JSON | st.fixed_dictionaries({"k": st.sampled_from(["produced", "undone", "forward"])}), max_size=4))
@example([{"k": "undone", "learner": 0, "after": float("inf")}])
@example([{"k": "undone", "learner": 0, "after": float("nan")}])
def test_a_ledger_of_any_json(path: Path, values: list[Any]) -> None:
    """Broken by not catching OverflowError: `"after": Infinity` then ends the audit in a traceback."""
    taken(path, b"".join(json.dumps(value).encode() + b"\n" for value in values))


BYTES = [
    *[
        b"",
        b"\n",
        b"\n\n\n",
        b"{",
        b"{}\n",
        b"null\n",
        b"\xff\xfe\n",
        b"\0\0\0\n",
        b"[" * 100_000 + b"\n",
        b"1" * 10_000 + b"\n",
    ],
    *[b'{"k":"undone","learner":0,"after":1e999}\n', b'{"k":"undone","learner":0,"after":-Infinity}\n'],
    *[b'{"a":' * 50_000 + b"\n", b'{"k":"produced"}\n', b'\xef\xbb\xbf{"k":1}\n', b"NaN\n", b"\r\r\n"],
]


@pytest.mark.parametrize("content", BYTES, ids=range(len(BYTES)))
def test_files_that_hold_no_lines_of_ours(path: Path, content: bytes) -> None:
    """Broken by `except ValueError` alone in read_jsonl: 100,000 brackets then are a RecursionError."""
    taken(path, content)
    path.write_bytes(content)
    with contextlib.suppress(BadInput):
        assert all(type(record) is dict for record in read_jsonl(path))


@quick
@given(st.binary(max_size=200))
def test_any_bytes_as_lines(path: Path, content: bytes) -> None:
    taken(path, content)
    path.write_bytes(content + b"\n")
    with contextlib.suppress(BadInput):
        read_jsonl(path)


@quick
@given(st.binary(max_size=100) | JSON.map(lambda value: json.dumps(value).encode()))
@example(b"[" * 100_000)
@example(b'{"format":1,"run":"../../../etc"}')
@example(b'{"format":1,"run":["x"]}')
@example(b'{"format":true,"run":7}')
def test_a_runs_manifest_as_anything(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Broken by leaving the RecursionError uncaught, and by taking any string for a run's id."""
    folder = tmp_path_factory.mktemp("r")
    (folder / "config.toml").write_bytes(content)
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(BadInput):
        RunDirectory.open(folder)


STARTS = [
    LearnerStart(RUN, "/x", 1, 0, "ipc:///a", "ipc:///b", "restart", "/c"),
    ServerStart(RUN, "/x", 1, "ipc:///a", "ipc:///b", "/s", 3, 4, {"0": 1}, {"0": 2}, [1]),
]


@pytest.mark.parametrize("start", STARTS, ids=["learner", "server"])
def test_a_start_comes_back_or_is_refused(start: LearnerStart | ServerStart) -> None:
    """Broken by unpacking the JSON into the dataclass unchecked (a missing key is a TypeError), and by a lax check."""
    read = read_learner_start if isinstance(start, LearnerStart) else read_server_start
    text = write_start(start)
    assert read(text) == start
    fields = json.loads(text)
    for name in fields:
        for junk in [value for value in JUNK if not isinstance(value, bytes)]:
            with contextlib.suppress(FleetError):
                assert same(getattr(read(json.dumps({**fields, name: junk})), name), junk)
        with contextlib.suppress(FleetError):
            read(json.dumps({key: value for key, value in fields.items() if key != name}))
    for wrong in ("", "null", "[]", "{}", "{", '"x"', "[" * 100_000, json.dumps({**fields, "surplus": 1}), "\ud800"):
        with pytest.raises(FleetError):
            read(wrong)
