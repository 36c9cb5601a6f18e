"""The handoff task: against a slow version, one situation at a time, and what every world promises."""

import numpy as np
import pytest

from env_server.errors import SetupError, WorldError
from env_server.handoff.setup import build_floor
from env_server.handoff.world import Handoff
from env_server.protocol import Step
from env_server.worlds import make_world, resolve, survey
from fleet.core.config.world import WorldConfig
from fleet.core.errors import BadInput
from tests.env_server.slow_handoff import SlowHandoff

UP, DOWN, LEFT, RIGHT = range(4)
NOOP, FORWARD, TURN_LEFT, TURN_RIGHT, TOGGLE = range(5)
CROWDED = {"pairs": 3, "lane": 2, "depth": 2, "penalty": 0.75, "blocked_steps": 2, "share": 0.25}
GIVER, RECEIVER, POINT, STATION, PICKUP = (1, 1), (3, 1), (2, 1), (4, 2), (0, 0)


def make(copies: int = 1, max_steps: int = 500, sensor_range: int = 1, **table: object) -> tuple[Handoff, np.ndarray]:
    given = {"kind": "handoff", "worlds": copies, "max_steps": max_steps, "sensor_range": sensor_range}
    world = Handoff(WorldConfig.model_validate(given | {"stagger": False, "dense_scale": 0.125, "handoff": table}))
    spec = world.spec
    obs = np.zeros((spec.robots, spec.worlds, spec.observation_size), spec.observation_dtype)
    world.reset(3, obs)
    return world, obs


class Scene:
    """One pair on a floor 3 wide and 5 high, each robot at its place and facing the point: (row, column)."""

    def __init__(self, *, giver_loaded: bool = True, receiver_loaded: bool = False, blocked: int = 0, **given: object):
        self.world, self.obs = make(**{"lane": 3, "depth": 2, "penalty": 2.0, **given})
        self.place(
            cell=(GIVER, RECEIVER),
            heading=(DOWN, UP),
            loaded=(giver_loaded, receiver_loaded),
            target=(POINT if giver_loaded else PICKUP, STATION if receiver_loaded else POINT),
            blocked=(blocked,),
        )

    def place(self, **arrays: object) -> None:
        state = self.world.state()
        for name, value in arrays.items():
            value = np.array(value)
            state[name][:] = value @ (self.world.floor.width, 1) if value.ndim == 2 else value
        self.world.set_state(state)
        self.world.observe(self.obs)

    def act(self, *actions: int) -> list[float]:
        return self.world.step(np.array(actions, np.uint8)[:, None], self.obs).rewards[:, 0].tolist()

    def of(self, name: str) -> list[int]:
        return self.world.state()[name][0].tolist()


@pytest.mark.slow
@pytest.mark.parametrize("absent_costs", [True, False])
def test_it_does_as_a_slow_obvious_version_does(absent_costs) -> None:
    world, obs = make(3, absent_costs=absent_costs, **CROWDED)
    dice, width, robots = np.random.default_rng(5), world.floor.width, world.spec.robots
    state = world.state()
    slow = []
    for e in range(3):
        at = [divmod(int(cell), width) for cell in state["cell"][e]]
        slow.append(SlowHandoff(world.config.handoff, 0.125, at, state["heading"][e].tolist()))
        slow[e].target = [divmod(int(cell), width) for cell in state["target"][e]]
    for number in range(450):
        if number in (300, 360):
            world.set_body(2, "stalled" if number == 300 else "online")
            for copy in slow:
                copy.online[2] = number != 300
        wise = dice.random((robots, 3)) < 0.85
        actions = np.array(
            [
                [slow[e].wise(n, dice) if wise[n, e] else dice.choice([0, 1, 2, 3, 4, 7]) for e in range(3)]
                for n in range(robots)
            ],
            np.uint8,
        )
        rewards = world.step(actions, obs).rewards
        state = world.state()
        for e, copy in enumerate(slow):
            targets = [divmod(int(cell), width) for cell in state["target"][e]]
            expected = copy.step(actions[:, e].tolist(), targets.__getitem__)
            assert rewards[:, e].tolist() == pytest.approx(expected)
            assert [divmod(int(cell), width) for cell in state["cell"][e]] == copy.at
            assert targets == copy.target
            assert all(target in [*copy.ends(n), copy.point(n)] for n, target in enumerate(targets))
            assert state["heading"][e].tolist() == copy.headings
            assert state["loaded"][e].tolist() == copy.loaded
            assert state["blocked"][e].tolist() == copy.blocked
            assert state["deliveries"][e].tolist() == copy.deliveries
            assert obs[:, e, -10:].tolist() == [copy.features(n) for n in range(robots)]
            places = [[column, row] for row, column in copy.at]
            assert obs[:, e, :2].tolist() == [at if on else [0, 0] for at, on in zip(places, copy.online, strict=True)]
    assert min(world.metrics()["deliveries"]) > 3, "enough happened"
    assert world.metrics()["illegal"].sum() > 0


