"""The machine a run is on: refused if it isn't Linux, described for the run's record, and its memory measured."""

import ctypes
import os
import platform
import resource
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from fleet.core.errors import BadInput

_SOURCE = Path(__file__).resolve().parents[2]


def require_linux(system: str = sys.platform) -> None:
    """Raise BadInput on anything but Linux."""
    if system != "linux":
        raise BadInput(f"this machine runs {system}; fleet needs Linux (pidfd, process groups, Unix sockets)")


def require_descriptors(learners: int) -> None:
    """Have this process, and all that it starts, be allowed the open files that a fleet of so many needs.

    The supervisor holds each learner by one and talks to it over another, and hands a copy to a new zygote. Raises
    BadInput where the limit can't be raised that far.
    """
    needed = 3 * learners + 256
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise BadInput(
            f"{learners} learners need {needed} open files, and the hard limit of this process is {hard} (ulimit -Hn); "
            "raise it, or lower world.robots"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def machine() -> dict[str, Any]:
    """Processor, cores, memory and versions, as JSON. Without torch installed its version is null."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "usable_cores": usable_cores(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": _version("torch"),
        "numpy": _version("numpy"),
        "fleet": _version("fleet"),
        "commit": commit(_SOURCE),
    }


@dataclass(frozen=True)
class Memory:
    """Bytes of one process: `uss` would come free if it ended, `pss` has its share of what it shares with others."""

    uss: int
    pss: int
    rss: int


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0))


def memory(pid: int) -> Memory | None:
    """That process's memory; None if it is gone or another user's."""
    try:
        info = psutil.Process(pid).memory_full_info()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
    return Memory(info.uss, info.pss, info.rss)


def total_memory(pids: Iterable[int]) -> int:
    """Bytes that these processes take together: the sum of their PSS, so what they share counts once."""
    return sum(found.pss for found in map(memory, pids) if found)


def available_memory(root: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that can be had without swapping, within the container's limit if there is one."""
    free: int = psutil.virtual_memory().available
    try:
        limit, used = ((root / name).read_text().strip() for name in ("memory.max", "memory.current"))
        return free if limit == "max" else min(free, max(0, int(limit) - int(used) + _cached_files(root)))
    except (OSError, ValueError):
        return free


def _cached_files(root: Path) -> int:
    """Bytes counted as the container's that are only files it has read, and are given up when memory is asked for."""
    try:
        lines = (root / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))


def require_device(device: str) -> None:
    """Raise BadInput if learners plainly can't compute on `device`; whether torch then can, only torch knows."""
    if device == "cpu":
        return
    torch = _version("torch")
    if torch is not None and torch.endswith("+cpu"):
        raise BadInput(f'learners.device = "{device}": torch {torch} is built without CUDA; allowed is "cpu"')
    count, number = cuda_devices(), int(device.partition(":")[2] or 0)
    if number >= count:
        allowed = ", ".join(['"cpu"', *(f'"cuda:{known}"' for known in range(count))])
        raise BadInput(f'learners.device = "{device}": this machine has {count} CUDA devices; allowed are {allowed}')


def cuda_devices() -> int:
    """How many CUDA devices the driver offers to this user's processes; asks the driver itself, without torch."""
    count = ctypes.c_int(0)
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def commit(folder: Path) -> str | None:
    """The commit checked out in `folder`, read from its .git without the git program; None if it is no checkout."""
    git = folder / ".git"
    try:
        if git.is_file():  # a linked worktree
            git = (folder / git.read_text().removeprefix("gitdir:").strip()).resolve()
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref:"):
            return head
        return _reference(git, head.removeprefix("ref:").strip())
    except (OSError, UnicodeDecodeError):
        return None


def _reference(git: Path, name: str) -> str | None:
    common = git
    if (git / "commondir").is_file():
        common = (git / (git / "commondir").read_text().strip()).resolve()
    loose = common / name
    if loose.is_file():
        return loose.read_text().strip()
    for line in (common / "packed-refs").read_text().splitlines():
        found, _, packed = line.partition(" ")
        if packed == name:
            return found
    return None


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
