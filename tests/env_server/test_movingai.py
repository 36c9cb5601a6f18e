"""MovingAI maps: our small one, the League of Robot Runners' sample where it is at hand, and malformed ones."""

from pathlib import Path

import numpy as np
import pytest

from env_server.errors import FloorError
from env_server.warehouse.movingai import load_map, map_floor

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT.parent / "shared/data/lorr/warehouse_long_corridor_large.map"


def text(*rows: str, height: object = None, width: object = None) -> str:
    header = ("type octile", f"height {height or len(rows)}", f"width {width or len(rows[0])}", "map")
    return "\n".join([*header, *rows, ""])


def test_letters() -> None:
    floor = map_floor(text("S.T", "@.E"), "m")
    assert (floor.height, floor.width) == (2, 3)
    assert floor.blocked.tolist() == [[False, False, True], [True, False, False]]
    assert np.array_equal(floor.highway, ~floor.blocked)
    assert floor.service.tolist() == [0]
    assert floor.goals.tolist() == [5]
    assert floor.shelves.size == 0
    assert floor.starts.tolist() == [0, 1, 4, 5]


def test_line_ends_and_header_order_do_not_matter() -> None:
    plain = map_floor(text("S.E", "..."), "m")
    swapped = "type octile\r\nwidth 3\r\nheight 2\r\nmap\r\nS.E\r\n...\r\n\r\n"
    assert np.array_equal(map_floor(swapped, "m").highway, plain.highway)


def test_a_free_pocket_is_no_place_to_start() -> None:
    assert map_floor(text("SE@."), "m").starts.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "too short for a .map file"),
        ("type octile\nheight 1\nwidth 2", "too short"),
        (text("SE").replace("type octile", "octile"), 'line 1 is "octile"; a .map file has "type octile" there'),
        (text("SE").replace("height", "hight"), 'line 2 is "hight 1"; a .map file has "height N" there'),
        (text("SE").replace("width 2", "height 2"), 'line 3 is "height 2"; a .map file has "width N" there'),
        (text("SE").replace("map\n", "mop\n"), 'line 4 is "mop"; a .map file has "map" there'),
        (text("SE", height="x"), 'line 2 is "height x"; height must be a whole number above 0'),
        (text("SE", height="-1"), "height must be a whole number"),
        (text("SE", width="0"), "width must be a whole number above 0"),
        (text("SE", width="9" * 5000), "width must be a whole number"),
        (text("SE", "..", height=3), "the header says height 3, but 2 rows follow it"),
        (text("SE", "..", height=1), "the header says height 1, but 2 rows follow it"),
        (text("SE", "..", width=3), "line 5 has 2 cells, but the header says width 3"),
        (text("SE", "..."), "line 6 has 3 cells, but the header says width 2"),
        (text("SE", ".x"), 'line 6, column 2: unknown letter "x"; allowed are `@` and `T`'),
        (text("S."), "no goal"),
        (text("E."), "nothing to fetch"),
        (text("SE", "@@", "S."), "line 7, column 1: the service point at row 2, column 0 can't be reached"),
        (text("SE", "@@", "E."), "line 7, column 1: the goal at row 2, column 0 can't be reached"),
    ],
)
def test_bad_maps_are_refused(source: str, message: str) -> None:
    with pytest.raises(FloorError, match=f"^bad.map: .*{message}"):
        map_floor(source, "bad.map")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FloorError, match=r"none.map: no such file"):
        load_map(tmp_path / "none.map")


def test_the_shipped_map() -> None:
    floor = load_map(ROOT / "configs/maps/small.map")
    assert (floor.height, floor.width) == (20, 36)
    assert len(floor.goals) == 20
    assert len(floor.service) == 180
    assert len(floor.starts) == np.count_nonzero(~floor.blocked)


@pytest.mark.skipif(not SAMPLE.exists(), reason="the League of Robot Runners' sample map is not at hand")
def test_the_league_of_robot_runners_sample() -> None:
    floor = load_map(SAMPLE)
    assert (floor.height, floor.width) == (140, 500)
    assert len(floor.goals) == 352
    assert len(floor.service) == 28_144
    assert np.count_nonzero(floor.blocked) == 31_357
    assert len(floor.starts) == floor.cells - 31_357
