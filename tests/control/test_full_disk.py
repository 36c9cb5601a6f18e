"""What the supervisor can't write down because the disk is full costs lines, and not the run."""

import errno
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fleet.control.care.record import Record, RecordError
from fleet.core import files
from fleet.core.ledger import RolloutName
from fleet.core.ledger_file import Ledger
from fleet.core.rundir import RunDirectory
from tests.control.supervising import Steps, all_up, back, config, events, signal_to, starts, supervise, touch

Full = Callable[..., None]
ERROR = "No space left on device"


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Full:
    """From its call on the disk is full for files with such words in their names; with none it isn't any more."""
    words: list[str] = []
    write = files.write_all

    def refuse(descriptor: int, data: bytes | memoryview) -> None:
        name = Path(os.readlink(f"/proc/self/fd/{descriptor}")).name
        if any(word in name for word in words):
            raise OSError(errno.ENOSPC, ERROR)
        write(descriptor, data)

    def fill(*names: str) -> None:
        words[:] = names

    monkeypatch.setattr(files, "write_all", refuse)
    return fill


@contextmanager
def recording(directory: RunDirectory) -> Iterator[Record]:
    record = Record(directory)
    try:
        yield record
    finally:
        record.close()


def test_events_that_find_no_room_are_counted_in_the_summary(directory: RunDirectory, full: Full) -> None:
    """Broken by letting the error through."""
    with recording(directory) as record:
        full("events")
        record.event("spawn", "learner-0")
        record.event("exit", "learner-0")
        full()
        record.event("end", "supervisor")
        record.summary({"outcome": "done"})
        assert record.counts["exit"] == 1
    assert [line["event"] for line in events(directory, "end")] == ["end"]
    assert directory.read_json("summary.json")["not_written"] == {"events.jsonl": {"times": 2, "error": ERROR}}


def test_the_list_of_processes_is_written_later(
    directory: RunDirectory, full: Full, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken by taking what wasn't written for written; by trying at every turn of the supervisor's loop."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with recording(directory) as record:
        full("processes")
        for _ in range(5):
            record.processes({"zygote": 7})
        full()
        record.processes({"zygote": 7})
        assert not (directory.path / "processes.json").exists()
        now[0] += 1.0
        record.processes({"zygote": 7})
        record.summary({})
    assert directory.read_json("processes.json") == {"zygote": 7}
    assert directory.read_json("summary.json")["not_written"]["processes.json"]["times"] == 1


def test_a_summary_that_finds_no_room_is_said_in_a_sentence(directory: RunDirectory, full: Full) -> None:
    with recording(directory) as record:
        full("summary")
        with pytest.raises(RecordError, match=rf"summary\.json: can't be written: {ERROR}; the run: all rounds done"):
            record.summary({"reason": "all rounds done"})


def test_the_ledger_knows_of_a_life_that_the_manifest_does_not(directory: RunDirectory) -> None:
    """Broken by counting on from the manifest alone: a resumed run would name its rollouts twice."""
    ledger = Ledger(directory.ledger)
    assert ledger.last_life() == 0
    ledger.produced(0, 10, [(RolloutName(3, 0, 0, 0), (0,))])
    ledger.close()
    again = Ledger(directory.ledger)
    assert directory.next_life(again.last_life()) == 4
    again.close()


@pytest.mark.e2e
def test_a_run_goes_on_over_a_full_disk_and_its_server_still_gets_another_life(
    directory: RunDirectory, full: Full
) -> None:
    """Broken by letting the error of the manifest through."""

    def strike(supervisor: Any, status: Any) -> None:
        full("events", "processes", "manifest")
        signal_to("env_server", signal.SIGKILL)(supervisor, status)

    def finish(*_: Any) -> None:
        full()
        touch(directory, "finish")(None, None)

    assert supervise(directory, config(1), Steps((all_up, strike), (back("env_server"), finish))).exit_status == 0
    assert [start["life"] for start in starts(directory)] == [0, 1]
    assert set(directory.read_json("summary.json")["not_written"]) == {
        "events.jsonl",
        "processes.json",
        "manifest.json",
    }
    assert directory.read_json("summary.json")["ledger"]["balanced"]
    assert directory.read_json("processes.json") == {}


@pytest.mark.e2e
def test_a_run_whose_summary_finds_no_room_ends_with_a_sentence(directory: RunDirectory, full: Full) -> None:
    def finish(*_: Any) -> None:
        full("summary")
        touch(directory, "finish")(None, None)

    with pytest.raises(RecordError, match="all rounds done"):
        supervise(directory, config(1), Steps((all_up, finish)))
