"""`fleet revive`: brings robots' learners back that `fleet kill` took out."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("revive")(revive)


def revive(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A running run's folder.")],
    robots: Annotated[list[int], typer.Argument(metavar="ROBOT...", help="Whose learners.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Start the learners again that `fleet kill` took out, each from its checkpoint."""
    from fleet.commands.link import order

    order(directory, "revive", {"robots": robots}, as_json)
