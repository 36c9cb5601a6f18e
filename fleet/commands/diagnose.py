"""`fleet diagnose`: short probes of a task, and whether independent learning will do for it."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fleet.study.diagnose.diagnosis import Diagnosis


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("diagnose")(diagnose)


def diagnose(
    task: Annotated[
        str,
        typer.Argument(
            metavar="TASK",
            help="A TOML file or a shipped config; a game such as pennies; or a PettingZoo environment, MODULE:NAME.",
        ),
    ],
    budget: Annotated[
        float | None,
        typer.Option(
            metavar="FRACTION",
            help="Agent-steps of all probes, as a share of one full training's. Unset: 0.05, more of small tasks.",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=2, max=20, help="Seeds of each probe.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="The first of them.")] = 101,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a setting; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell from short trainings whether robots can learn a task on their own, or should be trained as one.

    Exit 0 whatever the verdict is, "not sure" included.
    """
    from dataclasses import asdict

    from fleet.commands.screen import print_json
    from fleet.study.diagnose.diagnosis import diagnose as study

    found = study(task, settings or [], budget, seeds, seed, _show)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    if as_json:
        print_json({"verdict": found.words, **asdict(found)})
    else:
        _print(found)


def _show(what: str, share: float) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{share:.0%}: {what}", end="", file=sys.stderr, flush=True)


def _print(found: "Diagnosis") -> None:
    from fleet.commands.screen import number, print_table

    evidence = found.evidence
    print(f"{found.task}: {found.words}\n")
    for reason in found.reasons:
        print(f"  {reason}")
    print(f"\nwatch: {found.signal}\n")
    print_table(
        [
            (name, number(sent.total, 1), number(sent.busiest, 1), sent.busiest_name, number(sent.across, 1))
            for name, sent in (("independent", found.sent.independent), ("centralized", found.sent.central))
        ],
        header=("bytes per agent-step", "in all", "into the busiest", "which is", "between robots"),
    )
    share = evidence.agent_steps / evidence.full
    print(
        f"\n{evidence.agent_steps:,} agent-steps of probes, {share:.0%} of one full training; thresholds from "
        f"{found.tasks} tasks (docs/diagnose.md)"
    )
