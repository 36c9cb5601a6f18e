"""What a dead process leaves behind of its session, such as the workers of a foreign world: killed and reaped by us.

A subreaper's children they become as their parent ends, and they would stay zombies as long as we live.
"""

import os
import signal
import time
from contextlib import suppress

import psutil


class Orphans:
    """Those that haven't been reaped yet. Nothing here blocks but `wait`, which is bounded."""

    def __init__(self) -> None:
        self._pids: list[int] = []

    def adopt(self, session: int) -> None:
        """Kill every child of ours that is of `session`: its leader is dead, and had started them."""
        for child in psutil.Process().children():
            with suppress(ProcessLookupError):
                if os.getsid(child.pid) == session:
                    os.kill(child.pid, signal.SIGKILL)
                    self._pids.append(child.pid)
        self.reap()

    def reap(self) -> None:
        """Reap those that have ended by now."""
        self._pids = [pid for pid in self._pids if not _reaped(pid)]

    def wait(self, timeout_s: float) -> None:
        """Until all are reaped, or it has been long enough."""
        deadline = time.monotonic() + timeout_s
        self.reap()
        while self._pids and time.monotonic() < deadline:
            time.sleep(0.005)
            self.reap()


def _reaped(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG) != (0, 0)
    except ChildProcessError:
        return True
