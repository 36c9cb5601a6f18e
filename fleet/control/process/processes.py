"""The processes of a run as the supervisor holds them: ordering, noticing their end, killing. Mechanism, no decisions.

The environment server is a direct child. Learners are the zygote's children; when a zygote dies they become ours.
"""

import os
import resource
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fleet.control.care.child import SERVER, ZYGOTE
from fleet.control.process import logs, pidfd
from fleet.control.process.orphans import Orphans
from fleet.control.process.spawn import Spawned, spawn
from fleet.control.process.zygote_client import Exited, Forked, Pong, Ready, Refused, ZygoteClient

_STATUS_PATIENCE_S = 0.02  # how long the zygote may take to say how its child ended, for each that has ended


@dataclass(frozen=True)
class Modules:
    """What to run, as import paths: a module for the server; "module:function" for a learner and for the warm-up."""

    server: str = "env_server.server"
    learner: str = "learners.process:main"
    warm: str = "learners.warm:warm"


@dataclass(frozen=True)
class Started:
    """A learner has been forked."""

    name: str
    pid: int


@dataclass(frozen=True)
class Ended:
    """A process is gone. `status` is negative for a signal, None where nobody could say; `noticed` is monotonic."""

    name: str
    pid: int
    status: int | None
    noticed: float


Happening = Started | Ended | Ready | Refused | Pong


@dataclass
class _Held:
    """A process by its pidfd; `noticed` is when its end was."""

    name: str
    pid: int
    pidfd: int
    spawned: Spawned | None = None
    noticed: float | None = None


