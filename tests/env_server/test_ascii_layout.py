"""Layouts in RWARE's alphabet: read as RWARE reads them, and refused with the line and column."""

from pathlib import Path

import numpy as np
import pytest
from rware.warehouse import RewardType
from rware.warehouse import Warehouse as Rware

from env_server.errors import FloorError
from env_server.warehouse.ascii_layout import ascii_floor, load_layout

RING = """
........
...x....
..x.x...
.x...x..
..x.x...
...x....
.g......
"""
LAYOUTS = {
    "ring": RING,
    "upper case": "..X..\n.gXG.\n..X..",
    "spaced and indented": "\n   . . x . .\n   . g x g .\n   . . . . .\n\n",
    "goals out of the way": "g.x.g\n..x..\ng.x.g",
    "one row": "xg.x",
}


@pytest.mark.parametrize("text", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_reads_as_rware_does(text: str) -> None:
    theirs = Rware(3, 8, 1, 1, 0, 1, 1, None, 500, RewardType.INDIVIDUAL, layout=text)
    theirs.reset(seed=0)
    ours = ascii_floor(text)
    assert (ours.height, ours.width) == theirs.grid_size
    assert np.array_equal(ours.highway, theirs.highways.astype(bool))
    assert ours.goals.tolist() == [row * ours.width + column for column, row in theirs.goals]
    assert ours.shelves.tolist() == [shelf.y * ours.width + shelf.x for shelf in theirs.shelfs]
    assert len(ours.starts) == ours.cells


def test_windows_line_ends_are_read() -> None:
    assert ascii_floor("gx\r\n..\r\n").shelves.tolist() == [1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "layout: empty"),
        (" \n\t\n", "layout: empty"),
        ("\n..x\n.S.\n", 'line 3, column 2: unknown letter "S"; allowed are `x` \\(shelf\\), `g` \\(goal\\)'),
        (". . q", 'line 1, column 5: unknown letter "q"'),
        ("gx.\n....", "line 2 has 4 cells, line 1 has 3; all lines must be equally long"),
        ("\ngx.\n....", "line 3 has 4 cells, line 2 has 3"),
        ("gx.\n\n...", "line 2 has 0 cells"),
        ("...\n.x.", "no goal"),
        ("...\n.g.", "nothing to fetch"),
        ("\n\ngxx", "line 3, column 3: the shelf at row 0, column 2 can't be reached: no way for a loaded robot"),
    ],
)
def test_bad_layouts_are_refused(text: str, message: str) -> None:
    with pytest.raises(FloorError, match=message):
        ascii_floor(text)


def test_a_file_is_named_in_its_errors(tmp_path: Path) -> None:
    path = tmp_path / "floor.txt"
    path.write_text("gx?")
    with pytest.raises(FloorError, match=r"floor\.txt: line 1, column 3"):
        load_layout(path)
    path.write_text("gx.")
    assert load_layout(path).name == str(path)


def test_files_that_are_no_layout_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FloorError, match=r"none.txt: no such file"):
        load_layout(tmp_path / "none.txt")
    with pytest.raises(FloorError, match="can't be read: Is a directory"):
        load_layout(tmp_path)
    (tmp_path / "image").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(FloorError, match="not a text file"):
        load_layout(tmp_path / "image")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(FloorError, match="1099511627776 bytes; allowed are at most"):
        load_layout(tmp_path / "huge")
