"""`fleet soak`: real runs under random faults of all kinds, with all invariants checked, and a table at the end."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fleet.study.soak.soak import Soaked


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("soak")(soak)


def soak(
    minutes: Annotated[float, typer.Option(help="How long, without the starts of the runs.")] = 10.0,
    seed: Annotated[int, typer.Option(min=0, help="Decides what strikes, whom and when.")] = 1,
    every: Annotated[float, typer.Option("--every", metavar="SECONDS", help="One fault in about that many.")] = 15.0,
    config: Annotated[str, typer.Option(help="The config of the runs.")] = "soak",
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep the runs there. Unset: removed.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Soak a fleet in faults of all kinds; exit status 1 if an invariant breaks."""
    from fleet.commands.screen import print_json
    from fleet.study.soak.soak import soak as soak_

    soaked = soak_(minutes=minutes, seed=seed, config=config, every_s=every, out=out, on_look=_show)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    if as_json:
        print_json(asdict(soaked))
    else:
        _print(soaked)
    if soaked.broken:
        print(f"\nto play it again: fleet soak --seed {seed} --minutes {minutes:g} --every {every:g} --config {config}")
        raise typer.Exit(1)


def _show(soaked: "Soaked", at_s: float) -> None:
    if sys.stderr.isatty():
        text = f"part {soaked.parts}, {at_s:3.0f} s: {len(soaked.broken)} broken"
        print(f"\r{text}", end="", file=sys.stderr, flush=True)


def _slope(value: float) -> str:
    return f"{value * 60 / 1e6:+.2f} MB a minute"


def _print(soaked: "Soaked") -> None:
    from fleet.commands.screen import MISSING, duration, number, print_table, size

    def seconds(value: float | None) -> str:
        return MISSING if value is None else f"{value:.2f}"

    header = ("fault", "struck", "mended", "given up", "missed", "steps lost", "suspect s", "declare s", "recover s")
    rows = [
        (
            kind,
            str(one.struck),
            str(one.mended),
            str(one.given_up),
            str(one.missed),
            number(one.lost),
            seconds(one.suspect_s),
            seconds(one.declare_s),
            seconds(one.recover_s),
        )
        for kind, one in sorted(soaked.kinds.items())
    ]
    print_table(rows, header=header)
    struck = sum(one.struck for one in soaked.kinds.values())
    slope = soaked.memory_slope
    print()
    print_table(
        [
            ("faults", f"{struck} of {len(soaked.kinds)} kinds; times are the worst, from the strike on"),
            ("runs", f"{soaked.parts}, {soaked.resumed} of them resumed after their supervisor was killed"),
            ("rounds", number(soaked.rounds)),
            ("time", duration(soaked.minutes * 60)),
            ("memory", f"{size(soaked.memory_peak)} at most"),
            ("memory slope of the worst process", MISSING if slope is None else f"{_slope(slope)} ({soaked.grew})"),
            ("slowest clean stop", f"{seconds(soaked.stop_s)} s"),
            ("broken", "nothing" if not soaked.broken else str(len(soaked.broken))),
        ]
    )
    for text in soaked.broken:
        print(f"  {text}")
