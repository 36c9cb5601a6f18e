"""`fleet hang`: has robots' learners hang inside an update while they go on beating."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("hang")(hang)


def hang(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A running run's folder.")],
    robots: Annotated[list[int], typer.Argument(metavar="ROBOT...", help="Whose learners.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Have the learners of some robots hang, busy for ever, until the supervisor finds out and restarts them."""
    from fleet.commands.link import order

    order(directory, "hang", {"robots": robots}, as_json)
