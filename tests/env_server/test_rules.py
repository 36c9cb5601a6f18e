"""Loading, delivering, requests, rewards and episodes: one rule or trap per test."""

from collections import Counter

import numpy as np
import pytest

from env_server.errors import WorldError
from env_server.warehouse.random import below, next_word
from env_server.warehouse.state import FORWARD, LEFT, NOOP, RIGHT, TOGGLE, UP

# shelves 0 to 3 in row 1, goals 0 and 1 in row 2
FLOOR = ".....\nxxxx.\n.gg.."
ON_GOAL_0, ON_GOAL_1 = (2, 1, UP), (2, 2, UP)


def test_toggle_loads_the_shelf_above_an_unloaded_robot(scene) -> None:
    floor = scene(FLOOR, [(1, 2, UP)])
    floor.act(TOGGLE)
    assert floor.of("carrying").tolist() == [2]


def test_toggle_where_no_shelf_stands_does_nothing(scene) -> None:
    floor = scene(FLOOR, [(0, 2, UP)])
    floor.act(TOGGLE)
    assert floor.of("carrying").tolist() == [-1]


def test_toggle_puts_a_load_down_in_any_slot(scene) -> None:
    floor = scene(FLOOR, [(1, 2, UP)], loads={0: 0}, shelves={2: (1, 0)})
    floor.act(TOGGLE)
    assert floor.of("carrying").tolist() == [-1]
    assert floor.of("shelf_cell").tolist()[0] == floor.cell(1, 2)


def test_toggle_on_the_highway_with_a_load_does_nothing(scene) -> None:
    floor = scene(FLOOR, [(0, 2, UP)], loads={0: 0}, reward="two-stage")
    floor.act(TOGGLE)
    assert floor.of("carrying").tolist() == [0]


@pytest.mark.parametrize(("reward", "paid"), [("individual", [1, 0]), ("global", [1, 1]), ("two-stage", [0.5, 0])])
def test_a_delivery_is_paid_by_kind_of_reward(scene, reward, paid) -> None:
    floor = scene(FLOOR, [ON_GOAL_0, (0, 0, UP)], loads={0: 0}, reward=reward)
    assert floor.act(NOOP, NOOP) == paid
    assert floor.world.metrics()["deliveries"].tolist() == [1, 0]


def test_a_shelf_nobody_asked_for_is_not_paid(scene) -> None:
    floor = scene(FLOOR, [ON_GOAL_0], loads={0: 0}, queue=[1])
    assert floor.act(NOOP) == [0]


def test_the_new_request_takes_the_old_ones_place_in_the_queue(scene) -> None:
    floor = scene(FLOOR, [ON_GOAL_0], loads={0: 1}, queue=[2, 1])
    floor.act(NOOP, draws=[3, -1])
    assert floor.of("queue").tolist() == [2, 3]


def test_the_delivered_shelf_is_not_requested_again_at_once(scene) -> None:
    floor = scene(FLOOR, [ON_GOAL_0], loads={0: 0}, queue=[0, 1, 2], copies=64)
    floor.step(NOOP)
    assert floor.world.state()["queue"][:, 0].tolist() == [3] * 64


def test_a_parked_robot_earns_again_when_its_shelf_is_requested_again(scene) -> None:
    floor = scene(FLOOR, [ON_GOAL_0, ON_GOAL_1], loads={0: 0, 1: 1}, queue=[0])
    assert floor.act(NOOP, NOOP, draws=[2, -1]) == [1, 0]
    assert floor.act(NOOP, NOOP) == [0, 0]
    floor = scene(FLOOR, [ON_GOAL_0], loads={0: 0}, queue=[0])
    state = floor.world.state()
    floor.act(NOOP)
    again = floor.world.state()
    again["queue"][:] = state["queue"]
    floor.world.set_state(again)
    assert floor.act(NOOP) == [1]


def test_a_shelf_just_drawn_is_paid_at_the_second_goal_in_the_same_step(scene) -> None:
    floor = scene(FLOOR, [ON_GOAL_0, ON_GOAL_1], loads={0: 0, 1: 1}, queue=[0])
    assert floor.act(NOOP, NOOP, draws=[1, 3]) == [1, 1]
    assert floor.of("queue").tolist() == [3]