def test_both_toggle_and_the_load_is_through() -> None:
    scene = Scene(share=0.25)
    assert scene.act(TOGGLE, TOGGLE) == [0.25, 0.25]
    assert scene.of("loaded") == [0, 1]
    assert scene.of("target")[0] in (0, 1, 2)
    assert scene.of("target")[1] in (12, 13, 14)
    assert scene.of("blocked") == [0]


@pytest.mark.parametrize("lone", [0, 1])
@pytest.mark.parametrize("other", [NOOP, FORWARD, TURN_LEFT])
def test_a_lone_toggle_costs_whoever_toggled_and_blocks_the_point(lone, other) -> None:
    scene = Scene(blocked_steps=2)
    actions = [TOGGLE, other] if lone == 0 else [other, TOGGLE]
    assert scene.act(*actions) == [-2.0 * (lone == 0), -2.0 * (lone == 1)]
    assert scene.of("loaded") == [1, 0]
    assert scene.of("blocked") == [2]
    assert scene.obs[:, 0, 75].tolist() == [2, 2]


def test_a_blocked_point_lets_nothing_through_and_costs_nothing_for_as_long_as_that() -> None:
    scene = Scene(blocked_steps=3)
    assert scene.act(TOGGLE, NOOP) == [-2.0, 0.0]
    for actions in ((TOGGLE, TOGGLE), (NOOP, TOGGLE), (TOGGLE, TOGGLE)):
        assert scene.act(*actions) == [0.0, 0.0]
        assert scene.of("loaded") == [1, 0]
    assert scene.act(TOGGLE, TOGGLE) == [0.5, 0.5]


def test_without_blocked_steps_the_next_step_is_good() -> None:
    scene = Scene(blocked_steps=0)
    assert scene.act(TOGGLE, NOOP) == [-2.0, 0.0]
    assert scene.act(TOGGLE, TOGGLE) == [0.5, 0.5]


@pytest.mark.parametrize(
    ("given", "rewards"),
    [
        ({"giver_loaded": False}, [0.0, -2.0]),
        ({"receiver_loaded": True}, [-2.0, 0.0]),
        ({"giver_loaded": False, "receiver_loaded": True}, [0.0, 0.0]),
    ],
)
def test_only_a_loaded_giver_and_an_empty_receiver_attempt(given, rewards) -> None:
    scene = Scene(**given)
    before = scene.of("loaded")
    assert scene.act(TOGGLE, TOGGLE) == rewards
    assert scene.of("loaded") == before


@pytest.mark.parametrize("toggles", [0, 1])
def test_without_absent_costs_only_a_ready_partner_makes_a_toggle_an_attempt(toggles) -> None:
    scene = Scene(absent_costs=False)
    actions = [TOGGLE if n == toggles else NOOP for n in range(2)]
    scene.place(heading=(DOWN, LEFT) if toggles == 0 else (LEFT, UP))
    assert scene.act(*actions) == [0.0, 0.0]
    assert scene.of("blocked") == [0]
    scene.place(heading=(DOWN, UP))
    assert scene.act(*actions)[toggles] == -2.0


