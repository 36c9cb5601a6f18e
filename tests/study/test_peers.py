"""`fleet bench peers` with stand-ins for the peers: one that answers, one that crashes, one that hangs."""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from fleet.commands.main import main
from fleet.core.errors import FleetError
from fleet.study.bench import peers as bench_peers
from fleet.study.bench.bench import Row
from fleet.study.bench.peer_process import Figures, PeerFailed, measured
from fleet.study.bench.peers import Peer

ANSWERS = """
import json, os, sys
order = json.loads(sys.argv[1])
print("a library's own line")
rate = float(order["agents"] * order["epochs"])
checked = " ".join((os.environ["OMP_NUM_THREADS"], str(os.path.samefile(os.environ["HOME"], order["folder"]))))
figures = {"rates": [rate, 3 * rate, 2 * rate], "first_update_s": 1.5}
print(json.dumps({**figures, "checked": checked, "versions": {"x": "1"}}))
print("{}")
"""
CRASHES = "import sys; print('fine so far'); sys.exit('no such module: nonsense')"
HANGS = """
import os, pathlib, sys, time
if os.fork() == 0:
    if os.fork() == 0:
        os.setsid()
        pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
        time.sleep(60)
    os._exit(0)
os.wait()
time.sleep(60)
"""


def script(folder: Path, text: str) -> Path:
    path = folder / "script.py"
    path.write_text(text)
    return path


def run(folder: Path, text: str, *arguments: str, limit_s: float = 30.0) -> Figures:
    command = [sys.executable, str(script(folder, text)), *arguments]
    return measured(command, limit_s=limit_s, folder=folder, environment=os.environ)


def test_the_last_line_with_rates_is_read_and_the_process_weighed(tmp_path: Path) -> None:
    text = "print('{\"rates\": [1]}'); print('{\"rates\": [2.0, 3]}'); print('bye')"
    figures = run(tmp_path, text)
    assert figures.rates == [2.0, 3.0]
    assert figures.samples >= 1


def test_a_crash_is_told_in_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(PeerFailed, match="ended with status 1: no such module: nonsense"):
        run(tmp_path, CRASHES)


def test_no_figures_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(PeerFailed, match="printed no figures"):
        run(tmp_path, "print('{\"rates\": []}')")


def test_one_that_hangs_is_killed_at_its_bound_with_all_that_it_left(tmp_path: Path) -> None:
    """Its grandchild has left its session and lost its parent, as Ray's processes do."""
    note = tmp_path / "pid"
    began = time.monotonic()
    with pytest.raises(PeerFailed, match="killed: still running after 1.5 s"):
        run(tmp_path, HANGS, str(note), limit_s=1.5)
    assert time.monotonic() - began < 30
    assert not psutil.pid_exists(int(note.read_text()))
    assert psutil.Process().children(recursive=True) == []


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours are given, not measured; peers' scripts are run."""
    run = bench_peers._run
    ours = Figures({"rates": [1000.0], "first_update_s": 2.0, "checked": "ours", "versions": {}}, 10**9, 1)

    def instead(command, order, limit_s, environment):
        return ours if "fleet.study.bench.peer_ours" in command else run(command, order, limit_s, environment)

    monkeypatch.setattr(bench_peers, "_run", instead)


def peer(path: Path, package: str = "json", **settings: int) -> Peer:
    return Peer(package, path, "it only pretends", settings, 1, 1, 10.0)


def measure(python: Path, **peers: Peer) -> tuple[Mapping[str, Row], str]:
    measured = bench_peers.measure(python=python, config="smoke", peers=peers)
    return {row.name: row for row in measured.rows}, measured.how


@pytest.mark.usefixtures("figures")
def test_a_peer_gets_our_settings_and_stands_beside_ours(tmp_path: Path) -> None:
    rows, how = measure(Path(sys.executable), some=peer(script(tmp_path, ANSWERS), agents=100, epochs=3))
    assert rows["peers_some"].value == 600
    assert (rows["peers_some_min"].value, rows["peers_some_max"].value) == (300, 900)
    assert rows["peers_some_first_update"].value == 1.5
    assert rows["peers_some"].against == "ours: 1,000 agent-steps/s"
    assert rows["peers_some"].ratio == pytest.approx(0.6)
    assert rows["peers_ours"].against == "some: 600 agent-steps/s"
    assert rows["peers_ours"].ratio == pytest.approx(1 / 0.6)
    assert rows["peers_ours_memory_peak"].value == 1.0
    assert "some: 3 rounds; 1 True; it only pretends; x 1." in how.splitlines()


@pytest.mark.usefixtures("figures")
def test_a_peer_that_breaks_or_is_missing_has_a_line_and_no_rows(tmp_path: Path) -> None:
    crashes = script(tmp_path, CRASHES)
    rows, how = measure(Path(sys.executable), one=peer(crashes), other=peer(crashes, "no_such_package"))
    assert {name.split("_")[1] for name in rows} == {"ours"}
    assert rows["peers_ours"].ratio is None
    assert "one: ended with status 1: no such module: nonsense" in how.splitlines()
    assert f"other: not installed in {sys.executable}: run `make peers`" in how
    assert "one: not installed in no/python" in measure(Path("no/python"), one=peer(crashes))[1]


def test_the_order_is_what_our_own_run_trains_with() -> None:
    order = bench_peers._order(bench_peers.prepare(bench_peers.load_config("warehouse40")))
    assert (order["agents"], order["observations"], order["actions"]) == (40, 100, 5)
    assert (order["copies"], order["steps"], order["epochs"], order["minibatch"]) == (32, 128, 4, 1024)
    assert (order["hidden"], order["activation"]) == ([64, 64], "tanh")


@pytest.mark.slow
def test_our_own_part_is_a_real_run() -> None:
    small = ["world.robots=2", "network.hidden=[8]"]
    measured = bench_peers.measure(config="smoke", overrides=small, rounds=2, peers={})
    rows = {row.name: row for row in measured.rows}
    assert 0 < rows["peers_ours_min"].value <= rows["peers_ours"].value <= rows["peers_ours_max"].value
    assert 0 < rows["peers_ours_first_update"].value < 100
    assert 0.0 < rows["peers_ours_memory_peak"].value < 3
    assert "ours: 2 rounds; 0 agent-steps withheld per round; " in measured.how


@pytest.mark.slow
def test_our_own_part_breaking_fails_the_whole() -> None:
    with pytest.raises(FleetError, match="ours: killed: still running after 0.1 s"):
        bench_peers.measure(config="smoke", limit_s=0.1, peers={})


def test_the_option_is_for_peers_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "world", "--peers-python", "x"]) == 2
    assert "--peers-python is for `fleet bench peers` alone; this is world" in capsys.readouterr().err
