import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.control.process import pidfd
from fleet.control.process.zygote_client import Exited, Forked, Ready, Refused, Report, ZygoteClient

pytestmark = pytest.mark.e2e

HERE = Path(__file__).parent


@pytest.fixture
def life() -> Iterator[int]:
    read, write = os.pipe2(os.O_CLOEXEC)
    yield read
    os.close(read)
    os.close(write)


@pytest.fixture
def zygote(tmp_path: Path, life: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[ZygoteClient]:
    monkeypatch.syspath_prepend(str(HERE))
    client = ZygoteClient(warm="fake_learner:warm", run="0" * 32, log=tmp_path / "zygote.log", life=life)
    yield client
    client.kill()
    assert pidfd.wait([client.pidfd], 5.0) == []
    client.status()
    client.close()


def reports(zygote: ZygoteClient, count: int) -> list[Report]:
    found: list[Report] = []
    while len(found) < count:
        assert select.select([zygote.socket], [], [], 15.0)[0], f"only {found}"
        found += zygote.reports()
    return found


def test_forks_report_themselves_and_their_ends(zygote: ZygoteClient, tmp_path: Path) -> None:
    zygote.fork("a", "fake_learner:describe", "greetings", tmp_path / "a.log")
    zygote.fork("b", "fake_learner:leave", "9", tmp_path / "b.log")
    zygote.fork("c", "fake_learner:missing", "", tmp_path / "c.log")
    found = reports(zygote, 7)
    forked = {item.name: item for item in found if isinstance(item, Forked)}
    ends = {item.name: item for item in found if isinstance(item, Exited)}
    assert isinstance(found[0], Ready)
    assert found[0].threads == 1
    assert {name: end.status for name, end in ends.items()} == {"a": 5, "b": 9, "c": 1}
    assert {name: end.pid for name, end in ends.items()} == {name: item.pid for name, item in forked.items()}
    assert (tmp_path / "a.log").read_text() == "greetings True True True 1\n"
    assert "no attribute 'missing'" in (tmp_path / "c.log").read_text()
    for item in forked.values():
        assert pidfd.ended(item.pidfd)
        os.close(item.pidfd)


def test_forks_run_side_by_side_and_hold_none_of_the_zygotes_descriptors(zygote: ZygoteClient, tmp_path: Path) -> None:
    for number in range(4):
        zygote.fork(f"s{number}", "fake_learner:sleep", "60", tmp_path / "s.log")
    forked = [item for item in reports(zygote, 5) if isinstance(item, Forked)]
    own = {os.readlink(f"/proc/{zygote.pid}/fd/{zygote_fd}") for zygote_fd in os.listdir(f"/proc/{zygote.pid}/fd")}
    links = {link for link in own if link.startswith("socket:")}
    last = forked[-1].pid
    deadline = time.monotonic() + 5.0
    while len(os.listdir(f"/proc/{last}/task")) < 2:  # its orphan watch runs, so it has left the zygote behind
        assert time.monotonic() < deadline
        time.sleep(0.005)
    held = {os.readlink(f"/proc/{last}/fd/{descriptor}") for descriptor in os.listdir(f"/proc/{last}/fd")}
    assert links
    assert not held & links
    assert not any("pidfd" in link for link in held)
    for item in forked:
        pidfd.send(item.pidfd, signal.SIGKILL)
    ends = reports(zygote, 4)
    assert all(isinstance(end, Exited) and end.status == -signal.SIGKILL for end in ends)
    for item in forked:
        os.close(item.pidfd)


def test_a_lost_link_ends_children_and_wards_even_stopped_ones(zygote: ZygoteClient, tmp_path: Path) -> None:
    ward = subprocess.Popen(["sleep", "60"])
    ward_fd = os.pidfd_open(ward.pid)
    zygote.ward("other", ward_fd)
    zygote.fork("a", "fake_learner:sleep", "60", tmp_path / "a.log")
    [child] = [item for item in reports(zygote, 2) if isinstance(item, Forked)]
    pidfd.send(child.pidfd, signal.SIGSTOP)
    pidfd.send(ward_fd, signal.SIGSTOP)
    zygote.hang_up()
    assert pidfd.wait([child.pidfd, ward_fd, zygote.pidfd], 2.0) == []
    assert ward.wait() == -signal.SIGKILL
    assert zygote.status() == 0
    for descriptor in (child.pidfd, ward_fd):
        os.close(descriptor)


def test_a_fork_needs_a_single_thread(tmp_path: Path, life: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    client = ZygoteClient(warm="fake_learner:start_a_thread", run="0" * 32, log=tmp_path / "zygote.log", life=life)
    client.fork("a", "fake_learner:sleep", "60", tmp_path / "a.log")
    ready, refused = reports(client, 2)
    client.kill()
    pidfd.wait([client.pidfd], 5.0)
    client.status()
    client.close()
    assert isinstance(ready, Ready)
    assert ready.threads == 2
    assert isinstance(refused, Refused)
    assert "2 threads" in refused.text


def test_a_child_ends_with_the_life_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    read, write = os.pipe2(os.O_CLOEXEC)
    client = ZygoteClient(warm="fake_learner:warm", run="0" * 32, log=tmp_path / "zygote.log", life=read)
    client.fork("a", "fake_learner:sleep", "60", tmp_path / "a.log")
    [child] = [item for item in reports(client, 2) if isinstance(item, Forked)]
    os.close(write)
    end = reports(client, 1)[0]
    client.kill()
    pidfd.wait([client.pidfd], 5.0)
    client.status()
    client.close()
    os.close(child.pidfd)
    os.close(read)
    assert isinstance(end, Exited)
    assert end.status == 3