def test_a_shelf_drawn_at_the_second_goal_waits_at_the_first_for_the_next_step(scene) -> None:
    floor = scene(FLOOR, [ON_GOAL_0, ON_GOAL_1], loads={0: 0, 1: 1}, queue=[1])
    assert floor.act(NOOP, NOOP, draws=[-1, 0]) == [0, 1]
    assert floor.act(NOOP, NOOP, draws=[2, -1]) == [1, 0]


def test_two_stage_pays_the_other_half_at_the_unload_in_any_slot_of_any_shelf(scene) -> None:
    floor = scene(FLOOR, [(2, 1, UP)], loads={0: 0}, shelves={1: (1, 0)}, reward="two-stage")
    assert floor.act(NOOP, draws=[3, -1]) == [0.5]
    assert floor.act(FORWARD) == [0]
    assert floor.act(TOGGLE) == [0.5]


def test_has_delivered_survives_repeated_deliveries_and_ends_at_the_unload(scene) -> None:
    robots = [(2, 1, UP), ON_GOAL_1]
    floor = scene(FLOOR, robots, loads={0: 0, 1: 2}, shelves={1: (1, 2)}, reward="two-stage", queue=[0])
    assert floor.act(NOOP, NOOP, draws=[3, -1]) == [0.5, 0]
    state = floor.world.state()
    state["queue"][:] = 0
    floor.world.set_state(state)
    assert floor.act(NOOP, NOOP, draws=[3, -1]) == [0.5, 0]
    assert floor.of("has_delivered").tolist() == [1, 0]
    floor.act(FORWARD, NOOP)
    assert floor.act(TOGGLE, NOOP) == [0.5, 0]
    assert floor.act(TOGGLE, NOOP) == [0, 0]
    assert floor.act(TOGGLE, NOOP) == [0, 0]


def test_an_unload_before_any_delivery_pays_nothing(scene) -> None:
    floor = scene(FLOOR, [(1, 2, UP)], loads={0: 2}, reward="two-stage")
    assert floor.act(TOGGLE) == [0]


def test_offline_robots_deliver_nothing_and_earn_nothing(scene) -> None:
    floor = scene(FLOOR, [ON_GOAL_0, ON_GOAL_1], loads={0: 0, 1: 1}, queue=[0, 1], reward="global")
    floor.world.set_body(0, "stalled")
    assert floor.act(NOOP, NOOP, draws=[-1, 2]) == [0, 1]
    assert floor.of("queue").tolist() == [0, 2]
    floor.world.set_body(0, "online")
    assert floor.act(NOOP, NOOP, draws=[3, -1]) == [1, 1]


# Bodies


def test_a_towed_robots_shelf_goes_into_the_nearest_free_slot(scene) -> None:
    floor = scene(FLOOR, [(0, 3, UP)], loads={0: 0})
    floor.world.set_body(0, "towed")
    assert floor.of("carrying").tolist() == [-1]
    assert floor.of("shelf_cell").tolist()[0] == floor.cell(1, 0)


def test_a_towed_robot_comes_back_where_it_was_or_beside(scene) -> None:
    floor = scene(FLOOR, [(0, 2, UP), (0, 1, RIGHT)])
    floor.world.set_body(0, "towed")
    floor.world.set_body(0, "online")
    assert floor.at()[0] == (0, 2)
    floor.world.set_body(0, "towed")
    floor.act(NOOP, FORWARD)
    floor.world.set_body(0, "online")
    row, column = floor.at()[0]
    assert abs(row - 0) + abs(column - 2) == 1
    assert floor.at()[1] == (0, 2)


def test_a_stalled_robot_keeps_its_load_and_can_be_towed_with_it(scene) -> None:
    floor = scene(FLOOR, [(0, 3, UP)], loads={0: 0})
    floor.world.set_body(0, "stalled")
    assert floor.of("carrying").tolist() == [0]
    floor.world.set_body(0, "towed")
    assert floor.of("cell").tolist() == [-1]
    floor.world.set_body(0, "stalled")
    assert floor.at() == [(0, 3)]


