"""Warehouse maps in MovingAI's `.map` format with the League of Robot Runners' letters; setup hands the path in.

Format: https://movingai.com/benchmarks/formats.html (four header lines, then the rows). Nothing is lifted off such a
floor: an order is one service point, then one station.
"""

from pathlib import Path

import numpy as np

from env_server.errors import FloorError
from env_server.warehouse.floor import Floor, make_floor, read_floor_file

BLOCKED, FREE, SERVICE, STATION = "@T", ".", "S", "E"
HEADER_LINES = 4


def load_map(path: Path | str) -> Floor:
    """The floor of a .map file. Raises FloorError as `map_floor` does, and if the file can't be read."""
    return map_floor(read_floor_file(Path(path)), name=str(path))


def map_floor(text: str, name: str) -> Floor:
    """The floor that a .map file's text describes: `@` `T` blocked, `.` free, `S` service point, `E` station (goal).

    All free cells are highway; service points and goals are numbered row by row. Raises FloorError, with the line, for
    a header that is malformed or untrue, an unknown letter, and all that `make_floor` refuses.
    """
    lines = text.replace("\r\n", "\n").rstrip().split("\n")
    height, width = _header(lines, name)
    rows = lines[HEADER_LINES:]
    if len(rows) != height:
        raise FloorError(f"{name}: the header says height {height}, but {len(rows)} rows follow it")
    for line, row in enumerate(rows, HEADER_LINES + 1):
        if len(row) != width:
            raise FloorError(f"{name}: line {line} has {len(row)} cells, but the header says width {width}")
        _check_letters(row, name, line)
    letters = np.array([list(row) for row in rows])
    blocked = np.isin(letters, list(BLOCKED))
    return make_floor(
        name,
        blocked,
        ~blocked,
        goals=np.flatnonzero(letters == STATION),
        service=np.flatnonzero(letters == SERVICE),
        first_line=HEADER_LINES + 1,
    )


def _header(lines: list[str], name: str) -> tuple[int, int]:
    if len(lines) < HEADER_LINES:
        raise FloorError(f"{name}: too short for a .map file; it starts with the lines type, height, width and map")
    sizes: dict[str, int] = {}
    for number, line in enumerate(lines[:HEADER_LINES], 1):
        words = line.split()
        key = words[0] if words else ""
        if (number == 1 and key == "type" and len(words) == 2) or (number == HEADER_LINES and words == ["map"]):
            continue
        if number in (2, 3) and key in ("height", "width") and key not in sizes:
            sizes[key] = _size(words, name, number)
            continue
        expected = {1: "type octile", 2: "height N", 3: "width N", 4: "map"}[number]
        raise FloorError(f'{name}: line {number} is "{line[:40]}"; a .map file has "{expected}" there')
    return sizes["height"], sizes["width"]


def _size(words: list[str], name: str, line: int) -> int:
    if len(words) != 2 or not (words[1].isascii() and words[1].isdigit()) or len(words[1]) > 9 or int(words[1]) < 1:
        raise FloorError(f'{name}: line {line} is "{" ".join(words)[:40]}"; {words[0]} must be a whole number above 0')
    return int(words[1])


def _check_letters(row: str, name: str, line: int) -> None:
    for column, letter in enumerate(row, 1):
        if letter not in "@T.SE":
            raise FloorError(
                f'{name}: line {line}, column {column}: unknown letter "{letter}"; allowed are `@` and `T` (blocked), '
                "`.` (free), `S` (service point) and `E` (station)"
            )
