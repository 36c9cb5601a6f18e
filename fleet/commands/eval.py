"""`fleet eval`: plays trained policies, a planner or random actions without learning."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("eval")(evaluate)


def evaluate(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="A run's folder; with another --actor also a config.")],
    actor: Annotated[
        str, typer.Option(help="Who drives: learned (the run's policies), a planner (greedy, pibt) or random.")
    ] = "learned",
    episodes: Annotated[int, typer.Option(min=1, max=1024, help="Episodes to play.")] = 32,
    greedy: Annotated[bool, typer.Option("--greedy", help="Take the likeliest action instead of sampling.")] = False,
    offline: Annotated[int, typer.Option(min=0, help="Robots stalled from the start.")] = 0,
    snapshot: Annotated[
        str | None, typer.Option(help="Which snapshot: newest, best, or a round.", show_default="newest")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Evaluate without learning: mean and 95% interval of return and deliveries.

    Where robots follow orders, also the bound: deliveries if no robot ever waited for another.
    """
    from fleet.commands.screen import number, print_json, print_table
    from fleet.study import evaluate as study

    played = study.evaluate(source, episodes=episodes, greedy=greedy, offline=offline, snapshot=snapshot, actor=actor)
    figures = played.figures()
    if as_json:
        learned = {"greedy": greedy, "snapshot": snapshot or "newest"} if actor == "learned" else {}
        print_json({"actor": actor, "episodes": episodes, "offline": offline, **learned, **figures})
        return
    print_table(
        [
            (label, f"{number(figures[key])} +- {number(figures[spread])}")
            for label, key, spread in (
                ("episode return", "return", "return_ci95"),
                ("deliveries per robot per 1,000 steps", "deliveries_per_1000", "deliveries_ci95"),
                ("  if nobody ever waited for another", "bound_per_1000", "bound_ci95"),
            )
            if key in figures
        ]
    )
    if "share_of_bound" in figures:
        print(f"{figures['share_of_bound']:.0%} of that bound are reached")
    print(f"mean and 95% interval over {episodes} episodes")
