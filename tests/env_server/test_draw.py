"""The picture: its size, and that each thing on the floor looks like nothing else."""

from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest

from env_server.warehouse import sprites
from env_server.warehouse.ascii_layout import ascii_floor
from env_server.warehouse.draw import border_of, cell_size_for, draw
from env_server.warehouse.floor import Floor, grid, make_floor
from env_server.warehouse.movingai import map_floor
from env_server.warehouse.state import DELIVER, DOWN, FETCH, LEFT, NOTHING, RIGHT, STALLED, TOWED, UP, State

FLOOR = ascii_floor("gx.x\n.x.x\n....")
SHELVES = len(FLOOR.shelves)
SIZE = 20


def a_state(cells: list[int], **changes: npt.ArrayLike) -> State:
    """One copy on FLOOR with nothing requested, all robots online, unloaded and facing up."""
    robots = len(cells)
    none = np.full((1, robots), NOTHING, np.int32)
    fields: dict[str, npt.ArrayLike] = {name: np.zeros((1, robots), np.int32) for name in State._fields}
    fields |= {"cell": [cells], "carrying": none, "shelf_cell": FLOOR.shelves[None], "queue": [[]], "left_at": none}
    fields |= {"body": np.zeros(robots)}
    types = dict.fromkeys(("heading", "body", "leg"), np.uint8)
    return State(**{k: np.asarray(v, types.get(k, np.int32)) for k, v in (fields | changes).items()})


def cell(image: npt.NDArray[np.uint8], at: int, floor: Floor = FLOOR, size: int = SIZE) -> npt.NDArray[np.uint8]:
    row, column = divmod(at, floor.width)
    top, left = border_of(size) + row * size, border_of(size) + column * size
    return image[top : top + size, left : left + size]


