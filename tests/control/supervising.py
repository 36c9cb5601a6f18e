"""What the supervisor's tests share: a small config, and a run of the fakes steered from the status callback."""

import json
import os
import signal
import time
from collections.abc import Callable
from typing import Any

from fleet.control.ending import Outcome
from fleet.control.process.processes import Modules
from fleet.control.status import Status
from fleet.control.supervisor import Supervisor
from fleet.control.timing import Timing
from fleet.core.config import Config, ControlConfig, RunConfig, WorldConfig
from fleet.core.config.faults import FaultPlan
from fleet.core.jsonl import read_jsonl
from fleet.core.rundir import RunDirectory

__all__ = [
    "FAKES",
    "QUICK",
    "Modules",
    "Steps",
    "Timing",
    "all_up",
    "back",
    "config",
    "events",
    "heard",
    "process",
    "say",
    "seen",
    "signal_to",
    "starts",
    "supervise",
    "touch",
]

FAKES = Modules("fake_server", "fake_learner:main", "fake_learner:warm")
QUICK = Timing(
    stop=1.0, leave=1.0, kill=1.0, left=0.2, stuck=1.0, server_stuck=1.0, fence=1.0, zombie=0.2, tick=0.05, display=0.02
)


def config(learners: int, faults: list[dict[str, Any]] | None = None, **control: float) -> Config:
    settings = {"heartbeat_s": 0.05, "dead_after_s": 0.6, "start_grace_s": 20.0, "backoff_s": 0.01} | control
    return Config(
        run=RunConfig(rounds=1_000),
        world=WorldConfig(shelf_columns=3, shelf_rows=1, column_height=3, robots=learners),
        control=ControlConfig.model_validate(settings),
        faults=FaultPlan.model_validate({"fault": faults or []}),
    )


def supervise(
    directory: RunDirectory,
    settings: Config,
    on_status: Callable[[Supervisor, Status], None] | None = None,
    modules: Modules = FAKES,
    timing: Timing = QUICK,
) -> Outcome:
    """Run to the end; `on_status` is where a test interferes, once the state it waits for is there."""

    def show(status: Status) -> None:
        if on_status is not None:
            on_status(supervisor, status)

    supervisor = Supervisor(directory, settings, on_status=show, modules=modules, timing=timing)
    return supervisor.run()


class Steps:
    """Does the next thing as soon as the status fulfils its condition."""

    def __init__(self, *steps: tuple[Callable[[Any], bool], Callable[[Any, Any], object]]) -> None:
        self.steps = list(steps)
        self.deadline = time.monotonic() + 12.0

    def __call__(self, supervisor: Any, status: Any) -> None:
        assert time.monotonic() < self.deadline or status.phase in ("failed", "interrupted"), f"stuck at {status}"
        if self.steps and self.steps[0][0](status):
            self.steps.pop(0)[1](supervisor, status)


def process(status: Any, name: str) -> Any:
    return next(item for item in status.processes if item.name == name)


def all_up(status: Any) -> bool:
    return bool(status.figures) and all(item.phase == "up" for item in status.processes)


def back(name: str, restarts: int = 1) -> Callable[[Any], bool]:
    return lambda status: process(status, name).restarts == restarts and process(status, name).phase == "up"


def signal_to(name: str, number: signal.Signals) -> Callable[[Any, Any], object]:
    return lambda _, status: os.kill(process(status, name).pid, number)


def touch(directory: RunDirectory, name: str, text: str = "") -> Callable[[Any, Any], object]:
    return lambda *_: (directory.path / name).write_text(text)


def events(directory: RunDirectory, name: str, process_name: str | None = None) -> list[dict[str, Any]]:
    lines = read_jsonl(directory.events)
    return [line for line in lines if line["event"] == name and process_name in (None, line["process"])]


def starts(directory: RunDirectory) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory.path / "starts").read_text().splitlines()]


def heard(directory: RunDirectory) -> list[str]:
    path = directory.path / "heard"
    return path.read_text().splitlines() if path.exists() else []


def seen(directory: RunDirectory, name: str, process_name: str | None = None, count: int = 1) -> Callable[[Any], bool]:
    return lambda _: len(events(directory, name, process_name)) >= count


def say(directory: RunDirectory, name: str, **details: Any) -> Callable[[Any, Any], object]:
    return touch(directory, "say", json.dumps({"name": name, **details}))
