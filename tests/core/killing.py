"""Forks writers, SIGKILLs each at a random moment, and checks what it left. Run by tests, as a process with one thread.

Call: killing.py ledger|checkpoint|snapshot PATH KILLS. It prints what it counted as JSON; a failed check ends it.
"""

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from fleet.core.checkpoint import load_arrays, save_arrays
from fleet.core.ledger import RolloutName
from fleet.core.ledger_file import Ledger, audit
from fleet.core.snapshots import LearnerStore, SnapshotStore, link_into

counted: Counter[str] = Counter()


def write_ledger(path: Path, life: int) -> Iterator[None]:
    """An environment server's life, folding every few rounds."""
    ledger = Ledger(path, max_bytes=2000)
    ledger.lost(ledger.outstanding(), "server_died")
    for seq in range(10**9):
        names = [RolloutName(life, learner, 0, seq) for learner in range(3)]
        ledger.produced(seq, 4, [(name, [learner]) for learner, name in enumerate(names)])
        ledger.trained(names[:1], seq + 1)
        ledger.withheld(seq, [3], 4, "no_credit")
        ledger.lost(names[1:2], "learner_died")
        ledger.trained(names[2:], seq + 1)
        yield


def check_ledger(path: Path) -> None:
    """It balances, and nothing said before is gone."""
    if not path.exists():
        return
    found = audit(path)
    assert found.balanced, found
    assert found.total.produced >= counted["produced"], (found, counted)
    counted["produced"] = found.total.produced
    counted["folded"] += path.read_bytes().count(b"\n") < 30 and found.total.produced > 1000
    counted["partial"] += found.partial_line


def write_checkpoint(folder: Path, life: int) -> Iterator[None]:
    """A learner that does nothing but save."""
    store = LearnerStore(folder)
    version = max(store.versions(), default=0)
    while True:
        version += 1
        store.save(version, {"weight": np.full((64, 64), version, np.float32)}, {"version": version, "life": life})
        yield


def check_checkpoint(folder: Path) -> None:
    """Every checkpoint on disk loads and is what its name says."""
    for path in sorted(folder.glob("v*")):
        arrays, meta = load_arrays(path)
        assert path.name == f"v{meta['version']:08d}.safetensors"
        assert (arrays["weight"] == meta["version"]).all()
        counted["loaded"] += 1
    counted["temporaries"] += len(list(folder.glob(".*.tmp"))) if folder.exists() else 0


def write_snapshot(folder: Path, _: int) -> Iterator[None]:
    """A run that does nothing but snapshot, and of which every third is the best so far."""
    store = SnapshotStore(folder / "snapshots", keep=2)
    newest = store.newest()
    round_ = newest.round if newest else 0
    learner = folder / "learner.safetensors"
    while True:
        round_ += 1
        inside = store.begin(round_)
        save_arrays(learner, {"weight": np.full(100, round_, np.float32)}, {"round": round_})
        save_arrays(inside / "world.safetensors", {"shelf": np.full(100, round_)}, {"round": round_})
        link_into(inside, learner, "learner-0.safetensors")
        store.commit(round_, {"evaluation": {"score": round_ - round_ % 3 * 1000}})
        store.prune()
        yield


def check_snapshot(folder: Path) -> None:
    """All that counts as a snapshot is whole, and the newest is never an older one than before."""
    store = SnapshotStore(folder / "snapshots")
    committed = list((folder / "snapshots").glob("*/manifest.json"))
    assert len(store.snapshots()) == len(committed), committed
    for snapshot in store.snapshots():
        for name in ("world.safetensors", "learner-0.safetensors"):
            assert load_arrays(snapshot.folder / name)[1] == {"round": snapshot.round}
        counted["loaded"] += 1
    newest = store.newest()
    assert (newest.round if newest else 0) >= counted["newest"]
    counted["newest"] = newest.round if newest else 0


def kill_often(
    write: Callable[[Path, int], Iterator[None]], check: Callable[[Path], None], path: Path, kills: int
) -> None:
    """Fork a writer, kill it some moments after a few of its writes, check; `kills` times."""
    rng = random.Random(kills)
    for life in range(1, kills + 1):
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                for _ in write(path, life):
                    os.write(writer, b".")
            finally:
                os._exit(9)
        os.close(writer)
        for _ in range(rng.choice([0, 0, 1, 1, 2])):
            assert os.read(reader, 1), "the writer ended by itself"
        time.sleep(rng.uniform(0.0, 0.002))
        os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        os.close(reader)
        assert os.WIFSIGNALED(status), f"the writer ended by itself, with {status}"
        check(path)


if __name__ == "__main__":
    writers = {"ledger": write_ledger, "checkpoint": write_checkpoint, "snapshot": write_snapshot}
    checks = {"ledger": check_ledger, "checkpoint": check_checkpoint, "snapshot": check_snapshot}
    kill_often(writers[sys.argv[1]], checks[sys.argv[1]], Path(sys.argv[2]), int(sys.argv[3]))
    print(json.dumps(counted))
