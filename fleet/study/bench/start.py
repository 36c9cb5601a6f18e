"""`fleet bench start`: a fleet's learners from nothing to ready, and the memory that each then has for itself.

The zygote and the learners are the real ones, on real sockets; this process stands in for supervisor and environment
server. A learner is ready once it has said hello, been welcomed and published its first policy.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import zmq

from env_server.worlds import make_world
from fleet.control.process import logs, pidfd, spawn
from fleet.control.process.processes import Modules
from fleet.control.process.zygote_client import Exited, Forked, Ready, Refused, ZygoteClient
from fleet.core.config import Config
from fleet.core.config.load import load_config
from fleet.core.config.write import to_toml
from fleet.core.control_channel import ControlServer
from fleet.core.counters import Counters
from fleet.core.data_channel import DataServer
from fleet.core.errors import FleetError
from fleet.core.messages import Hello, Policy, Stop, Welcome
from fleet.core.platform import memory
from fleet.core.rundir import RunDirectory
from fleet.core.spec import WorldSpec
from fleet.core.start import LearnerStart, write_start
from fleet.study.bench.bench import Measured, Row
from fleet.study.prepare import prepare

MB = 1e6
TARGET_S, TARGET_MB = 6.0, 20.0
_LEAVE_S = 5.0


def measure(*, config: str = "warehouse40", overrides: Sequence[str] = (), timeout_s: float = 120.0) -> Measured:
    """Row `start_40` (named after the number of learners), then the learners' and the zygote's private memory.

    Raises FleetError if a learner ends instead, or isn't ready within `timeout_s`.
    """
    settings = prepare(load_config(config, overrides))
    with tempfile.TemporaryDirectory(prefix="fleet-bench-") as folder, ExitStack() as stack:
        directory = stack.enter_context(RunDirectory.create(Path(folder) / "run", to_toml(settings), sys.argv))
        reception = Reception(directory, settings)
        stack.callback(reception.close)
        forked = _fork_all(directory, reception, timeout_s)
        spawned = _spawn_one(directory, reception, timeout_s)
    count = len(reception.groups)
    alone = count * spawned.seconds
    own = [size / MB for size in forked.memory]
    each = f"one spawned: {spawned.memory[0] / MB:.0f} MB"
    rows = [
        Row(f"start_{count}", forked.seconds, "s", f"{count} spawned: {alone:.1f} s", forked.seconds / alone),
        _memory(f"start_{count}_memory_median", statistics.median(own), each, spawned.memory[0]),
        _memory(f"start_{count}_memory_max", max(own), each, spawned.memory[0]),
        Row("start_zygote_warm", forked.warm_s, "s"),
        Row("start_zygote_memory", forked.zygote / MB, "MB"),
    ]
    how = (
        f"The zygote and {count} learners of {settings.run.name} from nothing until each has published its first "
        f"policy; then each one's private memory (USS), before any rollout. Wanted for 40: {TARGET_S:g} s and "
        f"{TARGET_MB:g} MB each. Against: one learner in a fresh interpreter, to the same point, which took "
        f"{spawned.seconds:.2f} s, times {count}."
    )
    return Measured(how, rows)


class Start:
    """What one way of starting came to: seconds to the last first policy, private memory in bytes of each learner."""

    def __init__(self, seconds: float, memory: Sequence[int], warm_s: float = 0.0, zygote: int = 0) -> None:
        self.seconds, self.memory, self.warm_s, self.zygote = seconds, memory, warm_s, zygote


class Reception:
    """The other side of a start: welcomes learners and takes in their first policies."""

    def __init__(self, directory: RunDirectory, config: Config) -> None:
        self.spec: WorldSpec = make_world(config.world).spec
        self.groups = config.groups(self.spec.robots)
        self.ready: set[tuple[int, int]] = set()
        self._run = directory.run
        self._endpoints = directory.endpoint("data"), directory.endpoint("control")
        self._directory = str(directory.path)
        self._data = DataServer(self._endpoints[0], directory.run, Counters())
        self._control = ControlServer(self._endpoints[1], directory.run)
        self.poller = zmq.Poller()
        for socket in (self._data.socket, self._control.socket):
            self.poller.register(socket, zmq.POLLIN)

    def start(self, learner: int, incarnation: int) -> str:
        """What that incarnation is started with, as JSON."""
        return write_start(LearnerStart(self._run, self._directory, learner, incarnation, *self._endpoints))

    def attend(self, longest_s: float) -> None:
        """Answer all that has come in, once something has or `longest_s` is over."""
        self.poller.poll(round(longest_s * 1000))
        self._control.receive(0.0)
        for message in self._data.receive(0.0):
            if isinstance(message, Hello):
                self._welcome(message)
            elif isinstance(message, Policy):
                self.ready.add((message.learner, message.incarnation))

    def dismiss(self) -> None:
        """Tell everyone who is ready to leave."""
        for learner, incarnation in self.ready:
            self._data.send(learner, incarnation, Stop(self._run, "measured"))
        self.ready.clear()

    def close(self) -> None:
        """Free the endpoints."""
        self._data.close()
        self._control.close()

    def _welcome(self, hello: Hello) -> None:
        answer = Welcome(
            run=self._run,
            life=0,
            learner=hello.learner,
            incarnation=hello.incarnation,
            accepted=-1,
            robots=self.groups[hello.learner],
            spec=self.spec,
            greeting=hello.greeting,
        )
        self._data.send(hello.learner, hello.incarnation, answer)


def _fork_all(directory: RunDirectory, reception: Reception, timeout_s: float) -> Start:
    """Every learner by way of a zygote."""
    count = len(reception.groups)
    with ExitStack() as stack:
        life, held = os.pipe2(os.O_CLOEXEC)
        stack.callback(os.close, life)
        stack.callback(os.close, held)
        began = time.perf_counter()
        zygote = ZygoteClient(warm=Modules.warm, run=directory.run, log=directory.log("zygote"), life=life)
        stack.callback(_end, zygote)
        for learner in range(count):
            name = f"learner-{learner}"
            zygote.fork(name, Modules.learner, reception.start(learner, 0), directory.log(name))
        for descriptor in (zygote.socket.fileno(), zygote.pidfd):
            reception.poller.register(descriptor, zmq.POLLIN)
            stack.callback(reception.poller.unregister, descriptor)
        watch = _Watch(zygote, directory)
        while len(reception.ready) < count:
            watch.look()
            _in_time(began, timeout_s, f"{len(reception.ready)} of {count} learners ready")
            reception.attend(0.25)
        seconds = time.perf_counter() - began
        own = _private(watch.pids)
        reception.dismiss()
    return Start(seconds, own, watch.warm_s, watch.memory)


class _Watch:
    """Keeps what the zygote says."""

    def __init__(self, zygote: ZygoteClient, directory: RunDirectory) -> None:
        self._zygote, self._directory = zygote, directory
        self.pids: list[int] = []
        self.warm_s, self.memory = 0.0, 0

    def look(self) -> None:
        """Take its reports. Raises FleetError if something ended or could not be forked."""
        for report in self._zygote.reports():
            if isinstance(report, Forked):
                self.pids.append(report.pid)
                os.close(report.pidfd)
            elif isinstance(report, Exited | Refused):
                raise FleetError(f"{report}:\n{logs.tail(self._directory.log(report.name))}")
            elif isinstance(report, Ready):
                self.warm_s, self.memory = report.warm_s, report.memory
        if (status := self._zygote.status()) is not None:
            raise FleetError(f"the zygote ended with {status}:\n{logs.tail(self._directory.log('zygote'))}")


def _end(zygote: ZygoteClient) -> None:
    """Hang up, upon which it kills its children and exits; it is killed if it doesn't."""
    zygote.hang_up()
    if pidfd.wait([zygote.pidfd], _LEAVE_S):
        zygote.kill()
        pidfd.wait([zygote.pidfd], _LEAVE_S)
    zygote.status()
    zygote.close()


