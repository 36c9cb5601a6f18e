"""One part of a soak: a real `fleet run` in a process of its own, its faults, and the checks on it all along.

The run is driven as a person would: by its command, its control socket, Ctrl-C, and `kill -9`.
"""

import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fleet.core.config import Config
from fleet.core.config.load import load_config
from fleet.core.control_channel import ControlClient
from fleet.core.errors import BadInput, FleetError
from fleet.core.jsonl import read_jsonl
from fleet.core.messages import Command, Reply
from fleet.core.platform import memory
from fleet.core.rundir import RunDirectory
from fleet.study.soak import checks
from fleet.study.soak.draw import Live

START_S, STOP_S, ORPHANS_S = 90.0, 15.0, 2.0
STANDSTILL_S = 60.0
"""The longest that no round may end: in lockstep a hung learner holds all up until it is found out."""
_LOOK_S, _WEIGH_S = 2.0, 5.0
_TICK_S = 0.1


class RunBroke(FleetError):  # noqa: N818 - reads as what it is where it is raised
    """The run itself broke: what was found, for a person."""


@dataclass
class Seen:
    """What came to light. `peak`: bytes of all processes together (PSS) at most.

    `memory`: of each process that ever was, by its name and pid, its private memory (USS): seconds and bytes. A
    process's own, because the sum goes up and down with every fork and every death.
    """

    broken: list[str] = field(default_factory=list)
    memory: dict[tuple[str, int], list[tuple[float, int]]] = field(default_factory=dict)
    peak: int = 0
    rounds: int = 0
    stop_s: float | None = None
    refused: int = 0
    """Live commands that had nobody to strike any more."""


class Part:
    """One process `fleet run ARGUMENTS`, watched. Use as a context manager: nothing is left running."""

    def __init__(self, folder: Path, arguments: Sequence[str], live: Sequence[Live]) -> None:
        self.folder = folder
        self.seen = Seen()
        self._arguments = arguments
        self._live = deque(live)
        self._pids: set[int] = set()
        self._sockets: Path | None = None
        self._directory: RunDirectory | None = None

    def __enter__(self) -> "Part":
        self._output = self.folder.with_name(f"{self.folder.name}.output").open("ab")
        # -P: a folder that happens to be the current one must not lend the run its modules
        command = [sys.executable, "-P", "-m", "fleet.commands.main", "run", *self._arguments]
        self._process = subprocess.Popen(command, stdout=self._output, stderr=self._output, start_new_session=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._output.close()

    def watch(self, seconds: float, on_look: Callable[[float], None] = lambda _: None) -> None:
        """Let the run go on for `seconds` from its first round on, and look at it every two seconds."""
        self._await_first_round()
        began = time.monotonic()
        looked = weighed = moved = began
        while (now := time.monotonic()) - began < seconds:
            self._by_hand(now - began)
            if now - looked >= _LOOK_S:
                looked = now
                moved = now if self._look() else moved
                if now - moved > STANDSTILL_S:
                    raise RunBroke(f"no round has ended for {STANDSTILL_S:g} s")
                on_look(now - began)
            if now - weighed >= _WEIGH_S:
                weighed = now
                self._weigh(now - began)
            self._still_there()
            time.sleep(_TICK_S)

    def _weigh(self, at_s: float) -> None:
        together = 0
        for name, pid in {**self._processes_now(), "supervisor": self._process.pid}.items():
            found = memory(pid)
            if found is not None:
                together += found.pss
                self.seen.memory.setdefault((name, pid), []).append((at_s, found.uss))
        self.seen.peak = max(self.seen.peak, together)

    def interrupt(self) -> None:
        """Ctrl-C: it has to end by itself, with everything accounted for."""
        self._look()
        began = time.monotonic()
        self._process.send_signal(signal.SIGINT)
        try:
            status = self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            raise RunBroke(f"still running {STOP_S:g} s after Ctrl-C") from None
        self.seen.stop_s = time.monotonic() - began
        if status != 130:
            self.seen.broken.append(f"exit status {status} after Ctrl-C, not 130")
        self._nobody_left(0.5)
        self._judge_end()

    def kill_supervisor(self) -> None:
        """SIGKILL to the supervisor: everything else has to be gone two seconds later."""
        self._look()
        self._process.kill()
        self._process.wait()
        self._nobody_left(ORPHANS_S)
        self.seen.broken += checks.ledger_now(self._opened())

    def config(self) -> Config:
        """The config it runs."""
        return load_config(self._opened().config)

    def _await_first_round(self) -> None:
        deadline = time.monotonic() + START_S
        rounds = self._rounds()
        while self._rounds() <= rounds:
            self._still_there()
            if time.monotonic() > deadline:
                raise RunBroke(f"no round has ended {START_S:g} s after the start")
            time.sleep(_TICK_S)

    def _look(self) -> bool:
        """Check what has to hold at any moment; whether rounds have ended since the last look."""
        directory = self._opened()
        self._processes_now()
        self.seen.broken += checks.ledger_now(directory)
        before, self.seen.rounds = self.seen.rounds, self._rounds()
        return self.seen.rounds > before

    def _judge_end(self) -> None:
        directory, config = self._opened(), self.config()
        events = checks.events_of(directory)
        self.seen.broken += [
            *checks.ledger_at_end(directory),
            *checks.checkpoints(directory, len(config.groups(config.world.robots or 0))),
            *checks.leftovers(directory, self._sockets),
            *checks.budget(events, config),
            *checks.order(events),
        ]

    def _nobody_left(self, within_s: float) -> None:
        deadline = time.monotonic() + within_s
        while (left := checks.survivors(self._pids)) and time.monotonic() < deadline:
            time.sleep(0.02)
        if left:
            self.seen.broken.append(f"still running {within_s:g} s after the supervisor's end: {left}")

    def _still_there(self) -> None:
        if self._process.poll() is not None:
            text = Path(self._output.name).read_text(errors="replace")[-1500:]
            raise RunBroke(f"the run ended by itself with status {self._process.returncode}:\n{text}")

    def _opened(self) -> RunDirectory:
        if self._directory is None:
            self._directory = RunDirectory.open(self.folder)
        return self._directory

    def _rounds(self) -> int:
        """The number of the last round in the record; -1 before there is one."""
        path = self.folder / "metrics.jsonl"
        lines = read_jsonl(path) if path.exists() else []
        return int(lines[-1]["round"]) if lines else -1

    def _processes_now(self) -> dict[str, int]:
        directory = self._opened()
        now = checks.pids_of(directory)
        self._pids.update(now.values())
        if self._sockets is None:
            try:
                endpoint = str(directory.read_json("control.json")["endpoint"])
                self._sockets = Path(endpoint.removeprefix("ipc://")).parent
            except BadInput:
                pass
        return now

    def _by_hand(self, at_s: float) -> None:
        while self._live and self._live[0].at_s <= at_s:
            self._command(self._live.popleft())

    def _command(self, live: Live) -> None:
        """What it comes to is in the run's record; one that finds nobody to strike is refused, and counted."""
        directory = self._opened()
        client = ControlClient(directory.control_endpoint(), directory.run, "cli", 0)
        try:
            client.send(Command(directory.run, live.verb, dict(live.arguments)))
            replies = [message for message in client.receive(5.0) if isinstance(message, Reply)]
        finally:
            client.close()
        if not replies:
            self.seen.broken.append(f"no answer to `{live.verb}` within 5 s")
        elif not replies[0].ok:
            self.seen.refused += 1
