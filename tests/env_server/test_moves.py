"""Who may move: one situation per test, as DESIGN 6 and RWARE have it."""

from itertools import permutations

import pytest

from env_server.warehouse.state import DOWN, FORWARD, LEFT, NOOP, RIGHT, TOGGLE, TURN_LEFT, TURN_RIGHT, UP

OPEN = ".....\n.....\n.....\n.....\nxxg.."  # shelves 0 and 1 out of the way in the lower left corner
ALL = (FORWARD,) * 9


def test_a_robot_drives_into_a_free_cell_in_each_heading(scene) -> None:
    floor = scene(OPEN, [(1, 0, UP), (0, 2, DOWN), (2, 2, LEFT), (3, 2, RIGHT)])
    floor.act(*ALL[:4])
    assert floor.at() == [(0, 0), (1, 2), (2, 1), (3, 3)]


def test_turns_go_round_in_both_directions(scene) -> None:
    floor = scene(OPEN, [(0, 0, UP), (0, 2, UP)])
    seen = []
    for _ in range(4):
        floor.act(TURN_LEFT, TURN_RIGHT)
        seen.append(tuple(floor.of("heading").tolist()))
    assert seen == [(LEFT, RIGHT), (DOWN, DOWN), (RIGHT, LEFT), (UP, UP)]


@pytest.mark.parametrize(("row", "column", "heading"), [(0, 2, UP), (4, 2, DOWN), (2, 0, LEFT), (2, 4, RIGHT)])
def test_a_robot_facing_the_wall_stays_and_holds_up_the_one_behind(scene, row, column, heading) -> None:
    behind = {UP: (1, 0), DOWN: (-1, 0), LEFT: (0, 1), RIGHT: (0, -1)}[heading]
    floor = scene(OPEN, [(row, column, heading), (row + behind[0], column + behind[1], heading)])
    floor.act(FORWARD, FORWARD)
    assert floor.at() == [(row, column), (row + behind[0], column + behind[1])]


def test_all_behind_a_robot_that_stays_fail(scene) -> None:
    floor = scene(OPEN, [(1, 2, RIGHT), (1, 1, RIGHT), (1, 0, RIGHT), (0, 1, DOWN)])
    floor.act(NOOP, FORWARD, FORWARD, FORWARD)
    assert floor.at() == [(1, 2), (1, 1), (1, 0), (0, 1)]


@pytest.mark.parametrize("action", [TURN_LEFT, TURN_RIGHT, TOGGLE])
def test_a_robot_that_turns_or_toggles_stays_where_it_is(scene, action) -> None:
    floor = scene(OPEN, [(1, 2, RIGHT), (1, 1, RIGHT)])
    floor.act(action, FORWARD)
    assert floor.at() == [(1, 2), (1, 1)]


def test_a_chain_into_a_free_cell_moves_as_one(scene) -> None:
    floor = scene(OPEN, [(1, 1, RIGHT), (1, 2, RIGHT), (1, 3, RIGHT)])
    floor.act(*ALL[:3])
    assert floor.at() == [(1, 2), (1, 3), (1, 4)]


def test_two_robots_facing_each_other_do_not_swap_nor_does_their_tail(scene) -> None:
    floor = scene(OPEN, [(1, 1, RIGHT), (1, 2, LEFT), (1, 0, RIGHT), (0, 2, DOWN)])
    floor.act(*ALL[:4])
    assert floor.at() == [(1, 1), (1, 2), (1, 0), (0, 2)]


def test_members_of_a_longer_cycle_move_and_its_tail_does_not(scene) -> None:
    floor = scene(OPEN, [(1, 1, RIGHT), (1, 2, DOWN), (2, 2, LEFT), (2, 1, UP), (1, 0, RIGHT)])
    floor.act(*ALL[:5])
    assert floor.at() == [(1, 2), (2, 2), (2, 1), (1, 1), (1, 0)]


def test_only_the_longest_chain_enters_a_free_cell(scene) -> None:
    floor = scene(OPEN, [(1, 2, RIGHT), (0, 3, DOWN), (1, 1, RIGHT), (2, 3, UP)])
    floor.act(*ALL[:4])
    assert floor.at() == [(1, 3), (0, 3), (1, 2), (2, 3)]


def test_only_the_longest_branch_follows_at_a_merge_within_a_chain(scene) -> None:
    floor = scene(OPEN, [(1, 3, RIGHT), (1, 2, RIGHT), (0, 3, DOWN), (1, 1, RIGHT)])
    floor.act(*ALL[:4])
    assert floor.at() == [(1, 4), (1, 3), (0, 3), (1, 2)]


TIED = [(2, 1, RIGHT), (2, 3, LEFT), (1, 2, DOWN), (3, 2, UP)]


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_a_tie_goes_by_direction_of_entry_whatever_the_robots_numbers(scene, order) -> None:
    floor = scene(OPEN, [TIED[k] for k in order])
    floor.act(*ALL[:4])
    moved = [k for k, at in zip(order, floor.at(), strict=True) if at == (2, 2)]
    assert [TIED[k][2] for k in moved] == [UP]


