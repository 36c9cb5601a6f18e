"""`fleet kill`: takes robots' learners out of a running fleet, until they are revived."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("kill")(kill)


def kill(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A running run's folder.")],
    robots: Annotated[list[int], typer.Argument(metavar="ROBOT...", help="Whose learners.")],
    body: Annotated[
        str, typer.Option("--body", metavar="drives-on|stalled|towed", help="What their bodies do meanwhile.")
    ] = "drives-on",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Kill the learners of some robots (SIGKILL). They stay away until `fleet revive`."""
    from fleet.commands.link import order

    order(directory, "kill", {"robots": robots, "body": body}, as_json)
