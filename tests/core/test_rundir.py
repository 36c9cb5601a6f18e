"""A run's folder is made whole or not at all, written by one supervisor, and leaves no sockets behind."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.core import platform, private
from fleet.core.errors import BadInput
from fleet.core.private import sweep_private
from fleet.core.rundir import RunDirectory

HOLDER = """
import sys, time
from pathlib import Path
from fleet.core.rundir import RunDirectory
directory = RunDirectory.create(Path(sys.argv[1]), "", [])
directory.open_control(directory.endpoint("control"))
print(directory.private_dir(), flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A short place for private folders, so that tests see no others' and leave none."""
    tmp_path_factory.getbasetemp()  # or pytest would put its own there, which goes with the first test
    with tempfile.TemporaryDirectory(prefix="f", dir="/tmp") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        monkeypatch.setattr(private.tempfile, "gettempdir", lambda: folder)
        yield Path(folder)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[RunDirectory]:
    with RunDirectory.create(tmp_path / "deep" / "run", "[run]\n", ["fleet", "run", "x.toml"]) as directory:
        yield directory


def hold(path: Path) -> tuple[subprocess.Popen[str], Path]:
    """Another process that creates a run there and stays; and its private folder."""
    command = [sys.executable, "-c", HOLDER, str(path)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout
    return process, Path(process.stdout.readline().strip())


def end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_what_is_made(made: RunDirectory) -> None:
    assert made.config.read_text() == "[run]\n"
    manifest = made.read_json("manifest.json")
    assert manifest["command"] == ["fleet", "run", "x.toml"]
    assert len(manifest["run"]) == 32
    assert manifest["machine"]["python"] == sys.version.split()[0]
    assert manifest["machine"]["memory_bytes"] > 2**28
    assert made.logs.is_dir()
    assert made.snapshots.is_dir()
    assert made.learner(3) == made.path / "checkpoints" / "learners" / "learner-3"
    assert RunDirectory.open(made.path).run == made.run


@pytest.mark.parametrize("kind", ["folder", "file", "dangling link"])
def test_a_path_that_exists_is_refused_and_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "run"
    {"folder": path.mkdir, "file": path.touch, "dangling link": lambda: path.symlink_to("none")}[kind]()
    with pytest.raises(BadInput, match="exists already"):
        RunDirectory.create(path, "", [])
    assert not path.is_dir() or not list(path.iterdir())


@pytest.mark.parametrize("name", ["file/run", "x" * 300, "nul\0"])
def test_a_path_that_cannot_be_made_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="can't be made"):
        RunDirectory.create(tmp_path / name, "", [])


def test_a_failure_halfway_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> dict[str, object]:
        raise OSError("no")

    monkeypatch.setattr(platform, "machine", fails)
    with pytest.raises(OSError, match="no"):
        RunDirectory.create(tmp_path / "run", "", [])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_no_run_is_refused_with_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such folder"):
        RunDirectory.open(tmp_path / "none")
    with pytest.raises(BadInput, match=r"has no config\.toml"):
        RunDirectory.open(tmp_path)
    (tmp_path / "config.toml").touch()
    with pytest.raises(BadInput, match=r"has no manifest\.json"):
        RunDirectory.open(tmp_path)
    for content, said in [
        ("{", "not JSON"),
        ("[]", "got list"),
        ('{"format": 9}', "format is 9"),
        ('{"format": 1, "run": "../x"}', "run is '../x'"),
    ]:
        (tmp_path / "manifest.json").write_text(content)
        with pytest.raises(BadInput, match=said):
            RunDirectory.open(tmp_path)


def test_one_supervisor_at_a_time(tmp_path: Path) -> None:
    process, _ = hold(tmp_path / "run")
    try:
        directory = RunDirectory.open(tmp_path / "run")
        assert directory.is_running()
        assert directory.control_endpoint().startswith("ipc://")
        with pytest.raises(BadInput, match="is running; stop it first"):
            directory.lock()
    finally:
        end(process)
    assert not directory.is_running()
    with pytest.raises(BadInput, match="isn't running"):
        directory.control_endpoint()


def test_what_a_killed_run_left_is_swept_by_the_next(tmp_path: Path, short: Path) -> None:
    process, left = hold(tmp_path / "run")
    alive, others = hold(tmp_path / "alive")
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(left / "data"))
        stranger = short / "fleet-run-notes"
        stranger.mkdir()
        end(process)
        assert left.is_dir()
        (tmp_path / "run" / ".processes.json.1-0123abcd.tmp").touch()
        (tmp_path / "run" / "checkpoints" / "learners" / "learner-0").mkdir()
        half = tmp_path / "run" / "checkpoints" / "learners" / "learner-0" / ".v00000001.safetensors.1-0123abcd.tmp"
        half.touch()
        with RunDirectory.open(tmp_path / "run") as directory:
            directory.lock()
            assert not left.exists()
            assert not (tmp_path / "run" / "control.json").exists()
            assert not list((tmp_path / "run").rglob(".*"))
            assert half.parent.is_dir()
        assert others.is_dir()
        assert stranger.is_dir()
    finally:
        end(alive)
    assert sweep_private() == [others]


