import networkx as nx
import numpy as np
import pytest

from actors.view import DOWN, LEFT, NOTHING, RIGHT, UP, FloorView
from actors.ways import AROUND, FARTHEST, UNDER_LOAD, Ways, edge_costs, wrong_way

STEPS = {UP: (-1, 0), DOWN: (1, 0), LEFT: (0, -1), RIGHT: (0, 1)}


def floor(text: str) -> FloorView:
    """`x` where shelves stand, `@` blocked, `.` highway."""
    letters = np.array([list(row) for row in text.split()])
    return FloorView(letters == "@", letters == ".")


BLOCKS = floor("....... .xx.xx. .xx@xx. ....... .......")


def asked(ways: Ways, target: int, loaded: bool, variant: int = 0) -> np.ndarray:
    rows = np.zeros(1, np.int32)
    ways.rows(variant, np.array([loaded]), np.array([target], np.int32), rows)
    return ways.fields[rows[0]].astype(int)


def expected(view: FloorView, ways: Ways, target: int, loaded: bool, stalled: tuple[int, ...] = ()) -> np.ndarray:
    """The same costs by Dijkstra over a graph of cells and headings."""
    height, width = view.blocked.shape
    graph = nx.DiGraph()
    for cell in range(height * width):
        graph.add_edges_from(((cell, a), (cell, b), {"weight": 1}) for a in (UP, DOWN) for b in (LEFT, RIGHT))
        graph.add_edges_from(((cell, b), (cell, a), {"weight": 1}) for a in (UP, DOWN) for b in (LEFT, RIGHT))
        for side, (down, right) in STEPS.items():
            row, column = cell // width + down, cell % width + right
            if view.blocked.flat[cell] or not (0 <= row < height and 0 <= column < width) or view.blocked[row, column]:
                continue
            there = row * width + column
            weight = int(ways.costs[int(loaded), cell, side]) + AROUND * (there in stalled)
            graph.add_edge((cell, side), (there, side), weight=weight)
    graph.add_edges_from(((target, heading), "end", {"weight": 0}) for heading in range(4))
    costs = nx.single_source_dijkstra_path_length(graph.reverse(), "end")
    return np.array([costs.get((cell, heading), FARTHEST) for cell in range(height * width) for heading in range(4)])


@pytest.mark.parametrize("loaded", [False, True])
@pytest.mark.parametrize("target", [0, 8, 26, 34])
def test_fields_are_dijkstra_s(target, loaded):
    """Broken by turns that cost nothing, and by edges read from the wrong end."""
    ways = Ways(BLOCKS, 1, 3)
    assert (asked(ways, target, loaded) == expected(BLOCKS, ways, target, loaded)).all()


def test_who_won_t_move_is_driven_around_in_that_copy_only():
    ways = Ways(BLOCKS, 2, 0)
    assert list(ways.watch(np.full((2, 2), NOTHING, np.int32))) == [0, 0]
    free = asked(ways, 3, True)
    stalled = np.array([[NOTHING, NOTHING], [NOTHING, 22]], np.int32)
    assert list(ways.watch(stalled)) == [0, 1]
    assert (asked(ways, 3, True, 0) == free).all()
    assert (asked(ways, 3, True, 1) == expected(BLOCKS, ways, 3, True, (22,))).all()
    moved = np.array([[NOTHING, NOTHING], [NOTHING, 5]], np.int32)
    ways.watch(moved)
    assert (asked(ways, 3, True, 1) == expected(BLOCKS, ways, 3, True, (5,))).all()
    ways.watch(np.full((2, 2), NOTHING, np.int32))
    assert (asked(ways, 3, True) == free).all()


def test_fields_that_had_to_make_room_are_measured_again(monkeypatch):
    monkeypatch.setattr("actors.ways.ROOM_BYTES", 0)
    ways = Ways(BLOCKS, 2, 0)
    assert len(ways.fields) == 2
    for target in (0, 6, 21, 27, 0, 6):
        assert (asked(ways, target, False) == expected(BLOCKS, ways, target, False)).all()


def test_lanes_are_one_way_by_turns_and_each_half_of_a_wide_road_has_its_own():
    ways = Ways(BLOCKS, 1, 0)
    wrong = wrong_way(BLOCKS, ways.neighbours)
    rows = [[side for side in (LEFT, RIGHT) if wrong[7 * row + 2, side]] for row in (0, 3, 4)]
    assert rows == [[LEFT], [RIGHT], [LEFT]]
    columns = [[side for side in (UP, DOWN) if wrong[7 + column, side]] for column in (0, 6)]
    assert columns == [[UP], [UP]]  # the one between them makes the third
    assert not wrong[8].any(), "no lane where shelves stand"


def test_loaded_robots_pay_for_driving_where_shelves_stand_and_against_a_lane():
    ways = Ways(BLOCKS, 1, 5)
    costs = edge_costs(BLOCKS, ways.neighbours, 5)
    assert list(costs[:, 0, RIGHT]) == [1, 1]
    assert list(costs[:, 2, LEFT]) == [1, 6]
    assert list(costs[:, 1, DOWN]) == [1, 1 + UNDER_LOAD]
    assert list(costs[:, 0, UP]) == [0, 0]