def test_a_towed_robot_stays_off_the_floor_over_a_new_episode(scene) -> None:
    floor = scene(FLOOR, [(0, 3, UP), (0, 0, UP)], max_steps=2)
    floor.world.set_body(0, "towed")
    floor.act(NOOP, NOOP)
    assert floor.step(NOOP, NOOP).truncated.all()
    assert floor.of("cell")[0] == -1
    floor.world.set_body(0, "online")
    assert floor.of("cell")[0] >= 0


@pytest.mark.parametrize(("robot", "body"), [(2, "towed"), (-1, "towed"), (0, "asleep")])
def test_an_unknown_robot_or_body_is_refused(scene, robot, body) -> None:
    floor = scene(FLOOR, [(0, 3, UP), (0, 0, UP)])
    with pytest.raises(WorldError, match="allowed"):
        floor.world.set_body(robot, body)


# Our own draws


def test_draws_below_a_bound_are_uniform() -> None:
    words = np.array([1, 2, 3, 4], np.uint64)
    for bound in (2, 3, 7, 40):
        counts = np.bincount([below(words, bound) for _ in range(bound * 500)], minlength=bound)
        assert len(counts) == bound
        chi_square = ((counts - 500) ** 2 / 500).sum()
        assert chi_square < bound + 5 * np.sqrt(2 * bound)


def test_the_generator_is_xoshiro256starstar() -> None:
    words = np.array([1, 2, 3, 4], np.uint64)  # first outputs of the authors' own program from this state
    assert [int(next_word(words)) for _ in range(4)] == [11520, 0, 1509978240, 1215971899390074240]


def test_new_requests_are_uniform_over_the_shelves_not_in_the_queue(scene) -> None:
    floor = scene(FLOOR, [ON_GOAL_0], loads={0: 0}, queue=[0], copies=900)
    floor.step(NOOP)
    counts = Counter(floor.world.state()["queue"][:, 0].tolist())
    assert sorted(counts) == [1, 2, 3]
    assert max(abs(count - 300) for count in counts.values()) < 75


def test_starts_headings_and_first_requests_are_uniform(scene) -> None:
    floor = scene(FLOOR, [(0, 0, UP), (0, 1, UP)], queue=[0, 1], copies=1000)
    floor.world.reset(5, floor.obs)
    state = floor.world.state()
    assert (state["cell"][:, 0] != state["cell"][:, 1]).all()
    assert (state["queue"][:, 0] != state["queue"][:, 1]).all()
    for values, kinds in ((state["cell"], 15), (state["heading"], 4), (state["queue"], 4)):
        for column in values.T:
            counts = np.bincount(column, minlength=kinds)
            expected = 1000 / kinds
            assert ((counts - expected) ** 2 / expected).sum() < kinds + 5 * np.sqrt(2 * kinds)


# Episodes and states


def test_the_time_limit_truncates_and_never_terminates(scene) -> None:
    floor = scene(FLOOR, [(2, 3, LEFT), (0, 0, RIGHT)], max_steps=3)
    for k in range(9):
        step = floor.step(NOOP, NOOP)
        assert not step.terminated.any()
        assert step.truncated.all() == (k % 3 == 2)
        assert step.truncated.any() == (k % 3 == 2)


