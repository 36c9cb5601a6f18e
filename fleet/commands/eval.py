"""`fleet eval`: plays a run's trained policies without learning."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("eval")(evaluate)


def evaluate(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A run's folder.")],
    episodes: Annotated[int, typer.Option(min=1, max=1024, help="Episodes to play.")] = 32,
    greedy: Annotated[bool, typer.Option("--greedy", help="Take the likeliest action instead of sampling.")] = False,
    offline: Annotated[int, typer.Option(min=0, help="Robots stalled from the start.")] = 0,
    snapshot: Annotated[str, typer.Option(help="Which snapshot: newest, best, or a round.")] = "newest",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Evaluate trained policies: mean and 95% interval of return and deliveries."""
    from fleet.commands.screen import number, print_json, print_table
    from fleet.study import evaluate as study

    figures = study.evaluate(directory, episodes=episodes, greedy=greedy, offline=offline, snapshot=snapshot).figures()
    if as_json:
        asked = {"episodes": episodes, "greedy": greedy, "offline": offline, "snapshot": snapshot}
        print_json({**asked, **figures})
        return
    print_table(
        [
            (label, f"{number(figures[key])} +- {number(figures[spread])}")
            for label, key, spread in (
                ("episode return", "return", "return_ci95"),
                ("deliveries per robot per 1,000 steps", "deliveries_per_1000", "deliveries_ci95"),
            )
        ]
    )
    print(f"mean and 95% interval over {episodes} episodes")