def test_closing_leaves_nothing_but_the_record(made: RunDirectory, short: Path) -> None:
    made.open_control(made.endpoint("control"))
    folder = made.private_dir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((made.path / "control.json").stat().st_mode) == 0o600
    made.close()
    made.close()
    assert not folder.exists()
    assert not list(short.iterdir())
    assert not (made.path / "control.json").exists()
    assert not made.is_running()


def test_closing_one_that_only_reads_changes_nothing(made: RunDirectory) -> None:
    made.open_control(made.endpoint("control"))
    RunDirectory.open(made.path).close()
    assert RunDirectory.open(made.path).control_endpoint() == made.endpoint("control")


def test_sockets_get_paths_short_enough(made: RunDirectory) -> None:
    path = made.endpoint("x" * 16).removeprefix("ipc://")
    assert len(path.encode()) <= 107
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(path)
    for name in ("", "x" * 17, "../x", "a/b"):
        with pytest.raises(ValueError, match="allowed are"):
            made.endpoint(name)


def test_a_long_place_is_passed_over_for_a_shorter(
    made: RunDirectory, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = short / ("x" * 100)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    assert made.private_dir().parent == short
    monkeypatch.setattr(private, "_private_bases", lambda: [long])
    with pytest.raises(BadInput, match="at most 62 bytes"):
        private.make_private("0" * 32)


def test_the_longest_place_allowed_just_fits(made: RunDirectory, short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = short / ("x" * (62 - len(str(short)) - 1))
    base.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(base))
    assert len(made.endpoint("x" * 16).removeprefix("ipc://")) == 107


def test_the_servers_lives_are_counted_in_the_manifest(made: RunDirectory) -> None:
    before = made.read_json("manifest.json")
    assert [made.next_life(), made.next_life()] == [1, 2]
    assert made.read_json("manifest.json") == {**before, "life": 2}
    assert made.next_life(last=6) == 7


def test_json_is_replaced_whole(made: RunDirectory) -> None:
    made.update_processes({"zygote": 1, "learner-0": 2})
    made.update_processes({"zygote": 1})
    assert made.read_json("processes.json") == {"zygote": 1}
    made.write_json("summary.json", {"return": float("nan")})
    assert json.loads((made.path / "summary.json").read_text()) == {"return": None}
    with pytest.raises(BadInput, match=r"none\.json"):
        made.read_json("none.json")


def test_the_list_of_processes_does_not_wait_for_the_disk(made: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The supervisor writes it at each death. Broken by writing it as what a power cut may not take."""
    synced: list[int] = []
    monkeypatch.setattr("os.fsync", synced.append)
    made.update_processes({"learner-0": 7})
    assert (synced, made.read_json("processes.json")) == ([], {"learner-0": 7})
    made.next_life()
    assert len(synced) == 2


def test_other_systems_are_refused() -> None:
    platform.require_linux()
    with pytest.raises(BadInput, match="runs darwin; fleet needs Linux"):
        platform.require_linux("darwin")


def test_memory_of_a_process() -> None:
    mine = platform.memory(os.getpid())
    assert mine is not None
    assert 2**20 < mine.uss <= mine.pss <= mine.rss
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    assert platform.memory(gone.pid) is None
    assert platform.total_memory([os.getpid(), gone.pid]) > 2**20


def test_the_containers_limit_bounds_available_memory(tmp_path: Path) -> None:
    free = platform.available_memory(tmp_path)
    assert free > 0
    (tmp_path / "memory.current").write_text("600\n")
    (tmp_path / "memory.max").write_text("1000\n")
    assert platform.available_memory(tmp_path) == 400
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 100\n")
    assert platform.available_memory(tmp_path) == 500
    (tmp_path / "memory.max").write_text("max\n")
    assert platform.available_memory(tmp_path) > 1000


def test_the_commit_is_read_without_git(tmp_path: Path) -> None:
    assert platform.commit(tmp_path) is None
    git, commit = tmp_path / ".git", "a" * 40
    git.mkdir()
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    assert platform.commit(tmp_path) is None
    (git / "packed-refs").write_text(f"# pack-refs\n{commit} refs/heads/main\n")
    assert platform.commit(tmp_path) == commit
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "refs" / "heads" / "main").write_text("b" * 40 + "\n")
    assert platform.commit(tmp_path) == "b" * 40
    (git / "HEAD").write_text("c" * 40 + "\n")
    assert platform.commit(tmp_path) == "c" * 40