def _spawn_one(directory: RunDirectory, reception: Reception, timeout_s: float) -> Start:
    """One learner, of the next incarnation, in a fresh interpreter that imports all by itself."""
    module, _, function = Modules.learner.partition(":")
    code = f"import sys; from {module} import {function}; {function}(sys.argv[1])"
    log = directory.log("spawned")
    began = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", code, reception.start(0, 1)], env=spawn.environment(-1), stderr=output
        )
    try:
        while not reception.ready:
            if process.poll() is not None:
                raise FleetError(f"a spawned learner ended with {process.returncode}:\n{logs.tail(log)}")
            _in_time(began, timeout_s, "a spawned learner isn't ready")
            reception.attend(0.05)
        seconds = time.perf_counter() - began
        own = _private([process.pid])
        reception.dismiss()
        process.wait(_LEAVE_S)
    finally:
        process.kill()
        process.wait()
    return Start(seconds, own)


def _private(pids: Sequence[int]) -> list[int]:
    return [found.uss for pid in pids if (found := memory(pid))]


def _in_time(began: float, timeout_s: float, found: str) -> None:
    if time.perf_counter() - began > timeout_s:
        raise FleetError(f"{found} after {timeout_s:g} s")


def _memory(name: str, value: float, against: str, other: int) -> Row:
    return Row(name, value, "MB", against, value * MB / other)
