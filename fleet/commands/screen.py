"""What the commands share for printing: errors, JSON, tables, numbers a person can read; and the folder to write to."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

MISSING = "-"


def complain(message: str) -> None:
    """One message on stderr."""
    print(f"error: {message}", file=sys.stderr)


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object on stdout; what isn't finite is null, as JSON has no word for it."""
    from fleet.core.jsonl import plain

    print(json.dumps(plain(value), indent=2))


def print_table(rows: Iterable[Sequence[str]], header: Sequence[str] = ()) -> None:
    """Columns as wide as their contents. Under a header, cells that start with a digit, and `-` beside them: right."""
    table = [*([header] if header else []), *rows]
    columns = list(zip(*table, strict=True))
    widths = [max(map(len, column)) for column in columns]
    figures = [bool(header) and any(cell[:1].isdigit() for cell in column[1:]) for column in columns]
    for row in table:
        cells = (
            cell.rjust(width) if header and (cell[:1].isdigit() or (right and cell == MISSING)) else cell.ljust(width)
            for cell, width, right in zip(row, widths, figures, strict=True)
        )
        print("  ".join(cells).rstrip())


def delivered(agent_steps: int | None, rate: float | None) -> list[tuple[str, str]]:
    """The row that tells deliveries; none of a world in which there are none, as is known after its first round."""
    return [] if agent_steps and rate is None else [("deliveries per robot per 1,000 steps", number(rate))]


def count_up(what: str) -> Callable[[int, int], None]:
    """Counts what is done on a terminal's stderr, in one line that is wiped when all of it is."""

    def show(done: int, total: int) -> None:
        if sys.stderr.isatty():
            text = "" if done == total else f"{done} of {total} {what}"
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

    return show


def show_cell(at: int, total: int, name: str, what: str, share: float) -> None:
    """One line that is written over on a terminal; elsewhere a line as each cell begins."""
    if sys.stderr.isatty():
        print(f"\r\033[K{at} of {total}: {name}, {what} {share:.0%}", end="", file=sys.stderr, flush=True)
    elif name not in _begun:
        _begun.add(name)
        print(f"{at} of {total}: {name}", file=sys.stderr, flush=True)


_begun: set[str] = set()


def make_folder(out: Path | None) -> None:
    """The folder for what is written, before an hour is spent on it. Raises BadInput."""
    from fleet.core.errors import BadInput

    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"--out {out}: can't be made: {error.strerror}") from error


def number(value: float | None, digits: int = 2) -> str:
    """A count or a figure with thousands separated; `-` where it isn't known."""
    if value is None:
        return MISSING
    return f"{value:,}" if isinstance(value, int) else f"{value:,.{digits}f}"


def size(value: int) -> str:
    """Bytes in words."""
    return f"{value / 1e9:.2f} GB" if value >= 1e9 else f"{value / 1e6:.0f} MB"


def duration(seconds: float | None) -> str:
    """`42 s`, `3:07`, `1:02:45`; `-` where it isn't known."""
    if seconds is None:
        return MISSING
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{rest:02d}"
    return f"{minutes}:{rest:02d}" if minutes else f"{rest} s"
