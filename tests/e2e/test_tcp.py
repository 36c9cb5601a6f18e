"""The real fleet over tcp: the same weights as ever, with keys and without, whoever knocks on the ports."""

import json
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import zmq

from fleet.core.keys import load_client_keys, make_keys
from fleet.core.ledger_file import audit
from fleet.core.messages import Command, Hello
from fleet.core.rundir import RunDirectory
from fleet.core.wire import encode
from tests.e2e.running import fleet, rounds, until, weights
from tests.ports import free_port

pytestmark = pytest.mark.e2e
ROUNDS = 500  # on a fast machine 200 were over before everybody had knocked
SMOKE = ["run", "smoke", "--rounds", str(ROUNDS)]
HALF = [b"GET / HTTP/1.1\r\nHost: fleet\r\n\r\n", b"", b"\xff\0\0\0\0\0\0\0\1\x7f", b"\1\0\1\0", os.urandom(300)]


@pytest.fixture
def port() -> int:
    """The first of two free ports in a row."""
    return free_port(in_a_row=2)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The weights of a run without sockets, which test_fleet.py shows to be those of one over ipc."""
    run = tmp_path_factory.mktemp("alone") / "run"
    done = fleet(*SMOKE, "--single-process", "--out", str(run))
    assert done.returncode == 0, done.stderr
    return weights(run, ROUNDS)


class Strangers:
    """Who has no business here: plain, with keys of their own, and without ZeroMQ."""

    def __init__(self, run: RunDirectory, port: int, keys: Path | None) -> None:
        self._open: list[socket.socket | zmq.Socket[bytes]] = []
        for number in (port, port + 1):
            for start in HALF:
                raw = socket.create_connection(("127.0.0.1", number))
                raw.sendall(start)
                self._open.append(raw)
            if keys is not None:
                self._knock(run, number, {})
                self._knock(run, number, _identity(keys.parent / "others", load_client_keys(keys).server))
                self._knock(run, number, _identity(keys, load_client_keys(keys.parent / "others").server))

    def _knock(self, run: RunDirectory, port: int, options: dict[str, bytes]) -> None:
        """Would stop the run, and take learner 0's place, if it were let in."""
        stranger: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        stranger.linger = 0
        stranger.setsockopt(zmq.IDENTITY, b"cli-0123456789abcdef/0" if port % 2 == 0 else b"learner-0/1")
        for name, value in options.items():
            setattr(stranger, name, value)
        stranger.connect(f"tcp://127.0.0.1:{port}")
        for message in (Command(run.run, "stop", {}), Hello(run.run, 0, 1, -1, -1)):
            stranger.send_multipart(encode(message), zmq.DONTWAIT)
        self._open.append(stranger)

    def close(self) -> None:
        for one in self._open:
            one.close()


def _identity(folder: Path, server: bytes) -> dict[str, bytes]:
    own = load_client_keys(folder).own
    return {"curve_publickey": own.public, "curve_secretkey": own.secret, "curve_serverkey": server}


@pytest.mark.parametrize("protected", [False, True], ids=["plain", "keys"])
def test_over_tcp_the_weights_are_the_same_and_strangers_change_nothing(
    start: Callable[..., "subprocess.Popen[str]"], tmp_path: Path, port: int, alone: list[bytes], protected: bool
) -> None:
    """Broken by answering every ZAP question with 200: the stranger's `stop` then ends the run."""
    run, keys = tmp_path / "run", tmp_path / "keys"
    for folder in (keys, tmp_path / "others"):
        make_keys(folder)
    where = ["--set", f"wire.listen=tcp://127.0.0.1:{port}", *(["--set", f"wire.keys={keys}"] if protected else [])]
    process = start(*SMOKE, *where, "--out", str(run))
    until(lambda: rounds(run))
    strangers = Strangers(RunDirectory.open(run), port, keys if protected else None)
    status = fleet("status", str(run), "--json")
    assert status.returncode == 0, status.stderr
    assert process.wait(120) == 0, (tmp_path / "output-0").read_text()
    strangers.close()
    assert weights(run, ROUNDS) == alone
    assert len(alone) == 4
    balance = audit(run / "ledger.jsonl")
    assert balance.balanced
    assert balance.total.unresolved == balance.total.lost == 0
    figures = json.loads((run / "summary.json").read_text())["figures"]
    # Two say so little that they are only cut off after three seconds, which the run may not take.
    assert figures["wire_disconnects"] + figures["wire_rejected"] >= len(HALF) - 2 + 3 * protected
    assert json.loads((run / "processes.json").read_text()) == {}


def test_what_cannot_listen_safely_starts_nothing_and_leaves_nothing(tmp_path: Path, port: int) -> None:
    run = tmp_path / "run"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port + 1))
        taken.listen()
        for listen, said in [
            (f"tcp://0.0.0.0:{port}", "beyond loopback"),
            (f"tcp://127.0.0.1:{port}", f"port {port + 1}, for data, is in use"),
            ("tcp://127.0.0.1:0", "allowed are"),
        ]:
            done = fleet(*SMOKE, "--set", f"wire.listen={listen}", "--out", str(run))
            assert done.returncode == 2
            assert said in done.stderr
            assert not run.exists()


def test_fleet_keys_makes_what_a_run_takes(tmp_path: Path, port: int) -> None:
    keys = tmp_path / "keys"
    made = fleet("keys", str(keys))
    assert made.returncode == 0
    assert "client.secret" in made.stdout
    assert fleet("keys", str(keys)).returncode == 2
    (keys / "client.secret").chmod(0o644)
    done = fleet(*SMOKE, "--set", f"wire.keys={keys}", "--out", str(tmp_path / "run"))
    assert done.returncode == 2
    assert "chmod 0600" in done.stderr
