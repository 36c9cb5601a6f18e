"""`fleet replay`: runs a run again, with what befell it as a plan."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("replay")(replay)


def replay(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A run's folder.")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR2", help="The new run's folder. Unset: runs/NAME-TIME.")
    ] = None,
) -> None:
    """Run a run again with all its faults, live ones too, as a plan of rounds. In lockstep the weights are the same."""
    from fleet.commands.display import make_display
    from fleet.commands.run import close
    from fleet.core.config.write import plan_to_toml
    from fleet.study import run as study
    from fleet.study.kernels import are_kept
    from fleet.study.replay.replay import prepare_replay

    prepared = prepare_replay(directory)
    plan = prepared.config.faults
    print(plan_to_toml(plan) if plan.fault or plan.rates is not None else "nothing befell it: the plan is empty\n")
    for note in prepared.notes:
        print(f"note: {note}")
    with make_display(compiles=not are_kept()) as display:
        finished = study.run(prepared.config, out, init_from=prepared.init_from, on_status=display.show)
    close(finished)
    raise typer.Exit(finished.outcome.exit_status)
