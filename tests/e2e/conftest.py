"""Fleets that a test starts, and that are over when it is."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.running import COMMAND


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start `fleet ...`, its output in `tmp_path / "output-0"` and so on."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str) -> "subprocess.Popen[str]":
        with (tmp_path / f"output-{len(started)}").open("w") as output:
            started.append(subprocess.Popen([*COMMAND, *arguments], stdout=output, stderr=output, text=True))
        return started[-1]

    yield begin
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
