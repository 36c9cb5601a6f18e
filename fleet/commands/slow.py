"""`fleet slow`: has a robot's learner take longer for every update."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("slow")(slow)


def slow(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A running run's folder.")],
    robot: Annotated[int, typer.Argument(metavar="ROBOT", help="Whose learner.")],
    factor: Annotated[float, typer.Argument(metavar="FACTOR", help="How many times as long; more than 1.")],
    for_s: Annotated[
        float | None, typer.Option("--for", metavar="SECONDS", help="How long. Unset: until it is restarted.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Have a robot's learner take FACTOR times as long for each update."""
    from fleet.commands.link import order

    order(directory, "slow", {"robots": [robot], "factor": factor, "for_s": for_s}, as_json)
