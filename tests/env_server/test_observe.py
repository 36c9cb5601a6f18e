"""RWARE's flattened observation, number by number, and the arrays it is written into."""

import numpy as np
import pytest

from env_server.errors import WorldError
from env_server.warehouse.state import DOWN, FORWARD, LEFT, NOOP, RIGHT, TOGGLE, UP

FLOOR = ".....\nxxxx.\n.gg.."
EMPTY = [0, 1, 0, 0, 0, 0, 0]


def window(obs, row, column, sight=1):
    """The seven numbers of the cell that many rows and columns away."""
    side = 2 * sight + 1
    first = 8 + 7 * ((row + sight) * side + column + sight)
    return obs[first : first + 7].tolist()


def test_it_starts_with_column_and_row_load_heading_and_highway(scene) -> None:
    floor = scene(FLOOR, [(0, 4, LEFT), (1, 2, DOWN)], loads={0: 0})
    assert floor.obs[0, 0, :8].tolist() == [4, 0, 1, 0, 0, 1, 0, 1]
    assert floor.obs[1, 0, :8].tolist() == [2, 1, 0, 0, 1, 0, 0, 0]
    assert floor.obs.shape[2] == 71


@pytest.mark.parametrize("heading", [UP, DOWN, LEFT, RIGHT])
def test_headings_are_in_the_order_up_down_left_right(scene, heading) -> None:
    floor = scene(FLOOR, [(0, 2, heading)])
    assert floor.obs[0, 0, 3:7].tolist() == np.eye(4)[heading].tolist()


def test_empty_cells_and_those_off_the_floor_read_heading_up(scene) -> None:
    floor = scene(FLOOR, [(0, 4, LEFT)])
    assert window(floor.obs[0, 0], 0, -1) == EMPTY
    assert window(floor.obs[0, 0], -1, 1) == EMPTY


def test_the_window_holds_the_robot_itself_and_does_not_turn_with_it(scene) -> None:
    for heading in (UP, DOWN, LEFT, RIGHT):
        floor = scene(FLOOR, [(0, 2, heading), (0, 3, DOWN)])
        assert window(floor.obs[0, 0], 0, 0) == [1, *np.eye(4)[heading].astype(int).tolist(), 0, 0]
        assert window(floor.obs[0, 0], 0, 1) == [1, 0, 1, 0, 0, 0, 0]
        assert window(floor.obs[0, 0], 1, 0) == [0, 1, 0, 0, 0, 1, 0]


def test_a_carried_shelf_counts_as_shelf_and_as_requested_if_it_is(scene) -> None:
    floor = scene(FLOOR, [(0, 2, UP), (0, 3, UP)], loads={0: 0, 1: 1}, queue=[1])
    assert window(floor.obs[0, 0], 0, 0) == [1, 1, 0, 0, 0, 1, 0]
    assert window(floor.obs[0, 0], 0, 1) == [1, 1, 0, 0, 0, 1, 1]


def test_what_moves_and_what_is_asked_for_is_seen_in_the_next_observation(scene) -> None:
    floor = scene(FLOOR, [(2, 1, UP), (2, 3, LEFT)], loads={0: 0}, queue=[0])
    floor.act(NOOP, FORWARD, draws=[2, -1])
    assert window(floor.obs[0, 0], 0, 0) == [1, 1, 0, 0, 0, 1, 0]  # delivered, so no longer requested
    assert window(floor.obs[0, 0], -1, 1) == [0, 1, 0, 0, 0, 1, 1]  # shelf 2 is, in its slot
    assert window(floor.obs[0, 0], 0, 1) == [1, 0, 0, 1, 0, 0, 0]
    assert window(floor.obs[0, 0], 0, 2 - 1) != EMPTY


