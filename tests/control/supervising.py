"""What the supervisor's tests share: a small config, and a run of the fakes steered from the status callback."""

from collections.abc import Callable

from fleet.control.ending import Outcome
from fleet.control.processes import Modules
from fleet.control.status import Status
from fleet.control.supervisor import Supervisor
from fleet.control.timing import Timing
from fleet.core.config import Config, ControlConfig, RunConfig, WorldConfig
from fleet.core.rundir import RunDirectory

__all__ = ["FAKES", "QUICK", "Modules", "Timing", "config", "supervise"]

FAKES = Modules("fake_server", "fake_learner:main", "fake_learner:warm")
QUICK = Timing(stop=1.0, leave=1.0, kill=1.0, left=0.2, tick=0.05, display=0.02)


def config(learners: int, **control: float) -> Config:
    settings = {"heartbeat_s": 0.05, "dead_after_s": 0.6, "start_grace_s": 20.0, "backoff_s": 0.01} | control
    return Config(
        run=RunConfig(rounds=1_000),
        world=WorldConfig(shelf_columns=3, shelf_rows=1, column_height=3, robots=learners),
        control=ControlConfig.model_validate(settings),
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