@pytest.mark.parametrize("turned", [0, 1])
def test_who_does_not_face_the_point_does_not_attempt(turned) -> None:
    scene = Scene()
    scene.place(heading=(LEFT, UP) if turned == 0 else (DOWN, RIGHT))
    assert scene.act(TOGGLE, TOGGLE) == [-2.0 * (turned == 1), -2.0 * (turned == 0)]


def test_who_is_not_at_the_place_does_not_attempt() -> None:
    scene = Scene()
    scene.place(cell=(GIVER, (3, 0)))
    assert scene.act(TOGGLE, TOGGLE) == [-2.0, 0.0]


def test_nobody_gets_through_the_wall_or_the_point() -> None:
    scene = Scene()
    scene.act(FORWARD, FORWARD)
    assert scene.of("cell") == [4, 10]


def test_a_giver_loads_at_its_order_and_nowhere_else() -> None:
    scene = Scene(giver_loaded=False)
    scene.place(cell=((0, 1), RECEIVER))
    assert scene.act(TOGGLE, NOOP) == [0.0, 0.0]
    assert scene.of("loaded") == [0, 0]
    scene.place(cell=(PICKUP, RECEIVER))
    assert scene.act(TOGGLE, NOOP) == [0.0, 0.0]
    assert scene.of("loaded") == [1, 0]
    assert scene.of("target") == [7, 7]


def test_a_delivery_pays_and_counts_for_both() -> None:
    scene = Scene(giver_loaded=False, receiver_loaded=True, share=0.25)
    scene.place(cell=(GIVER, STATION))
    assert scene.act(NOOP, TOGGLE) == [0.75, 0.75]
    assert scene.world.metrics()["deliveries"].tolist() == [1, 1]
    assert scene.world.metrics()["deliveries_by_copy"].tolist() == [[1], [1]]


@pytest.mark.parametrize("body", ["stalled", "towed"])
def test_an_offline_robot_sees_nothing_is_paid_nothing_and_hands_nothing_over(body) -> None:
    scene = Scene()
    scene.world.set_body(0, body)
    assert scene.act(TOGGLE, TOGGLE) == [0.0, -2.0]
    assert not scene.obs[0].any()
    assert scene.obs[1, 0, 74] == 0, "its partner isn't ready"
    assert scene.world.bodies == (body, "online")
    assert scene.of("cell") == [4 if body == "stalled" else -1, 10]
    assert scene.of("loaded") == [int(body == "stalled"), 0]
    scene.world.set_body(0, "online")
    assert scene.of("cell") == [4, 10]


@pytest.mark.parametrize(("towed", "taken", "others", "free"), [(0, 2, (6, 2, 7), (0, 3)), (1, 7, (0, 1, 7), (6, 9))])
def test_a_towed_robot_comes_back_on_its_own_side(towed, taken, others, free) -> None:
    world, _ = make(pairs=2, lane=1, depth=2)
    world.set_body(towed, "towed")
    state = world.state()
    state["left_at"][0, towed] = taken
    state["cell"][0, [n for n in range(4) if n != towed]] = others
    world.set_state(state)
    world.set_body(towed, "online")
    assert world.state()["cell"][0, towed] in free


def test_an_episode_begins_in_the_lane_without_loads_and_ends_at_its_time() -> None:
    world, obs = make(4, 20, **CROWDED)
    homes = world._pairs.homes
    world.set_body(4, "towed")
    for _ in range(3):
        state = world.state()
        where = np.where(state["cell"] == -1, state["left_at"], state["cell"])
        assert all(where[e, n] in homes[n] for e in range(4) for n in range(6))
        assert not state["loaded"].any()
        assert not state["blocked"].any()
        steps = [play(world, obs, seed) for seed in range(20)]
        assert [step.truncated.all() for step in steps] == [False] * 19 + [True]
        assert not any(step.terminated.any() for step in steps)


def play(world: Handoff, obs: np.ndarray, seed: int) -> Step:
    actions = np.random.default_rng(seed).integers(0, 5, obs.shape[:2], dtype=np.uint8)
    step = world.step(actions, obs)
    return Step(step.rewards.copy(), step.terminated.copy(), step.truncated.copy(), step.final_obs.copy())