@pytest.mark.parametrize("sight", [1, 2, 3, 4, 5])
def test_every_sensor_range_sees_as_far_as_it_says(scene, sight) -> None:
    corridor = "." * 13 + "\nxxg" + "." * 10
    floor = scene(corridor, [(0, 6, UP), (0, 6 + sight, DOWN)], sensor_range=sight)
    assert floor.obs.shape[2] == 8 + 7 * (2 * sight + 1) ** 2
    assert window(floor.obs[0, 0], 0, sight, sight) == [1, 0, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("body", ["stalled", "towed"])
def test_an_offline_robot_observes_zeros(scene, body) -> None:
    floor = scene(FLOOR, [(0, 2, UP), (0, 3, UP)])
    floor.world.set_body(0, body)
    floor.act(NOOP, NOOP)
    assert not floor.obs[0].any()
    assert window(floor.obs[1, 0], 0, -1)[0] == (body == "stalled")
    floor.world.set_body(0, "online")
    floor.act(NOOP, NOOP)
    assert floor.obs[0, 0, :2].tolist() == [2, 0]


def test_what_is_seen_is_kept_up_to_date_over_bodies_loads_and_turns(scene) -> None:
    floor = scene(FLOOR, [(0, 0, RIGHT), (1, 1, UP), (2, 3, LEFT), (1, 3, UP)], queue=[0, 2], copies=3)
    generator = np.random.default_rng(2)
    fresh = floor.obs.copy()
    for k in range(300):
        actions = generator.choice([0, 1, 1, 2, 3, 4], (4, 3)).astype(np.uint8)
        floor.world.step(actions, floor.obs)
        if k % 20 == 0:
            floor.world.set_body(int(generator.integers(4)), ("online", "stalled", "towed")[k // 20 % 3])
            floor.world.observe(floor.obs)
        floor.world.set_state(floor.world.state())  # makes all that is derived anew
        floor.world.observe(fresh)
        np.testing.assert_array_equal(floor.obs, fresh)


def test_the_type_is_the_smallest_that_holds_every_value(scene) -> None:
    wide, wider = "." * 127, "." * 128
    assert scene(f"{wide}\nxxg{wide[3:]}", [(0, 126, UP)]).obs.dtype == np.int8
    floor = scene(f"{wider}\nxxg{wider[3:]}", [(0, 127, UP)])
    assert floor.obs.dtype == np.int16
    assert floor.obs[0, 0, 0] == 127


def test_the_bound_holds_what_is_ever_seen(scene) -> None:
    floor = scene(FLOOR, [(2, 4, UP)])
    assert floor.world.spec.bound[:3].tolist() == [4, 2, 1]
    assert (np.abs(floor.obs) <= floor.world.spec.bound).all()


@pytest.mark.parametrize("dtype_layout", ["steps", "copies first"])
def test_any_layout_with_packed_rows_is_written_to_and_nothing_else(scene, dtype_layout) -> None:
    floor = scene(FLOOR, [(0, 0, RIGHT), (0, 2, LEFT)], copies=3)
    if dtype_layout == "steps":
        whole = np.full((2, 5, 3, 71), 99, np.int8)
        out = whole[:, 2]
    else:
        whole = np.full((3, 2, 80), 99, np.int8)
        out = whole[:, :, :71].swapaxes(0, 1)
    floor.world.observe(out)
    np.testing.assert_array_equal(out, floor.obs)
    assert (whole == 99).sum() == whole.size - out.size


@pytest.mark.parametrize(
    "out",
    [
        np.zeros((1, 1, 70), np.int8),
        np.zeros((1, 1, 71), np.int16),
        np.zeros((1, 1, 142), np.int8)[:, :, ::2],
        np.zeros((1, 1, 71), np.int8)[:, :, ::-1],
    ],
)
def test_an_array_it_cannot_write_to_is_refused(scene, out) -> None:
    floor = scene(FLOOR, [(0, 0, RIGHT)])
    with pytest.raises(WorldError, match="out"):
        floor.world.step(np.array([[TOGGLE]], np.uint8), out)


def test_an_array_that_cannot_be_changed_is_refused(scene) -> None:
    floor = scene(FLOOR, [(0, 0, RIGHT)])
    floor.obs.flags.writeable = False
    with pytest.raises(WorldError, match="writable"):
        floor.world.observe(floor.obs)
