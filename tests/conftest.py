"""What every test stands on: one thread per process, no child left behind, e2e tests marked as such."""

import os
import sys

# Before numpy or torch is imported: they read it once.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

# Else each of the many processes that tests start compiles our sources anew, and pytest each time all tests.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

ROOT = Path(__file__).resolve().parent.parent
_GRACE_S = 1.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "e2e" in item.path.relative_to(ROOT / "tests").parts[:-1]:
            item.add_marker(pytest.mark.e2e)


def _children() -> dict[int, psutil.Process]:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)  # waits for nobody and reaps nobody
    except ChildProcessError:
        return {}  # most tests start no process: looking through all of the machine's, twice, took longer than they do
    return {child.pid: child for child in psutil.Process().children(recursive=True)}


@pytest.fixture(autouse=True)
def no_child_left_behind() -> Iterator[None]:
    """Fail a test that leaves a process running, and end that process. A zombie is one that nobody waited for."""
    before = _children()
    yield
    left = [child for pid, child in _children().items() if pid not in before]
    if not left:
        return
    _, alive = psutil.wait_procs(left, timeout=_GRACE_S)
    told = []
    for child in alive:
        try:
            told.append(f"{child.pid}: {' '.join(child.cmdline())} ({child.status()})")
            child.kill()
        except psutil.NoSuchProcess:
            continue
    assert not told, f"left behind: {told}"


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the source tree."""
    return ROOT
