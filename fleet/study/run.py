"""One training run, composed of its parts: checked, given its folder, supervised, or stepped in this process alone.

`fleet run` and `fleet.run` come here; what the run leaves is in its folder (`RunDirectory`).
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fleet.control.ending import Outcome
from fleet.control.status import Status
from fleet.control.supervisor import Supervisor
from fleet.core.config import Config
from fleet.core.config.compare import check_resume
from fleet.core.config.load import load_config
from fleet.core.config.write import to_toml
from fleet.core.errors import BadInput
from fleet.core.files import write_atomic
from fleet.core.platform import require_linux
from fleet.core.rundir import RunDirectory
from fleet.study.origin import Beginning, check_rounds_left, from_other_run, from_own_snapshot, newest_snapshot
from fleet.study.prepare import prepare

OnStatus = Callable[[Status], None]


@dataclass(frozen=True)
class Finished:
    """A run that is over: its folder and what it came to."""

    path: Path
    outcome: Outcome


def run(
    config: Config,
    out: str | Path | None = None,
    *,
    init_from: str | Path | None = None,
    single_process: bool = False,
    on_status: OnStatus | None = None,
) -> Finished:
    """Train `config` to its last round, in the folder `out` (unset: runs/NAME-TIME).

    `init_from` is the folder of a run whose policies the robots start from; `single_process` steps the same parts in a
    loop, without processes and sockets; `on_status` is called a few times a second. Raises BadInput before anything is
    written or started, and leaves nothing running.
    """
    require_linux()
    config = prepare(config)
    beginning = Beginning() if init_from is None else from_other_run(Path(init_from), config)
    folder = _new_folder(config.run.name) if out is None else Path(out)
    with RunDirectory.create(folder, to_toml(config), sys.argv) as directory:
        return _train(directory, config, beginning, single_process, on_status)


def resume(
    folder: str | Path,
    config: Config | None = None,
    *,
    single_process: bool = False,
    on_status: OnStatus | None = None,
) -> Finished:
    """Go on with the run in `folder` from its newest snapshot, under `config` (unset: its own).

    A lockstep run comes to the same weights as one that was never stopped. Raises BadInput, and changes nothing, if it
    is running, has no whole snapshot, is done, or if `config` changes what may not change.
    """
    require_linux()
    directory = RunDirectory.open(Path(folder))
    saved = load_config(directory.config)
    config = prepare(config or saved)
    check_resume(saved, config)
    snapshot = newest_snapshot(directory)
    check_rounds_left(directory, snapshot, config.run.rounds)
    with directory:
        directory.lock()
        write_atomic(directory.config, [to_toml(config).encode()])
        (directory.path / "summary.json").unlink(missing_ok=True)  # what the run came to before it goes on
        beginning = from_own_snapshot(directory, snapshot)
        return _train(directory, config, beginning, single_process, on_status)


def _train(
    directory: RunDirectory, config: Config, beginning: Beginning, single_process: bool, on_status: OnStatus | None
) -> Finished:
    if single_process:
        # here and not above: it loads torch, which the supervisor has no use for
        from fleet.study.alone import run_alone

        return Finished(directory.path, run_alone(directory, config, beginning, on_status))
    supervisor = Supervisor(
        directory,
        config,
        origins=beginning.origins,
        snapshot=None if beginning.snapshot is None else str(beginning.snapshot),
        life=beginning.life,
        on_status=on_status,
    )
    return Finished(directory.path, supervisor.run())


def _new_folder(name: str) -> Path:
    """A folder under runs/ that doesn't exist yet, named after the run and the time."""
    stem = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    for number in range(1, 1000):
        folder = Path("runs") / (stem if number == 1 else f"{stem}-{number}")
        if not folder.exists():
            return folder
    raise BadInput(f"runs/{stem} and all its numbered neighbours exist already; name a folder with --out")
