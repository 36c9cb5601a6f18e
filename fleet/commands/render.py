"""`fleet render`: an episode of a run's trained policies as a picture or a film."""

from pathlib import Path
from typing import Annotated

import typer

KINDS = (".gif", ".mp4", ".png")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("render")(render)


def render(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A run's folder.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where to: .gif, .mp4, or .png for the last step.")],
    steps: Annotated[
        int | None, typer.Option(min=1, help="Steps to show. Unset: a whole episode, at most 300.")
    ] = None,
    greedy: Annotated[bool, typer.Option("--greedy", help="Take the likeliest action instead of sampling.")] = False,
    snapshot: Annotated[str, typer.Option(help="Which snapshot: newest, best, or a round.")] = "newest",
) -> None:
    """Render an episode to look at."""
    from fleet.core.errors import BadInput

    if out.suffix.lower() not in KINDS:
        raise BadInput(f"--out {out}: allowed are files that end in {', '.join(KINDS)}")
    if not out.parent.is_dir():
        raise BadInput(f"--out {out}: there is no folder {out.parent}")
    if out.is_dir():
        raise BadInput(f"--out {out}: is a folder; name a file")
    from fleet.study import episode

    episode.render(directory, out, steps=steps, greedy=greedy, snapshot=snapshot)
    print(out)