def test_final_obs_is_where_the_episode_ended_and_out_where_the_next_begins(scene) -> None:
    floor = scene(FLOOR, [(0, 0, RIGHT)], max_steps=1, copies=40)
    step = floor.step(FORWARD)
    assert (step.final_obs[0, :, :2] == [1, 0]).all()
    cells = floor.world.state()["cell"][:, 0]
    assert (floor.obs[0, :, 0] == cells % 5).all()
    assert (floor.obs[0, :, 1] == cells // 5).all()
    assert len(set(cells.tolist())) > 5
    assert (floor.world.state()["clock"] == 0).all()


def test_staggered_copies_do_not_end_together(scene) -> None:
    floor = scene(FLOOR, [(0, 0, RIGHT)], max_steps=4, copies=4)
    floor.world = type(floor.world)(floor.world.config.model_copy(update={"stagger": True}))
    floor.world.reset(0, floor.obs)
    ended = [floor.step(NOOP).truncated[0].tolist().index(True) for _ in range(4)]
    assert ended == [3, 2, 1, 0]


def test_a_state_that_is_set_again_has_the_same_future(scene) -> None:
    floor = scene(FLOOR, [(0, 0, RIGHT), (2, 0, RIGHT), (1, 3, UP)], queue=[0, 1, 2], copies=8, max_steps=11)
    actions = np.random.default_rng(0).integers(0, 5, (60, 3, 8)).astype(np.uint8)
    state = floor.world.state()
    runs = []
    for _ in range(2):
        floor.world.set_state(state)
        run: list[np.ndarray] = []
        for action in actions:
            step = floor.world.step(action, floor.obs)
            run += [floor.obs.copy(), step.rewards.copy(), step.truncated.copy()]
        runs.append(run)
    for one, other in zip(*runs, strict=True):
        np.testing.assert_array_equal(one, other)


def test_state_gives_copies(scene) -> None:
    floor = scene(FLOOR, [(0, 0, RIGHT)])
    floor.world.state()["cell"][:] = 3
    assert floor.at() == [(0, 0)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cell", 15),
        ("cell", -1),
        ("heading", 4),
        ("carrying", 4),
        ("queue", -1),
        ("clock", 500),
        ("body", 3),
        ("left_at", 15),
        ("leg", 1),
        ("shelf_cell", 0),
        ("rng", 0),
    ],
)
def test_a_broken_state_is_refused_whole(scene, name, value) -> None:
    floor = scene(FLOOR, [(0, 0, RIGHT)])
    before = floor.world.state()
    state = floor.world.state()
    state["heading"][:] = LEFT
    state[name][...] = value
    with pytest.raises(WorldError, match="broken state"):
        floor.world.set_state(state)
    for kept, array in before.items():
        np.testing.assert_array_equal(floor.world.state()[kept], array)


def test_another_worlds_state_is_refused(scene) -> None:
    floor = scene(FLOOR, [(0, 0, RIGHT)])
    state = scene(FLOOR, [(0, 0, RIGHT), (0, 1, RIGHT)]).world.state()
    with pytest.raises(WorldError, match="cell is int32"):
        floor.world.set_state(state)
    with pytest.raises(WorldError, match="cell"):
        floor.world.set_state({name: array for name, array in floor.world.state().items() if name != "cell"})


def test_the_same_seed_starts_the_same_and_another_one_does_not(scene) -> None:
    floor = scene(FLOOR, [(0, 0, RIGHT)], copies=20)
    seen = []
    for seed in (1, 2, 1):
        floor.world.reset(seed, floor.obs)
        seen.append(floor.obs.copy())
    np.testing.assert_array_equal(seen[0], seen[2])
    assert (seen[0] != seen[1]).any()


def test_one_copy_does_not_depend_on_how_many_there_are(scene) -> None:
    few, many = (scene(FLOOR, [(0, 0, RIGHT)], copies=copies) for copies in (2, 5))
    few.world.reset(1, few.obs)
    many.world.reset(1, many.obs)
    np.testing.assert_array_equal(few.obs, many.obs[:, :2])


@pytest.mark.parametrize(
    "actions", [np.zeros((1, 2), np.uint8), np.zeros((2, 1), np.uint8), np.zeros((1, 1), np.int64)]
)
def test_actions_of_another_shape_or_type_are_refused(scene, actions) -> None:
    floor = scene(FLOOR, [(0, 0, RIGHT)])
    with pytest.raises(WorldError, match="allowed"):
        floor.world.step(actions, floor.obs)


@pytest.mark.parametrize("action", [5, 6, 255])
def test_an_action_outside_the_space_is_a_noop_and_counted(scene, action) -> None:
    """Broken by counting nothing."""
    floor, still = (scene(FLOOR, [(1, 2, UP), (0, 0, RIGHT)]) for _ in range(2))
    floor.act(action, FORWARD)
    still.act(NOOP, FORWARD)
    assert all(np.array_equal(array, still.world.state()[name]) for name, array in floor.world.state().items())
    assert floor.world.metrics()["illegal"].tolist() == [1, 0]
    assert still.world.metrics()["illegal"].tolist() == [0, 0]
