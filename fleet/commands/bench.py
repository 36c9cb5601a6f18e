"""`fleet bench`: measures, says how and on which machine, and prints each figure beside what it is compared with."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fleet.core.errors import BadInput

if TYPE_CHECKING:
    from fleet.study.bench.bench import Row

MOST_ROBOTS = 1000


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("bench")(bench)


def bench(
    name: Annotated[
        str, typer.Argument(metavar="world|planners|start|wire|faults|train|scale|peers", help="What to measure.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    robots: Annotated[str | None, typer.Option(metavar="N,N,...", help="scale: the sizes of the fleets.")] = None,
    picture: Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="scale: draw it, as .png.")] = None,
    peers_python: Annotated[
        Path | None, typer.Option(help="peers: the Python that has them (unset: what `make peers` makes).")
    ] = None,
) -> None:
    """Measure speed and memory against a baseline in the same run."""
    from fleet.commands.screen import number, print_json, print_table
    from fleet.core.platform import machine
    from fleet.study.bench.bench import BENCHMARKS, measure

    if name in BENCHMARKS and sys.stderr.isatty():
        print(f"measuring {BENCHMARKS[name]} ...", file=sys.stderr)
    options = _options(name, robots, picture, peers_python)
    measured, here = measure(name, **options), machine()
    if picture is not None:
        _draw(measured.rows, picture)
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


def _options(name: str, robots: str | None, picture: Path | None, peers_python: Path | None) -> dict[str, Any]:
    """What the benchmark is called with. Raises BadInput for what only another one knows, and for no robots."""
    of = {"--robots": ("scale", robots), "--plot": ("scale", picture), "--peers-python": ("peers", peers_python)}
    for option, (whose, value) in of.items():
        if value is not None and name != whose:
            raise BadInput(f"{option} is for `fleet bench {whose}` alone; this is {name}")
    if picture is not None and picture.suffix != ".png":
        raise BadInput(f"--plot {picture}: allowed are names that end in .png")
    if peers_python is not None:
        return {"python": peers_python}
    if robots is None:
        return {}
    counts = [int(text) for text in robots.split(",") if text.strip().isdecimal()]
    if len(counts) != len(robots.split(",")) or not all(1 <= count <= MOST_ROBOTS for count in counts):
        raise BadInput(f"--robots {robots}: allowed are numbers from 1 to {MOST_ROBOTS} with commas between them")
    return {"counts": counts}


def _draw(rows: "Sequence[Row]", picture: Path) -> None:
    from fleet.study.bench.scale_plot import plot

    try:
        plot(rows, picture)
    except OSError as error:
        raise BadInput(f"{picture}: can't be written: {error.strerror}") from error


def _ratio(value: float) -> str:
    return f"{value:,.0f} x" if value >= 100 else f"{value:.3f} x"
