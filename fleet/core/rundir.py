"""A run's folder: where everything a run leaves behind is, who may write it, and the private folder of its sockets.

The supervisor creates it and holds its lock while it lives; every process of the run writes its own files in it; views
and later commands read it.

    config.toml  faults.json  manifest.json  processes.json  control.json (while running)  summary.json
    metrics.jsonl  ledger.jsonl  events.jsonl  logs/NAME.log
    checkpoints/learners/learner-K/  checkpoints/snapshots/round-NNNNNNNN/
"""

import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from fleet.core import platform
from fleet.core.config.wire import WireConfig
from fleet.core.endpoints import endpoint_text
from fleet.core.errors import BadInput
from fleet.core.files import sweep_temporaries, try_lock, write_atomic
from fleet.core.jsonl import plain
from fleet.core.private import LONGEST_NAME, make_private, sweep_private

FORMAT = 1
_RUN = re.compile(r"[0-9a-f]{32}")


class RunDirectory:
    """One run's folder. Made by `create` (with the lock) or `open` (without it: to read, or to `lock()` and go on)."""

    def __init__(self, path: Path, run: str) -> None:
        """`path` is absolute; `run` is the run's id, 32 hex digits. Use `create` or `open`."""
        self.path = path
        self.run = run
        self._lock: int | None = None
        self._private: Path | None = None
        self._private_lock: int | None = None
        self._wire = WireConfig()

    @classmethod
    def create(cls, path: Path, config_text: str, command: Sequence[str]) -> Self:
        """Make the folder, its parents, config.toml and manifest.json, and lock it.

        Raises BadInput, and leaves nothing behind, if `path` exists or can't be made.
        """
        path = Path(os.path.abspath(path))
        if os.path.lexists(path):
            raise BadInput(f"{path} exists already; name another folder, or remove it")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir()
        except (OSError, ValueError) as error:
            raise BadInput(f"{path} can't be made: {error}") from error
        directory = cls(path, secrets.token_hex(16))
        try:
            directory._lock = try_lock(path)
            directory.logs.mkdir()
            directory.learners.mkdir(parents=True)
            directory.snapshots.mkdir()
            write_atomic(directory.config, [config_text.encode()])
            directory.write_json("manifest.json", _manifest(directory.run, command))
        except BaseException:
            directory.close()
            shutil.rmtree(path, ignore_errors=True)
            raise
        sweep_private()
        return directory

    @classmethod
    def open(cls, path: Path) -> Self:
        """The run in `path`. Raises BadInput, naming what is missing, if there is none."""
        path = Path(os.path.realpath(path))
        if not path.is_dir():
            raise BadInput(f"{path}: no such folder; wanted one that `fleet run` made")
        for name in ("config.toml", "manifest.json"):
            if not (path / name).is_file():
                raise BadInput(f"{path} isn't a run's folder: it has no {name}")
        manifest = _read_json(path / "manifest.json")
        run, format_ = manifest.get("run"), manifest.get("format")
        if format_ != FORMAT:
            raise BadInput(f"{path / 'manifest.json'}: format is {format_!r}; this version reads {FORMAT}")
        if not isinstance(run, str) or not _RUN.fullmatch(run):
            raise BadInput(f"{path / 'manifest.json'}: run is {run!r}; wanted 32 hex digits")
        return cls(path, run)

    @property
    def config(self) -> Path:
        """The resolved config."""
        return self.path / "config.toml"

    @property
    def metrics(self) -> Path:
        """A line of figures per round (`BoundedJsonl`)."""
        return self.path / "metrics.jsonl"

    @property
    def events(self) -> Path:
        """What happened to the processes (`BoundedJsonl`)."""
        return self.path / "events.jsonl"

    @property
    def ledger(self) -> Path:
        """Where every agent-step went (`Ledger`)."""
        return self.path / "ledger.jsonl"

    @property
    def logs(self) -> Path:
        """The folder of the processes' output."""
        return self.path / "logs"

    @property
    def learners(self) -> Path:
        """The folder of the learners' checkpoints."""
        return self.path / "checkpoints" / "learners"

    @property
    def snapshots(self) -> Path:
        """The folder of the run's snapshots (`SnapshotStore`)."""
        return self.path / "checkpoints" / "snapshots"

    @property
    def inherited(self) -> Path:
        """The folder of what learners start from, put together from another run's checkpoints."""
        return self.path / "checkpoints" / "inherited"

    def learner(self, learner: int) -> Path:
        """The folder of one learner's checkpoints (`LearnerStore`)."""
        return self.learners / f"learner-{learner}"

    def log(self, process: str) -> Path:
        """Where that process's output goes."""
        return self.logs / f"{process}.log"

    def write_json(self, name: str, value: Mapping[str, Any], mode: int = 0o644, *, durable: bool = True) -> None:
        """Put `value` into the file `name`, atomically. Raises OSError."""
        write_atomic(self.path / name, [json.dumps(plain(value), indent=1).encode(), b"\n"], mode, durable=durable)

    def read_json(self, name: str) -> dict[str, Any]:
        """The object in the file `name`. Raises BadInput if it is missing or no JSON object."""
        return _read_json(self.path / name)

    def next_life(self, last: int = 0) -> int:
        """Count the environment server's lives in the manifest, so that no rollout is ever named twice.

        `last`: one that is known to have been, though the manifest may not say so. Raises OSError and BadInput.
        """
        manifest = self.read_json("manifest.json")
        life = max(int(manifest.get("life", 0)), last) + 1
        self.write_json("manifest.json", {**manifest, "life": life})
        return life

    def update_processes(self, pids: Mapping[str, int]) -> None:
        """Say which processes there are now. Doesn't wait for the disk: the supervisor hears nobody meanwhile."""
        self.write_json("processes.json", pids, durable=False)

    def open_control(self, endpoint: str) -> None:
        """Say where the supervisor hears commands; readable by the run's owner alone, and gone once it is closed."""
        self.write_json("control.json", {"run": self.run, "endpoint": endpoint, "pid": os.getpid()}, 0o600)

    def control_endpoint(self) -> str:
        """Where the supervisor hears commands. Raises BadInput if the run isn't running."""
        if not self.is_running():
            raise BadInput(f"{self.path} isn't running")
        return str(self.read_json("control.json").get("endpoint"))

    def is_running(self) -> bool:
        """Whether a supervisor, in this process or another, holds the lock."""
        if self._lock is not None:
            return True
        lock = try_lock(self.path)
        if lock is None:
            return self.path.exists()
        os.close(lock)
        return False

    def lock(self) -> None:
        """Become the run's only writer, and clean up after one that was killed. Raises BadInput if it is running."""
        for _ in range(20):  # `is_running` of another process holds the lock for an instant
            self._lock = try_lock(self.path)
            if self._lock is not None:
                break
            time.sleep(0.01)
        else:
            raise BadInput(f"{self.path} is running; stop it first (fleet stop {self.path})")
        self._sweep()
        sweep_private()

    def private_dir(self) -> Path:
        """This run's folder for sockets, made at the first call; `close` removes it, or another run once we are dead.

        Raises BadInput if every place for it makes paths too long for a Unix socket.
        """
        if self._private is None:
            self._private, self._private_lock = make_private(self.run)
        return self._private

    def use_wire(self, wire: WireConfig) -> None:
        """Have endpoints as `[wire]` says; before the first is asked for. Without it they are ipc, without keys."""
        self._wire = wire

    def endpoint(self, name: str) -> str:
        """Where the link `name` (at most 16 bytes) is: by default `ipc://` and a path in the private folder.

        With tcp there are only the links of `endpoints.PORTS`. Raises BadInput if the host isn't known.
        """
        if not re.fullmatch(rf"[a-z0-9_.-]{{1,{LONGEST_NAME}}}", name):
            raise ValueError(f"socket name {name!r}; allowed are 1 to {LONGEST_NAME} of a-z 0-9 _ . -")
        return endpoint_text(self._wire, name, self.private_dir())

    def close(self) -> None:
        """Once the run's processes are gone: remove the private folder and leftovers, and let go of the lock.

        A second call does nothing.
        """
        if self._private is not None and self._private_lock is not None:
            shutil.rmtree(self._private, ignore_errors=True)
            os.close(self._private_lock)
            self._private = self._private_lock = None
        if self._lock is not None:
            self._sweep()
            os.close(self._lock)
            self._lock = None

    def _sweep(self) -> None:
        """Remove what killed processes left half written. No process of the run lives when this is called."""
        (self.path / "control.json").unlink(missing_ok=True)
        for folder in (self.path, *self.learners.glob("*"), *self.snapshots.glob("*")):
            sweep_temporaries(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _manifest(run: str, command: Sequence[str]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "run": run,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": list(command),
        "machine": platform.machine(),
    }


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise BadInput(f"{path}: can't be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: not JSON: {error}") from error
    if not isinstance(value, dict):
        raise BadInput(f"{path}: got {type(value).__name__}, wanted a JSON object")
    return value