def test_stagger_spreads_the_first_ends() -> None:
    config = {"kind": "handoff", "worlds": 4, "max_steps": 20, "stagger": True}
    world = make_world(WorldConfig.model_validate(config))
    world.reset(1, np.zeros((2, 4, world.spec.observation_size), np.int8))
    assert world.state()["clock"].tolist() == [0, 5, 10, 15]


def test_it_goes_on_from_a_state_exactly_in_another_world_too() -> None:
    (world, obs), (other, seen) = (make(3, 25, **CROWDED) for _ in range(2))
    for seed in range(10):
        play(world, obs, seed)
    world.set_body(1, "towed")
    other.set_state(world.state())
    other.observe(seen)
    world.observe(obs)
    for seed in range(40):
        assert (seen == obs).all()
        ours, theirs = play(world, obs, seed), play(other, seen, seed)
        assert all(np.array_equal(a, b) for a, b in zip(vars(ours).values(), vars(theirs).values(), strict=True))
    assert all((array == other.state()[name]).all() for name, array in world.state().items())


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("cell", 10, "other side of the wall|two robots"),
        ("cell", 7, "blocked cell"),
        ("target", 4, "doesn't go with loaded"),
        ("loaded", 2, "loaded is"),
        ("blocked", 4, "blocked is"),
        ("clock", 500, "clock is"),
        ("rng", 0, "zeros for ever"),
    ],
)
def test_a_broken_state_is_refused_whole(name, value, said) -> None:
    scene = Scene()
    before = scene.world.state()
    broken = scene.world.state()
    broken[name][..., :1] = value
    if name == "rng":
        broken[name][:] = 0
    with pytest.raises(WorldError, match=said):
        scene.world.set_state(broken)
    assert all((array == before[name]).all() for name, array in scene.world.state().items())


@pytest.mark.parametrize(
    ("table", "dtype"), [(CROWDED, np.int8), ({"pairs": 44, "lane": 3, "blocked_steps": 100, "depth": 2}, np.int16)]
)
def test_observations_stay_within_their_bounds(table, dtype) -> None:
    world, obs = make(2, 60, sensor_range=2, **table)
    spec = world.spec
    assert obs.dtype == dtype
    assert spec.bound.shape == (spec.observation_size,)
    for seed in range(100):
        play(world, obs, seed)
        assert (np.abs(obs.astype(np.int64)) <= spec.bound).all()


def test_a_survey_foretells_the_world() -> None:
    for table in (CROWDED, {"pairs": 44}):
        config = WorldConfig.model_validate({"kind": "handoff", "handoff": table})
        known, spec = survey(config), make_world(config).spec
        assert (known.observation_size, known.itemsize) == (spec.observation_size, spec.observation_dtype.itemsize)
        assert (known.config.robots, known.actions) == (spec.robots, spec.actions)
        assert resolve(config) == known.config == resolve(known.config)
    assert survey(config.model_copy(update={"worlds": 64})).bytes > 3 * known.bytes


def test_robots_without_partners_are_refused() -> None:
    with pytest.raises(SetupError, match=r"robots = 3 with world.handoff.pairs = 1; allowed is two per pair: 2"):
        resolve(WorldConfig.model_validate({"kind": "handoff", "robots": 3}))


def test_planners_have_nothing_to_follow_here() -> None:
    scene = Scene()
    assert scene.world.floor_view().blocked[2].all()
    with pytest.raises(BadInput, match="no orders that a planner could follow"):
        scene.world.traffic_view()


def test_a_picture_shows_a_blocked_point() -> None:
    free, blocked = Scene(), Scene(blocked=1)
    assert (free.world.render() != blocked.world.render()).any()


def test_each_pair_has_its_lane() -> None:
    floor = build_floor(WorldConfig.model_validate({"kind": "handoff", "handoff": {"pairs": 2, "lane": 3, "depth": 2}}))
    assert (floor.height, floor.width) == (5, 6)
    world, _ = make(pairs=2, lane=3, depth=2)
    assert world._pairs.point.tolist() == [13, 13, 16, 16]
    assert world._pairs.ends.tolist() == [[0, 1, 2], [24, 25, 26], [3, 4, 5], [27, 28, 29]]
