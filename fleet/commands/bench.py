"""`fleet bench`: measures, says how and on which machine, and prints each figure beside what it is compared with."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from fleet.core.errors import BadInput


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("bench")(bench)


def bench(
    name: Annotated[str, typer.Argument(metavar="world|start|wire|faults|train|peers", help="What to measure.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    peers_python: Annotated[
        Path | None, typer.Option(help="For peers: the Python that has them (unset: what `make peers` makes).")
    ] = None,
) -> None:
    """Measure speed and memory against a baseline in the same run."""
    from fleet.commands.screen import number, print_json, print_table
    from fleet.core.platform import machine
    from fleet.study.bench.bench import BENCHMARKS, measure

    if peers_python is not None and name != "peers":
        raise BadInput(f"--peers-python is for `fleet bench peers`, not for {name!r}")
    if name in BENCHMARKS and sys.stderr.isatty():
        print(f"measuring {BENCHMARKS[name]} ...", file=sys.stderr)
    options = {} if peers_python is None else {"python": peers_python}
    measured, here = measure(name, **options), machine()
    if as_json:
        print_json({"machine": here, "how": measured.how, "rows": [asdict(row) for row in measured.rows]})
        return
    print_table(
        (
            (row.name, number(row.value), row.unit, row.against or "", "" if row.ratio is None else _ratio(row.ratio))
            for row in measured.rows
        ),
        header=("figure", "value", "unit", "against", "ratio"),
    )
    print(f"\n{measured.how}")
    print(
        f"{here['cpu']}, {here['usable_cores']} of {here['cores']} cores, {here['memory_bytes'] / 1e9:.0f} GB, "
        f"{here['system']}, Python {here['python']}, torch {here['torch']}, numpy {here['numpy']}"
    )


def _ratio(value: float) -> str:
    return f"{value:,.0f} x" if value >= 100 else f"{value:.3f} x"
