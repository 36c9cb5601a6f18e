"""A measurement in a process tree of its own: bounded in time, weighed while it runs, nothing of it left afterwards."""

import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from fleet.control.process.pidfd import subreaper
from fleet.core.errors import FleetError
from fleet.core.platform import total_memory

_TICK_S, _WEIGH_S = 0.1, 5.0
_TIDY_S, _LEAVE_S = 1.0, 5.0
"""How long helpers of a process that ended may tidy up after it (semaphores, say), and then how long to die."""


class PeerFailed(FleetError):  # noqa: N818 - reads as what it is where it is raised
    """The process ended badly, ran past its time or printed no figures: its last words, for a person."""


@dataclass(frozen=True)
class Figures:
    """What a measurement printed, and the largest sum of PSS of its processes in bytes, of `samples` looks."""

    printed: Mapping[str, Any]
    memory: int
    samples: int

    @property
    def rates(self) -> list[float]:
        """Trained agent-steps per second of each measured round."""
        return [float(rate) for rate in self.printed["rates"]]


def measured(command: Sequence[str], *, limit_s: float, folder: Path, environment: Mapping[str, str]) -> Figures:
    """Run `command` for at most `limit_s`, its output in `folder`, and read the line of JSON that it printed last.

    Whatever it started is killed with it, also what has left its session and its parent: they are all descendants of
    this process, which takes in orphans meanwhile. Raises PeerFailed.
    """
    output, complaints = folder / "output", folder / "complaints"
    before = set(_descendants())
    with subreaper(), output.open("wb") as out, complaints.open("wb") as err:
        # a session of its own, so that Ctrl-C reaches this process alone, which then ends the rest
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=folder,
            env=dict(environment),
            start_new_session=True,
        )
        try:
            memory, samples = _weigh_until_end(process, before, limit_s)
        finally:
            _end(process, before)
    if process.returncode != 0:
        raise PeerFailed(f"ended with status {process.returncode}: {_last_words(complaints)}")
    return Figures(_figures(output), memory, samples)


def _weigh_until_end(process: subprocess.Popen[bytes], before: set[psutil.Process], limit_s: float) -> tuple[int, int]:
    """The largest memory seen, and how often it was looked at. Raises PeerFailed at the limit."""
    began = due = time.monotonic()
    memory = samples = 0
    while process.poll() is None:
        now = time.monotonic()
        if now - began > limit_s:
            raise PeerFailed(f"killed: still running after {limit_s:g} s")
        if now >= due:
            due = now + _WEIGH_S
            memory = max(memory, total_memory(child.pid for child in set(_descendants()) - before))
            samples += 1
        time.sleep(_TICK_S)
    return memory, samples


def _end(process: subprocess.Popen[bytes], before: set[psutil.Process]) -> None:
    """Kill the process and all that it left. Again and again, since what is killed may have been starting others."""
    process.kill()
    process.wait()
    psutil.wait_procs(set(_descendants()) - before, timeout=_TIDY_S)
    deadline = time.monotonic() + _LEAVE_S
    while left := list(set(_descendants()) - before):
        for child in left:
            child.kill()
        psutil.wait_procs(left, timeout=0.2)
        if time.monotonic() > deadline:
            raise FleetError(f"still there {_LEAVE_S:g} s after SIGKILL: {[child.pid for child in left]}")


def _descendants() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def _figures(output: Path) -> Mapping[str, Any]:
    """The last line that is a JSON object; libraries print lines of their own between."""
    for line in reversed(output.read_text(errors="replace").splitlines()):
        try:
            printed = json.loads(line)
        except ValueError:
            continue
        if isinstance(printed, dict) and printed.get("rates"):
            return printed
    raise PeerFailed("printed no figures")


def _last_words(complaints: Path) -> str:
    lines = [line.strip() for line in complaints.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][-300:] if lines else "it said nothing"
