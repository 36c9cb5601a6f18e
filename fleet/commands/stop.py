"""`fleet stop`: ends a run in another terminal cleanly."""

import time
from pathlib import Path
from typing import Annotated

import typer

_POLL_S = 0.05


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("stop")(stop)


def stop(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A run's folder.")],
    wait_s: Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait until it has stopped.")] = 15.0,
) -> None:
    """Stop a run cleanly: nothing is left running and its ledger balances."""
    from fleet.commands.link import ask
    from fleet.core.errors import FleetError
    from fleet.core.rundir import RunDirectory

    run = RunDirectory.open(directory)
    ask(run, "stop")
    deadline = time.monotonic() + wait_s
    while run.is_running():
        if time.monotonic() >= deadline:
            raise FleetError(f"{run.path} was asked to stop and is still running after {wait_s:g} s")
        time.sleep(_POLL_S)
    print("stopped")
