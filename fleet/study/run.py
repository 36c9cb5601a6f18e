"""One training run, composed of its parts: checked, given its folder, supervised, or stepped in this process alone.

`fleet run` and `fleet.run` come here; what the run leaves is in its folder (`RunDirectory`).
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from fleet.control.ending import Outcome
from fleet.control.status import OnStatus
from fleet.control.supervisor import Supervisor
from fleet.core.config import Config
from fleet.core.config.compare import check_resume
from fleet.core.config.faults import FaultPlan
from fleet.core.config.load import load_config
from fleet.core.config.write import to_toml
from fleet.core.endpoints import check_ports
from fleet.core.errors import BadInput
from fleet.core.faults.resolve import resolve as resolve_plan
from fleet.core.files import write_atomic
from fleet.core.platform import require_descriptors, require_device, require_linux
from fleet.core.rundir import RunDirectory
from fleet.study.cost.cost import check_baseline, check_delivers, write_cost
from fleet.study.origin import (
    Beginning,
    check_rounds_left,
    from_other_run,
    from_own_snapshot,
    hand_over,
    newest_snapshot,
)
from fleet.study.prepare import prepare


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
    baseline: str | Path | None = None,
    on_status: OnStatus | None = None,
) -> Finished:
    """Train `config` to its last round, in the folder `out` (unset: runs/NAME-TIME).

    `init_from` is the folder of a run whose policies the robots start from; `single_process` steps the same parts in a
    loop, without processes and sockets; `baseline` is the folder of the same run without faults, against which is
    measured what faults cost; `on_status` is called a few times a second, and stops the run by answering False. Raises
    BadInput before anything is written or started, and leaves nothing running.
    """
    require_linux()
    require_device(config.learners.device)
    config = prepare(config)
    _check_breakable(config, single_process)
    if not single_process:
        _check_startable(config)
    if baseline is not None:
        check_baseline(config, baseline)
    beginning = Beginning() if init_from is None else from_other_run(Path(init_from), config)
    folder = new_folder(config.run.name) if out is None else Path(out)
    with RunDirectory.create(folder, to_toml(config), sys.argv) as directory:
        beginning = hand_over(beginning, config, directory)
        return _train(directory, config, beginning, single_process, baseline, on_status)


def without_faults(
    config: Config, folder: Path, *, init_from: str | Path | None = None, on_status: OnStatus | None = None
) -> Finished:
    """The baseline of a run that is to be in `folder`: the same without its fault plan, in FOLDER-baseline.

    Raises BadInput as `run` does, and if `folder` exists: better before the baseline is trained than after.
    """
    check_delivers(config)
    if folder.exists():
        raise BadInput(f"{folder} exists already; name another folder, or remove it")
    quiet = config.model_copy(update={"faults": FaultPlan()})
    return run(quiet, folder.with_name(f"{folder.name}-baseline"), init_from=init_from, on_status=on_status)


def resume(
    folder: str | Path,
    config: Config | None = None,
    *,
    single_process: bool = False,
    baseline: str | Path | None = None,
    on_status: OnStatus | None = None,
) -> Finished:
    """Go on with the run in `folder` from its newest snapshot, under `config` (unset: its own).

    A lockstep run comes to the same weights as one that was never stopped. Raises BadInput, and changes nothing, if it
    is running, has no whole snapshot, is done, if its world is foreign, or if `config` changes what may not change.
    """
    require_linux()
    directory = RunDirectory.open(Path(folder))
    saved = load_config(directory.config)
    _check_resumable(saved, folder)
    config = prepare(config or saved)
    check_resume(saved, config)
    require_device(config.learners.device)
    _check_breakable(config, single_process)
    if baseline is not None:
        check_baseline(config, baseline)
    snapshot = newest_snapshot(directory)
    check_rounds_left(directory, snapshot, config.run.rounds)
    if not single_process and not directory.is_running():
        _check_startable(config)
    with directory:
        directory.lock()
        write_atomic(directory.config, [to_toml(config).encode()])
        (directory.path / "summary.json").unlink(missing_ok=True)  # what the run came to before it goes on
        beginning = from_own_snapshot(directory, snapshot)
        return _train(directory, config, beginning, single_process, baseline, on_status)


def _check_startable(config: Config) -> None:
    check_ports(config.wire)
    assert config.world.robots is not None
    require_descriptors(len(config.groups(config.world.robots)))


def _check_resumable(saved: Config, folder: str | Path) -> None:
    if saved.world.is_foreign:
        raise BadInput(
            f"{folder}: can't be resumed: a foreign world (world.kind = \"{saved.world.kind}\") can't give its state "
            f"to go on from; start another run from its policies instead, with --init-from {folder}"
        )


def _check_breakable(config: Config, single_process: bool) -> None:
    if single_process and (config.faults.fault or config.faults.rates is not None):
        raise BadInput(
            "a fault plan with --single-process: it has no processes to break; leave one of them out "
            "(--set faults.fault=[] --set faults.rates=unset runs without the plan)"
        )


def _train(
    directory: RunDirectory,
    config: Config,
    beginning: Beginning,
    single_process: bool,
    baseline: str | Path | None,
    on_status: OnStatus | None,
) -> Finished:
    strikes = [strike.as_dict() for strike in resolve_plan(config)]
    directory.write_json("faults.json", {"seed": config.run.seed, "rounds": config.run.rounds, "strikes": strikes})
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
    outcome = supervisor.run()
    write_cost(directory, baseline)
    return Finished(directory.path, outcome)


def new_folder(name: str) -> Path:
    """A folder under runs/ that doesn't exist yet, named after the run and the time."""
    stem = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    for number in range(1, 1000):
        folder = Path("runs") / (stem if number == 1 else f"{stem}-{number}")
        if not folder.exists():
            return folder
    raise BadInput(f"runs/{stem} and all its numbered neighbours exist already; name a folder with --out")
