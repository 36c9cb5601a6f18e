"""Floors drawn in RWARE's alphabet, from a config's `layout` or from a file; setup hands the text in."""

from pathlib import Path

import numpy as np

from env_server.errors import FloorError
from env_server.warehouse.floor import Floor, make_floor, read_floor_file

SHELF, GOAL, FREE = "x", "g", "."


def ascii_floor(text: str, name: str = "layout") -> Floor:
    """The floor that `text` draws: `x` a shelf, `g` a goal, `.` free, in either case; all but shelves is highway.

    As in RWARE, blanks around the text and spaces within it don't count. Goals and shelves are numbered row by row.
    Raises FloorError, with the line and column, for another letter, ragged lines, and all that `make_floor` refuses.
    """
    rows, first_line = _rows(text, name)
    letters = np.array([list(row) for row in rows])
    shelf, goal = letters == SHELF, letters == GOAL
    return make_floor(
        name,
        np.zeros(letters.shape, np.bool_),
        ~shelf,
        shelves=np.flatnonzero(shelf),
        goals=np.flatnonzero(goal),
        first_line=first_line,
    )


def load_layout(path: Path | str) -> Floor:
    """The floor that a text file draws. Raises FloorError as `ascii_floor` does, and if the file can't be read."""
    return ascii_floor(read_floor_file(Path(path)), name=str(path))


def _rows(text: str, name: str) -> tuple[list[str], int]:
    """The rows of letters, lower case, and the number of the line that the first one stands on."""
    lines = text.replace("\r\n", "\n").split("\n")
    used = [number for number, line in enumerate(lines) if line.strip()]
    if not used:
        raise FloorError(
            f"{name}: empty; a layout is drawn with `{SHELF}` (shelf), `{GOAL}` (goal) and `{FREE}` (free)"
        )
    rows = []
    for number in range(used[0], used[-1] + 1):
        line = lines[number].rstrip()
        for column, letter in enumerate(line):
            if letter.lower() not in (SHELF, GOAL, FREE, " "):
                raise FloorError(
                    f'{name}: line {number + 1}, column {column + 1}: unknown letter "{letter}"; allowed are '
                    f"`{SHELF}` (shelf), `{GOAL}` (goal) and `{FREE}` (free)"
                )
        rows.append(line.replace(" ", "").lower())
        if len(rows[-1]) != len(rows[0]):
            raise FloorError(
                f"{name}: line {number + 1} has {len(rows[-1])} cells, line {used[0] + 1} has {len(rows[0])}; "
                "all lines must be equally long"
            )
    return rows, used[0] + 1
