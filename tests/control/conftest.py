"""A run's folder for tests with real processes, which find the fakes in this folder and leave nothing behind."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fleet.core.rundir import RunDirectory


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunDirectory]:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    with RunDirectory.create(tmp_path / "run", "", []) as made:
        yield made
        sockets = made.private_dir()
    assert not sockets.exists()
    assert not _of_run(made.run), "processes of the run are left"


def _of_run(run: str) -> list[psutil.Process]:
    """Processes below us, less zombies of none of our making."""
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if any(run in word or "fake_server" in word for word in child.cmdline())
    ]
