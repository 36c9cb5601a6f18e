"""What the tests of whole fleets share: the command, waiting for something, and what stands in a run's folder."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from fleet.core.jsonl import read_jsonl

COMMAND = [sys.executable, "-m", "fleet.commands.main"]


def fleet(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=240, check=False)


def until(condition: Callable[[], object], within_s: float = 90.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def rounds(run: Path) -> int:
    path = run / "metrics.jsonl"
    return len(read_jsonl(path)) if path.exists() else 0


def pids(run: Path) -> dict[str, int]:
    path = run / "processes.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}


def weights(run: Path, done: int) -> list[bytes]:
    """The learners' and the world's files of the snapshot after `done` rounds."""
    folder = run / "checkpoints" / "snapshots" / f"round-{done:08d}"
    return [path.read_bytes() for path in sorted(folder.glob("*.safetensors"))]
