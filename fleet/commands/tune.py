"""`fleet tune`: searches a scheme's settings on one task, as much for each scheme; goes on where it stopped."""

import sys
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("tune")(tune)


def tune(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="The task: a TOML file or a shipped config.")],
    scheme: Annotated[
        str, typer.Option(help="independent, iql, shared, central, vdn, qmix or joint.", show_default=False)
    ],
    trials: Annotated[int, typer.Option(help="Trials in all, those done before counted in.")] = 20,
    seeds: Annotated[int, typer.Option(help="Trainings of each trial, whose mean counts.")] = 1,
    budget: Annotated[str, typer.Option(help="Of each training: agent-steps (2e6) or wall time (10min).")] = "2e6",
    episodes: Annotated[int, typer.Option(min=1, max=1024, help="Episodes that each policy is tried on.")] = 32,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder of the search, which it goes on with.")] = Path(
        "runs/tuned"
    ),
) -> None:
    """Tune a scheme on a task with the same effort as any other; `fleet compare --settings` takes what comes of it."""
    from dataclasses import asdict

    from fleet.commands.screen import number, print_json, print_table
    from fleet.study.compare.budget import parse_budget
    from fleet.study.compare.cell import Terms
    from fleet.study.compare.measure import WORDS
    from fleet.study.compare.schemes import find_scheme
    from fleet.study.tune.tune import Asked
    from fleet.study.tune.tune import tune as study

    asked = Asked(config, find_scheme(scheme), trials, seeds, Terms(parse_budget(budget), episodes))
    tuned = study(asked, out, _show)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    if as_json:
        print_json(asdict(tuned) | {"path": str(tuned.path)})
        return
    rows = [
        (WORDS[tuned.measure], number(tuned.value)),
        ("of the task as it stands", number(tuned.untuned)),
        ("trials", f"{tuned.trials}, {tuned.failed} failed"),
    ]
    print_table([*rows, *((key, f"{value:.6g}") for key, value in tuned.settings.items())])
    print(f"\n{tuned.path}")


def _show(at: int, total: int, what: str, share: float, best: float | None) -> None:
    if sys.stderr.isatty():
        known = "" if best is None else f", best {best:.2f}"
        print(f"\r\033[Ktrial {at} of {total}: {what} {share:.0%}{known}", end="", file=sys.stderr, flush=True)