@pytest.mark.parametrize(("present", "winner"), [((0, 1, 2), DOWN), ((0, 1), LEFT)])
def test_ties_go_up_then_down_then_left_then_right(scene, present, winner) -> None:
    floor = scene(OPEN, [TIED[k] for k in present])
    floor.act(*ALL[: len(present)])
    assert [TIED[k][2] for k, at in zip(present, floor.at(), strict=True) if at == (2, 2)] == [winner]


@pytest.mark.parametrize("first", [0, 1])
def test_a_tie_at_an_inner_merge_goes_by_direction_too(scene, first) -> None:
    rivals = [(0, 3, DOWN), (1, 2, RIGHT)]
    floor = scene(OPEN, [(1, 3, RIGHT), rivals[first], rivals[1 - first]])
    floor.act(*ALL[:3])
    assert floor.at()[1 + first] == (1, 3)
    assert floor.at()[2 - first] == (1, 2)


# Under load. Shelf 0 is carried by robot 0 in (1, 1), facing right; shelf 1 is in its way in (1, 2) or so.


def test_a_loaded_robot_cannot_enter_a_standing_shelfs_cell(scene) -> None:
    floor = scene(OPEN, [(1, 1, RIGHT)], loads={0: 0}, shelves={1: (1, 2)})
    floor.act(FORWARD)
    assert floor.at() == [(1, 1)]


def test_an_unloaded_robot_passes_under_a_standing_shelf(scene) -> None:
    floor = scene(OPEN, [(1, 1, RIGHT)], shelves={1: (1, 2)})
    floor.act(FORWARD)
    assert floor.at() == [(1, 2)]


def test_a_loaded_robot_follows_one_that_carries_its_shelf_away(scene) -> None:
    floor = scene(OPEN, [(1, 1, RIGHT), (1, 2, RIGHT)], loads={0: 0, 1: 1})
    floor.act(FORWARD, FORWARD)
    assert floor.at() == [(1, 2), (1, 3)]
    assert floor.of("shelf_cell").tolist() == [floor.cell(1, 2), floor.cell(1, 3)]


def test_a_robot_that_leaves_the_shelf_unloaded_still_blocks_a_loaded_one(scene) -> None:
    floor = scene(OPEN, [(1, 1, RIGHT), (1, 2, RIGHT)], loads={0: 0}, shelves={1: (1, 2)})
    floor.act(FORWARD, FORWARD)
    assert floor.at() == [(1, 1), (1, 3)]


def test_a_robot_that_loads_in_this_step_still_blocks_a_loaded_one(scene) -> None:
    floor = scene(OPEN, [(1, 1, RIGHT), (1, 2, RIGHT)], loads={0: 0}, shelves={1: (1, 2)})
    floor.act(FORWARD, TOGGLE)
    assert floor.at() == [(1, 1), (1, 2)]
    assert floor.of("carrying").tolist() == [0, 1]


def test_a_robot_whose_way_a_shelf_bars_counts_as_standing(scene) -> None:
    floor = scene(OPEN, [(1, 1, RIGHT), (1, 0, RIGHT)], loads={0: 0}, shelves={1: (1, 2)})
    floor.act(FORWARD, FORWARD)
    assert floor.at() == [(1, 1), (1, 0)]


def test_a_barred_robot_leaves_the_cell_to_a_shorter_chain(scene) -> None:
    floor = scene(OPEN, [(1, 1, RIGHT), (1, 0, RIGHT), (0, 2, DOWN)], loads={0: 0}, shelves={1: (1, 2)})
    floor.act(*ALL[:3])
    assert floor.at() == [(1, 1), (1, 0), (1, 2)]


def test_loaded_robots_move_round_a_cycle(scene) -> None:
    robots = [(1, 1, RIGHT), (1, 2, DOWN), (2, 2, LEFT), (2, 1, UP)]
    floor = scene(OPEN, robots, loads={0: 0, 2: 1})
    floor.act(*ALL[:4])
    assert floor.at() == [(1, 2), (2, 2), (2, 1), (1, 1)]
    assert floor.of("shelf_cell").tolist() == [floor.cell(1, 2), floor.cell(2, 1)]


def test_a_stalled_robot_is_an_obstacle_and_ignores_its_actions(scene) -> None:
    floor = scene(OPEN, [(1, 2, RIGHT), (1, 1, RIGHT)])
    floor.world.set_body(0, "stalled")
    floor.act(FORWARD, FORWARD)
    floor.act(TURN_LEFT, NOOP)
    assert floor.at() == [(1, 2), (1, 1)]
    assert floor.of("heading").tolist() == [RIGHT, RIGHT]


def test_a_towed_robots_cell_is_free(scene) -> None:
    floor = scene(OPEN, [(1, 2, RIGHT), (1, 1, RIGHT)])
    floor.world.set_body(0, "towed")
    floor.act(FORWARD, FORWARD)
    assert floor.at()[1] == (1, 2)
    assert floor.of("cell")[0] == -1


def test_a_blocked_cell_of_a_map_is_a_wall(scene, tmp_path) -> None:
    path = tmp_path / "small.map"
    path.write_text("type octile\nheight 3\nwidth 4\nmap\nS..E\n.@..\n....\n")
    floor = scene(None, [(0, 1, DOWN), (0, 2, DOWN)], map=str(path), dispatch="nearest")
    floor.act(FORWARD, FORWARD)
    assert floor.at() == [(0, 1), (1, 2)]