class Processes:
    """Everything that runs on behalf of one run. `collect` never blocks; `kill_all` is bounded."""

    def __init__(self, run: str, folder: Path, life: int, modules: Modules) -> None:
        self._run, self._logs, self._life, self._modules = run, folder, life, modules
        self._zygote: ZygoteClient | None = None
        self._held: dict[str, _Held] = {}
        self._ends = pidfd.Ends()
        self._ending: list[_Held] = []  # whose end has been noticed, and not how it came
        self._pids: dict[str, int] | None = None
        self._unreaped: list[_Held] = []
        self._orphans = Orphans()
        self._orders: dict[str, str] = {}  # learners asked for and not forked yet, with their starts
        self._closed = False

    def log(self, name: str) -> Path:
        """Where that process's output goes."""
        return self._logs / f"{name}.log"

    def start_zygote(self) -> int:
        """Start a zygote in place of none or a dead one: it takes over orders and wards. Returns its pid."""
        zygote = ZygoteClient(warm=self._modules.warm, run=self._run, log=self.log(ZYGOTE), life=self._life)
        self._zygote, self._pids = zygote, None
        for held in self._held.values():
            zygote.ward(held.name, held.pidfd)
        for name, start in self._orders.items():
            zygote.fork(name, self._modules.learner, start, self.log(name))
        return zygote.pid

    def start_server(self, start: str) -> int:
        """Start the environment server with `start` on its standard input. Returns its pid."""
        spawned = spawn(self._modules.server, [], log=self.log(SERVER), life=self._life, stdin=start)
        self._hold(_Held(SERVER, spawned.pid, spawned.pidfd, spawned))
        if self._zygote is not None:
            self._zygote.ward(SERVER, spawned.pidfd)
        return spawned.pid

    def order_learner(self, name: str, start: str) -> None:
        """Have the zygote fork a learner, now or as soon as there is a zygote."""
        self._orders[name] = start
        if self._zygote is not None:
            self._zygote.fork(name, self._modules.learner, start, self.log(name))

    def close_intake(self) -> None:
        """From now on nothing starts: orders are dropped, and a learner forked all the same is killed."""
        self._closed = True
        self._orders.clear()

    def descriptors(self) -> set[int]:
        """What to wait on: something to `collect` makes one of them readable."""
        watched = {self._ends.descriptor}
        if self._zygote is not None:
            watched |= {self._zygote.pidfd, self._zygote.socket.fileno()}
        return watched

    def pids(self) -> dict[str, int]:
        """Name and pid of everything that runs."""
        if self._pids is None:
            zygote = {} if self._zygote is None else {ZYGOTE: self._zygote.pid}
            self._pids = zygote | {held.name: held.pid for held in self._held.values() if held.noticed is None}
        return self._pids

    def collect(self) -> list[Happening]:
        """All that has happened since the last call. A zygote that `Ended` is not replaced of itself."""
        happened: list[Happening] = []
        if self._zygote is not None:
            over = pidfd.ended(self._zygote.pidfd)  # before reading, so that nothing it said is missed
            happened += self._read_reports(self._zygote)
            if over:
                happened.append(self._bury_zygote(self._zygote))
        now = time.monotonic()
        gone = set(self._ends.take())
        for held in [held for held in self._held.values() if held.pidfd in gone] if gone else []:
            held.noticed, self._pids = now, None
            self._ending.append(held)
        for held in list(self._ending):
            happened += self._look_at(held, now)
        self._orphans.reap()
        return happened

    def trim_logs(self) -> None:
        """Keep every log short."""
        for log in self._logs.glob("*.log"):
            with suppress(OSError):  # a full disk: a log is no more than a log
                logs.trim(log)

    def signal(self, name: str, number: signal.Signals) -> bool:
        """Signal one process; False if it isn't there any more."""
        if name == ZYGOTE:
            return self._zygote is not None and pidfd.send(self._zygote.pidfd, number)
        held = self._held.get(name)
        return held is not None and pidfd.send(held.pidfd, number)

    def rename(self, name: str, other: str) -> None:
        """That process goes by another name from now on, so that its own can be used again."""
        held = self._held.pop(name)
        held.name = other
        self._held[other], self._pids = held, None

    def bar_from_files(self, name: str) -> None:
        """From now on that process can write to no file: what takes its place does, under the same names."""
        held = self._held.get(name)
        if held is not None and not pidfd.ended(held.pidfd):  # until it has ended the pid is no one else's
            with suppress(ProcessLookupError):
                resource.prlimit(held.pid, resource.RLIMIT_FSIZE, (0, 0))

    def ping(self) -> None:
        """Ask the zygote for a sign of life: a `Pong`, once it is ready and gets to it."""
        if self._zygote is not None and self._zygote.ready:
            self._zygote.ping()

    def kill_all(self, timeout_s: float) -> list[str]:
        """SIGKILL everything, reap it and let go of it, within `timeout_s`; returns what would not end."""
        self.close_intake()
        deadline = time.monotonic() + timeout_s
        if self._zygote is not None:  # first, because it could still fork; what it forked before is then in its reports
            self._zygote.kill()
            pidfd.wait([self._zygote.pidfd], timeout_s)
            self.collect()
        for held in self._held.values():
            pidfd.send(held.pidfd, signal.SIGKILL)
        left = pidfd.wait([held.pidfd for held in self._held.values()], max(0.0, deadline - time.monotonic()))
        stubborn = [held.name for held in self._held.values() if held.pidfd in left]
        for held in [*self._held.values(), *self._unreaped]:
            self._let_go(held)
        self._orphans.wait(max(0.0, deadline - time.monotonic()))
        self._held.clear()
        self._ending.clear()
        self._unreaped.clear()
        self._ends.close()
        self._pids = None
        return stubborn

    def _hold(self, held: _Held) -> None:
        self._held[held.name], self._pids = held, None
        self._ends.add(held.pidfd)

    def _release(self, held: _Held) -> None:
        del self._held[held.name]
        self._ends.remove(held.pidfd)
        self._pids = None
        if held in self._ending:
            self._ending.remove(held)

    def _read_reports(self, zygote: ZygoteClient) -> list[Happening]:
        happened: list[Happening] = []
        for report in zygote.reports():
            if isinstance(report, Forked):
                happened += self._take_in(report)
            elif isinstance(report, Exited):
                happened += self._hear_end(report)
            else:
                if isinstance(report, Refused):
                    self._orders.pop(report.name, None)
                happened.append(report)
        return happened

    def _take_in(self, report: Forked) -> list[Happening]:
        self._orders.pop(report.name, None)
        self._hold(_Held(report.name, report.pid, report.pidfd))
        if self._closed:
            pidfd.send(report.pidfd, signal.SIGKILL)
        return [Started(report.name, report.pid)]

    def _hear_end(self, report: Exited) -> list[Happening]:
        for held in [item for item in self._unreaped if item.pid == report.pid]:
            self._unreaped.remove(held)
            pidfd.close(held.pidfd)
        held_now = next((item for item in self._held.values() if item.pid == report.pid), None)
        if held_now is None:
            return []  # its end has been told without a status
        self._release(held_now)
        pidfd.close(held_now.pidfd)
        return [Ended(held_now.name, report.pid, report.status, held_now.noticed or time.monotonic())]

    def _look_at(self, held: _Held, now: float) -> list[Happening]:
        assert held.noticed is not None
        status = held.spawned.status() if held.spawned is not None else pidfd.reap(held.pidfd)
        if status is None:
            if self._zygote is not None and now - held.noticed < _STATUS_PATIENCE_S * len(self._ending):
                return []
            self._unreaped.append(held)
        self._release(held)
        if held.spawned is not None:
            self._orphans.adopt(held.pid)
        if status is not None:
            pidfd.close(held.pidfd)
        return [Ended(held.name, held.pid, status, held.noticed)]

    def waits_for_status(self) -> bool:
        """Whether an end has been noticed whose status is on its way, so `collect` should be called again soon."""
        return bool(self._ending)

    def _bury_zygote(self, zygote: ZygoteClient) -> Ended:
        status = zygote.status()
        zygote.close()
        self._zygote = self._pids = None
        for held in list(self._unreaped):  # its zombies are ours now
            if pidfd.reap(held.pidfd) is not None:
                self._unreaped.remove(held)
                pidfd.close(held.pidfd)
        return Ended(ZYGOTE, zygote.pid, status, time.monotonic())

    def _let_go(self, held: _Held) -> None:
        if held.spawned is not None:
            held.spawned.status()
            self._orphans.adopt(held.pid)
        else:
            pidfd.reap(held.pidfd)
        os.close(held.pidfd)
