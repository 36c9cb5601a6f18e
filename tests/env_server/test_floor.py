"""The free grid, the flood fill, and what a floor may not be."""

from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from rware.warehouse import RewardType
from rware.warehouse import Warehouse as Rware

from env_server.errors import FloorError
from env_server.warehouse.floor import Floor, beside, grid, make_floor, reachable
from fleet.core.errors import BadInput


def rware_grid(columns: int, rows: int, height: int) -> Rware:
    return Rware(columns, height, rows, 1, 0, 1, 1, None, 500, RewardType.INDIVIDUAL)


def test_grid_sizes_equal_rware() -> None:
    for columns in (1, 3, 5, 9):
        for rows in (1, 2, 3, 5):
            for height in (1, 2, 5, 8):
                if columns == rows == 1:
                    continue  # no shelf is left, which RWARE notices at its first reset
                ours, theirs = grid(columns, rows, height), rware_grid(columns, rows, height)
                theirs.reset(seed=0)
                assert (ours.height, ours.width) == theirs.grid_size
                assert np.array_equal(ours.highway, theirs.highways.astype(bool))
                assert ours.goals.tolist() == [row * ours.width + column for column, row in theirs.goals]
                assert ours.shelves.tolist() == [shelf.y * ours.width + shelf.x for shelf in theirs.shelfs]
                assert not ours.blocked.any()
                assert ours.starts.tolist() == list(range(ours.cells))
                assert not ours.service.size


def test_arrays_have_the_promised_types() -> None:
    floor = grid(3, 1, 8)
    assert floor.blocked.dtype == floor.highway.dtype == np.bool_
    assert {array.dtype.name for array in (floor.shelves, floor.goals, floor.service, floor.starts)} == {"int32"}
    assert floor.blocked.shape == floor.highway.shape == (11, 10)
    assert floor.cells == 110


@pytest.mark.parametrize("stations", [1, 2, 7, 20, 56])
def test_stations_spread_evenly_along_top_and_bottom(stations: int) -> None:
    floor = grid(9, 5, 8, stations)
    rows, columns = np.divmod(floor.goals, floor.width)
    assert len(set(floor.goals.tolist())) == stations
    assert set(rows.tolist()) <= {0, floor.height - 1}
    top, bottom = columns[rows == 0], columns[rows == floor.height - 1]
    assert len(bottom) - len(top) in (0, 1)
    for along in (top, bottom):
        gaps = np.diff(along)
        assert not gaps.size or gaps.max() - gaps.min() <= 1
        assert not along.size or abs(along[0] - (floor.width - 1 - along[-1])) <= 1  # as far from either wall
    assert np.array_equal(floor.highway, grid(9, 5, 8).highway)


@pytest.mark.parametrize("stations", [0, 57])
def test_too_many_stations_are_refused(stations: int) -> None:
    with pytest.raises(FloorError, match=rf"stations = {stations}; allowed are 1 to 56"):
        grid(9, 5, 8, stations)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((2, 1, 8), "shelf_columns = 2 is even"),
        ((0, 1, 8), "shelf_columns = 0; allowed is 1 or more"),
        ((3, -1, 8), "shelf_rows = -1"),
        ((3, 1, 0), "column_height = 0"),
        ((1, 1, 8), "nothing to fetch"),
        ((9999, 9999, 9999), r"99990002 x 29998 cells; allowed are at most 32767"),
    ],
)
def test_impossible_grids_are_refused(sizes: tuple[int, int, int], message: str) -> None:
    with pytest.raises(FloorError, match=message) as error:
        grid(*sizes)
    assert isinstance(error.value, BadInput)


def drawn(*rows: str, goals: list[int], service: list[int] | None = None) -> Floor:
    """A floor from `x` shelf, `.` highway, `@` blocked."""
    letters = np.array([list(row) for row in rows])
    shelves = np.flatnonzero(letters == "x")
    return make_floor("test", letters == "@", letters == ".", shelves=shelves, goals=goals, service=service or [])


def test_no_goal_is_refused() -> None:
    with pytest.raises(FloorError, match="test: no goal"):
        drawn("x..", goals=[])


def test_a_shelf_behind_shelves_is_unreachable() -> None:
    with pytest.raises(
        FloorError, match=r"the shelf at row 0, column 0 can't be reached.* the goal at row 0, column 3$"
    ):
        drawn("xx..", goals=[3])


def test_a_goal_cut_off_from_the_others_is_refused() -> None:
    with pytest.raises(
        FloorError, match=r"the goal at row 0, column 3 can't be reached.* between it and the goal at row 0, column 0$"
    ):
        drawn("..@.", goals=[0, 3], service=[1])


def test_shelves_may_have_a_goal_of_their_own_but_not_none() -> None:
    assert drawn(".x@x.", goals=[0, 4]).shelves.tolist() == [1, 3]
    with pytest.raises(FloorError, match=r"the shelf at row 0, column 7 can't be reached.* between it and any goal$"):
        drawn(".x@x.@.x", goals=[0, 4])


def test_several_cut_off_are_counted() -> None:
    with pytest.raises(FloorError, match=r"row 0, column 0 .* \(2 of its 3 are cut off\)"):
        drawn("xxx..", goals=[4])


def test_robots_start_only_where_they_can_get_to_a_goal() -> None:
    floor = drawn("x.@.", "..@.", goals=[1])
    assert floor.starts.tolist() == [0, 1, 4, 5]
    assert drawn(".x@.@x.", goals=[0, 6]).starts.tolist() == [0, 1, 5, 6]


passable = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=9))


@given(passable, st.data())
@settings(max_examples=60, deadline=None)
def test_flood_fill_equals_a_plain_search(floor: np.ndarray, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, floor.size - 1))
    assert np.array_equal(reachable(floor, np.array([start])), plain_search(floor, start))


def plain_search(passable: np.ndarray, start: int) -> np.ndarray:
    seen = np.zeros_like(passable)
    first = divmod(start, passable.shape[1])
    queue = deque([first] if passable[first] else [])
    while queue:
        row, column = queue.popleft()
        if seen[row, column]:
            continue
        seen[row, column] = True
        for near in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            if 0 <= near[0] < passable.shape[0] and 0 <= near[1] < passable.shape[1] and passable[near]:
                queue.append(near)
    return seen


def test_beside_is_the_four_neighbours_and_does_not_wrap() -> None:
    cells = np.zeros((3, 3), bool)
    cells[0, 2] = True
    assert np.argwhere(beside(cells)).tolist() == [[0, 1], [1, 2]]