def picture(cells: list[int], **changes: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    return draw(FLOOR, a_state(cells, **changes), cell_size=SIZE)


@pytest.mark.parametrize("size", [1, 3, 7, 20])
def test_shape_is_the_floor_with_a_border_and_even(size: int) -> None:
    image = draw(FLOOR, a_state([6]), cell_size=size)
    assert image.dtype == np.uint8
    for side, cells in zip(image.shape, (FLOOR.height, FLOOR.width), strict=False):
        assert side % 2 == 0
        assert 0 <= side - (cells * size + 2 * border_of(size)) <= 1


def test_cell_size_suits_small_and_large_floors() -> None:
    assert cell_size_for(FLOOR) == 32
    assert 16 <= cell_size_for(grid(9, 5, 8)) <= 24
    wide = np.ones((140, 500), bool)
    assert cell_size_for(make_floor("wide", ~wide, wide, service=[0], goals=[1])) == 3


def test_everything_looks_different_from_everything_else() -> None:
    robot = {f"facing {h}": picture([6], heading=[[h]]) for h in (UP, DOWN, LEFT, RIGHT)}
    loaded = {"carrying": [[3]], "shelf_cell": [[*FLOOR.shelves[:3], 6]]}
    pictures = {
        "free": picture([8]),
        **robot,
        "loaded": picture([6], **loaded),
        "loaded, requested": picture([6], **loaded, queue=[[3]]),
        "under a standing shelf": picture([6], shelf_cell=[[*FLOOR.shelves[:3], 6]]),
        "shelf": picture([8], shelf_cell=[[*FLOOR.shelves[:3], 6]]),
        "requested shelf": picture([8], shelf_cell=[[*FLOOR.shelves[:3], 6]], queue=[[3]]),
        "stalled": picture([6], body=[STALLED]),
        "stalled, loaded": picture([6], **loaded, body=[STALLED]),
        "towed": picture([NOTHING], body=[TOWED], left_at=[[6]]),
    }
    for one, other in combinations(pictures, 2):
        differing = np.any(cell(pictures[one], 6) != cell(pictures[other], 6), axis=-1)
        assert differing.mean() > 0.05, f"{one} looks like {other}"


def test_floor_cells_look_different() -> None:
    floor = map_floor("type octile\nheight 1\nwidth 4\nmap\n@.SE\n", "m")
    for size in (3, SIZE):
        image = draw(floor, a_state([1], shelf_cell=[[]], order=[[NOTHING]]), cell_size=size)
        middles = {cell(image, at, floor, size).tobytes() for at in range(4)}
        assert len(middles) == 4


def test_a_robot_changes_only_its_own_cell() -> None:
    without, with_robot = picture([8]), picture([6])
    changed = np.argwhere(np.any(without != with_robot, axis=-1)) - border_of(SIZE)
    assert {tuple(at) for at in changed // SIZE} == {(1, 2), (2, 0)}


def test_headings_are_one_arrow_turned() -> None:
    up = cell(picture([6], heading=[[UP]]), 6)[: SIZE - 1, : SIZE - 1].astype(int)  # without the seam
    robot = {heading: sprites.robot(SIZE, heading, "none", stalled=False) for heading in (UP, DOWN, LEFT, RIGHT)}
    assert np.allclose(robot[DOWN], robot[UP][::-1], atol=1)
    assert np.allclose(robot[LEFT], robot[UP].swapaxes(0, 1), atol=1)
    assert np.allclose(robot[RIGHT], robot[LEFT][:, ::-1], atol=1)
    tip_above, tip_below = up[: SIZE // 2].sum(), up[SIZE // 2 :].sum()
    assert tip_above != tip_below


def test_a_towed_robot_that_never_stood_anywhere_is_not_drawn() -> None:
    assert np.array_equal(picture([NOTHING, 6], body=[TOWED, 0])[:1], picture([6])[:1])
    assert np.array_equal(picture([NOTHING, 6], body=[TOWED, 0]), picture([6]))


def test_only_the_copy_asked_for_is_drawn() -> None:
    first, second = a_state([6]), a_state([10], shelf_cell=[[8, *FLOOR.shelves[1:]]], queue=[[]])
    both = State(*(np.concatenate([a, b]) for a, b in zip(first, second, strict=True)))
    both = both._replace(body=first.body)
    assert np.array_equal(draw(FLOOR, both, 1, SIZE), draw(FLOOR, second, 0, SIZE))


def test_orders_on_a_map_show_as_amber_points_and_loads() -> None:
    floor = map_floor("type octile\nheight 1\nwidth 5\nmap\nS..SE\n", "m")

    def on_map(leg: int, queue: list[int]) -> npt.NDArray[np.uint8]:
        return draw(floor, a_state([1], shelf_cell=[[]], queue=[queue], order=[[1]], leg=[[leg]]), cell_size=SIZE)

    fetching, delivering = on_map(FETCH, [1]), on_map(DELIVER, [1])
    amber = np.array(sprites.REQUESTED)
    assert np.array_equal(cell(fetching, 3, floor)[SIZE // 2, SIZE // 2], amber)
    assert not np.array_equal(cell(delivering, 3, floor)[SIZE // 2, SIZE // 2], amber)
    assert np.array_equal(cell(on_map(DELIVER, [1, 1]), 3, floor)[SIZE // 2, SIZE // 2], amber)
    assert not np.array_equal(cell(fetching, 0, floor)[SIZE // 2, SIZE // 2], amber)
    assert not np.array_equal(cell(fetching, 1, floor), cell(delivering, 1, floor))


def test_on_big_maps_robots_are_larger_than_their_cell_and_cut_at_the_edge() -> None:
    for at in (0, 3, 8, 11, 6):  # the corners and the middle
        body = np.argwhere(np.all(draw(FLOOR, a_state([at]), cell_size=3) == sprites.ROBOT, axis=-1))
        middle = np.array(divmod(at, FLOOR.width)) * 3 + border_of(3) + 1
        around = {tuple(pixel) for pixel in (body - middle).tolist()}
        assert around == {(-row, column) for row, column in around} == {(row, -column) for row, column in around}
        assert {(0, 3), (3, 0), (0, 0)} <= around


@pytest.mark.parametrize("load", ["none", "plain", "requested"])
@pytest.mark.parametrize("stalled", [False, True])
def test_sprites_have_premultiplied_colours_in_range(load: str, stalled: bool) -> None:
    for size in (1, 3, 9, 20):
        sprite = sprites.robot(size, LEFT, load, stalled)
        assert sprite.shape == (size, size, 4)
        assert sprite.min() >= 0
        assert sprite[..., 3].max() <= 1
        assert np.all(sprite[..., :3] <= 255 * sprite[..., 3:] + 1e-3)
