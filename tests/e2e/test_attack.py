"""A live run whose sockets are flooded with 100,000 frames that are no messages, or nobody's: it doesn't notice.

What is promised: what can't be decoded, is of another run, life or incarnation, or is signed by someone else changes
nothing, holds nobody up for long and takes bounded memory. What isn't: whoever can connect (the run's private folder,
loopback without keys, or an allowed key) may take a living process's routing id, which cuts that process off until it
comes back, or say a proper hello as a learner's next incarnation, which supersedes the one there is. The owner of the
folder could as well kill the processes; others are kept out by the folder's mode, or by keys.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest
import zmq

from fleet.core.ledger_file import audit
from fleet.core.rundir import RunDirectory
from tests.e2e.running import COMMAND, rounds, until, weights

pytestmark = pytest.mark.e2e
FRAMES = 100_000
ROUNDS = 150
STAY_S = 2.0
RUN = [*COMMAND, "run", "smoke", "--rounds", str(ROUNDS), "--out"]
GROWTH = 300 * 2**20
"""Bytes that a process may grow by under the flood: its sockets' queues, which are bounded per connection."""


class Live(NamedTuple):
    """A run that has done its first round, and where it listens."""

    process: "subprocess.Popen[bytes]"
    directory: RunDirectory
    data: str
    control: str


@contextmanager
def live(run: Path) -> Iterator[Live]:
    """A run to its end, which is a good one."""
    output = run.parent / "output"
    with output.open("w") as file, subprocess.Popen([*RUN, str(run)], stdout=file, stderr=file) as fleet:
        try:
            until(lambda: rounds(run), within_s=120.0)
            control = RunDirectory.open(run).control_endpoint()
            yield Live(fleet, RunDirectory.open(run), control.removesuffix("control") + "data", control)
            until(lambda: fleet.poll() is not None, within_s=120.0)
        finally:
            fleet.kill()
    assert fleet.returncode == 0, output.read_text()
    balance = audit(run / "ledger.jsonl")
    assert balance.balanced
    assert balance.total.unresolved == 0
    assert json.loads((run / "summary.json").read_text())["figures"]["round"] == ROUNDS


def peaks(pids: dict[str, int]) -> dict[str, int]:
    """The most memory that each process has had, in bytes."""
    found = {}
    for name, pid in pids.items():
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            continue
        found[name] = 1024 * next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)
    return found


def test_a_hundred_thousand_frames_from_strangers_change_nothing(tmp_path: Path, root: Path) -> None:
    """Broken by letting MessageError out of decode, by checking no run, and by taking learner 7's policies for 0's."""
    run, undisturbed = tmp_path / "run", tmp_path / "undisturbed"
    with live(run) as (fleet, directory, data, control):
        pids = {**directory.read_json("processes.json"), "supervisor": fleet.pid}
        before = after = peaks(pids)
        attack = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.attack", data, control, directory.run, str(FRAMES), "1"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
        )
        try:
            while fleet.poll() is None:
                after = {**after, **peaks(pids)}
                time.sleep(0.1)
        finally:
            told, _ = attack.communicate()
    assert attack.returncode == 0
    assert told.endswith("enough\n"), told
    assert {name: grown for name, grown in after.items() if grown > before[name] + GROWTH} == {}

    subprocess.run([*RUN, str(undisturbed), "--single-process"], check=True, timeout=180, capture_output=True)
    assert weights(run, ROUNDS) == weights(undisturbed, ROUNDS)
    assert len(weights(run, ROUNDS)) == 4
    balance = audit(run / "ledger.jsonl")
    assert balance.total.lost == balance.total.withheld == 0
    summary = json.loads((run / "summary.json").read_text())
    assert summary["figures"]["wire_rejected"] > FRAMES / 10
    assert sum(summary["restarts"].values()) == 0


def test_who_takes_a_living_learners_routing_id_ends_no_run(tmp_path: Path) -> None:
    """What was dealt to it is accounted for, whether it is heard again, given up, or found frozen or unreachable.

    One stranger sends what is no message over the data link, one says nothing there, and one nothing to the supervisor.
    """
    run = tmp_path / "run"
    with live(run) as (fleet, _, data, control), ExitStack() as stack:
        strangers = []
        for learner, endpoint in enumerate((data, data, control)):
            stranger = stack.enter_context(zmq.Context.instance().socket(zmq.DEALER))
            stranger.linger = 0
            stranger.setsockopt(zmq.IDENTITY, b"learner-%d/0" % learner)
            stranger.connect(endpoint)
            strangers.append(stranger)
        leaves_at = time.monotonic() + STAY_S
        while time.monotonic() < leaves_at:
            with suppress(zmq.Again):
                strangers[0].send(os.urandom(100), zmq.DONTWAIT)
            time.sleep(0.02)
        assert fleet.poll() is None, "it was over before anybody could notice"
    figures = json.loads((run / "summary.json").read_text())["figures"]
    assert figures["wire_rejected"] > 0
    assert figures["wire_disconnects"] > 0
