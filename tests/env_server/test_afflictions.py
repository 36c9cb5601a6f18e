"""Blind sensors, slow wheels, garbled commands and bodies that are off, in a real warehouse.

Each is held to a slow version that steps a world of its own. Broken on purpose by: recording what came of an action
instead of what was chosen, blinding only the next round, not looking again after a body was taken off, drawing by
robot count instead of robot number.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from actors.acting import uniforms
from actors.stacked import StackedPolicy
from env_server.afflictions import FORWARD, ILLEGAL, NOOP, Afflictions, afflictions_of
from env_server.collect import Collector, Round
from env_server.protocol import Body, Step, World
from env_server.warehouse import state
from env_server.worlds import make_world
from fleet.core.config import NetworkConfig, WorldConfig
from fleet.core.faults.strike import Strike
from fleet.core.seeds import generator
from fleet.core.spec import Array, WorldSpec

SEED, STEPS, ROBOTS, COPIES = 5, 25, 3, 4
TABLE = {"shelf_columns": 3, "shelf_rows": 1, "column_height": 2, "robots": ROBOTS, "worlds": COPIES, "max_steps": 17}
CONFIG = WorldConfig.model_validate(TABLE | {"dispatch": "nearest"})


class Apart:
    """A world whose robots never meet: what each does moves it along a track of its own."""

    spec = WorldSpec(2, COPIES, 3, np.dtype(np.int16), 5, np.full(3, 1000, np.float32))

    def __init__(self) -> None:
        self.at = np.zeros((2, COPIES), np.int16)

    def reset(self, seed: int, out: Array) -> None:
        self.observe(out)

    def observe(self, out: Array) -> None:
        out[...] = np.stack([self.at, self.at % 7, np.full_like(self.at, 3)], axis=-1)

    def step(self, actions: np.ndarray, out: Array) -> Step:
        self.at += np.where(actions < 5, actions, 0).astype(np.int16)
        self.observe(out)
        ends = self.at % 11 == 0
        return Step(self.at.astype(np.float32), np.zeros_like(ends), ends, out)

    @property
    def bodies(self) -> tuple[Body, ...]:
        return ("online", "online")

    def set_body(self, robot: int, body: Body) -> None:
        raise NotImplementedError

    def metrics(self) -> Mapping[str, np.ndarray]:
        raise NotImplementedError

    def state(self) -> dict[str, Array]:
        raise NotImplementedError

    def set_state(self, state: Mapping[str, Array]) -> None:
        raise NotImplementedError

    def render(self, copy: int = 0) -> np.ndarray:
        raise NotImplementedError


def collector(world: World | None = None) -> Collector:
    world = world or make_world(CONFIG)
    policy = StackedPolicy(world.spec, NetworkConfig(hidden=(8,)))
    rng = np.random.default_rng(1)
    for robot in range(world.spec.robots):
        policy.load((robot,), weights(world.spec.observation_size, rng))
    made = Collector(world, policy, SEED, STEPS)
    made.reset()
    return made


def weights(size: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    shapes = {"actor.0.weight": (size, 8), "actor.0.bias": (8,), "actor.1.weight": (8, 5), "actor.1.bias": (5,)}
    drawn = {name: rng.normal(size=shape).astype(np.float32) * 0.3 for name, shape in shapes.items()}
    return drawn | {"obs.mean": np.zeros(size, np.float32), "obs.scale": np.ones(size, np.float32)}


def arrays(taken: Round, robots: Sequence[int] = range(ROBOTS)) -> list[Array]:
    batch = taken.rollout(tuple(robots))
    return [
        batch.obs,
        batch.actions,
        batch.log_probs,
        batch.rewards,
        batch.terminated,
        batch.truncated,
        batch.final_obs,
    ]


def same(one: list[Array], other: list[Array]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def strike(kind: str, robot: int, **rest: object) -> Strike:
    return Strike(0, kind, learner=robot, robots=(robot,), round=0, **rest)  # type: ignore[arg-type]


EVERYTHING = afflictions_of(
    [
        strike("blind", 0, mode="frozen"),
        strike("blind", 1, mode="zero"),
        strike("slow_wheels", 1, probability=0.6),
        strike("slow_wheels", 2, probability=0.3),
        strike("illegal_action", 2, probability=0.4),
    ]
)


def slow_round(made: Collector, afflictions: Afflictions, number: int, before: Array, start: Array) -> list[Array]:
    """The same round, one robot and one step after the other. `start`: what there is to see as it begins."""
    world, policy = made.world, made.policy
    spec, seen, actions, finals = world.spec, start.copy(), [], []
    drawn = uniforms(SEED, range(spec.robots), number, STEPS, spec.worlds)

    def blind(now: Array, last: Array) -> Array:
        now = now.copy()
        for robot in range(spec.robots):
            if robot in afflictions.zero:
                now[robot] = 0
            if robot in afflictions.frozen:
                now[robot] = last[robot]
        return now

    seen = blind(seen, before)
    observed = [seen]
    for step in range(STEPS):
        chosen, _ = policy.act(seen, drawn[step])
        chosen = chosen.copy()
        done = chosen.copy()
        for what, chances, becomes in ((0, afflictions.wheels, NOOP), (1, afflictions.commands, ILLEGAL)):
            for robot, chance in chances:
                fails = generator(SEED, "afflictions", what, robot, number).random((STEPS, spec.worlds))[step] < chance
                for copy in range(spec.worlds):
                    if fails[copy] and (what == 1 or chosen[robot, copy] == FORWARD):
                        done[robot, copy] = becomes
        out = np.zeros_like(seen)
        result = world.step(done, out)
        finals.append((result.truncated.copy(), blind(result.final_obs, seen)))
        seen = blind(out, seen)
        observed.append(seen)
        actions.append(chosen)
    ends = [
        rows[robot, copy] for robot in range(spec.robots) for cut, rows in finals for copy in np.flatnonzero(cut[robot])
    ]
    return [np.stack(observed, 1), np.stack(actions, 1), np.array(ends)]


def test_every_affliction_does_what_it_says_for_two_rounds() -> None:
    fast, slow = collector(), collector()
    slow_world = slow.world
    start = fast.state()["obs"].copy()
    fast.suffer(EVERYTHING, {})
    before = start
    for number in range(2):
        batch = fast.collect(number).rollout(tuple(range(ROBOTS)))
        obs, actions, finals = slow_round(slow, EVERYTHING, number, before, start)
        np.testing.assert_array_equal(batch.obs, obs)
        np.testing.assert_array_equal(batch.actions, actions)
        np.testing.assert_array_equal(batch.final_obs, finals)
        before = obs[:, -1]
        start = np.zeros_like(before)
        slow_world.observe(start)
    illegal = fast.world.metrics()["illegal"]
    np.testing.assert_array_equal(illegal, slow_world.metrics()["illegal"])
    assert illegal[:2].tolist() == [0, 0]
    assert 0.25 < illegal[2] / (2 * STEPS * COPIES) < 0.55


def test_no_plan_and_an_empty_plan_are_the_same_bit_for_bit() -> None:
    plain, harnessed = collector(), collector()
    harnessed.suffer(Afflictions(), {})
    for number in range(2):
        assert same(arrays(plain.collect(number)), arrays(harnessed.collect(number)))


def test_the_same_seed_and_plan_give_the_same_arrays() -> None:
    both = [collector(), collector()]
    for made in both:
        made.suffer(EVERYTHING, {0: "towed"})
    for number in range(2):
        one, other = (arrays(made.collect(number)) for made in both)
        assert same(one, other)


@pytest.mark.parametrize("kind", ["blind", "slow_wheels", "illegal_action"])
def test_what_one_robot_suffers_changes_nothing_for_one_it_never_meets(kind: str) -> None:
    healthy, suffering = collector(Apart()), collector(Apart())
    suffering.suffer(afflictions_of([strike(kind, 0)]), {})
    changed = False
    for number in range(2):
        one, other = healthy.collect(number), suffering.collect(number)
        assert same(arrays(one, [1]), arrays(other, [1]))
        changed |= not same(arrays(one, [0]), arrays(other, [0]))
    assert changed


def test_slow_wheels_are_drawn_by_robot_whoever_else_has_them() -> None:
    alone = afflictions_of([strike("slow_wheels", 1)]).draw(SEED, 3, STEPS, COPIES)
    among = afflictions_of([strike("slow_wheels", robot) for robot in range(3)]).draw(SEED, 3, STEPS, COPIES)
    assert alone is not None
    assert among is not None
    np.testing.assert_array_equal(alone.wheels[0][1], among.wheels[1][1])


def test_who_sees_again_sees_what_is_there() -> None:
    made = collector()
    made.suffer(afflictions_of([strike("blind", 0)]), {})
    made.collect(0)
    made.suffer(Afflictions(), {})
    there = np.zeros_like(made.state()["obs"])
    made.world.observe(there)
    np.testing.assert_array_equal(made.collect(1).rollout((0,)).obs[:, 0], there[:1])


@pytest.mark.parametrize("body", ["stalled", "towed"])
def test_a_body_that_is_off_is_seen_to_be_so_at_once(body: Body) -> None:
    made = collector()
    made.suffer(Afflictions(), {1: body})
    there = np.zeros_like(made.state()["obs"])
    made.world.observe(there)
    batch = made.collect(0).rollout(tuple(range(ROBOTS)))
    np.testing.assert_array_equal(batch.obs[:, 0], there)
    assert not batch.obs[1].any()
    assert not batch.rewards[1].any()
    made.suffer(Afflictions(), {})
    assert made.world.bodies == ("online",) * ROBOTS
    assert made.collect(1).rollout((1,)).obs.any()


@pytest.mark.parametrize(("old", "new"), [({1: "towed"}, {}), ({}, {1: "stalled"}), ({0: "stalled"}, {0: "towed"})])
def test_a_world_from_a_snapshot_gets_the_bodies_of_its_new_round(
    old: Mapping[int, Body], new: Mapping[int, Body]
) -> None:
    made, later = collector(), collector()
    made.suffer(afflictions_of([strike("blind", 2)]), old)
    made.collect(0)
    later.set_state(made.state())
    later.suffer(Afflictions(), new)
    assert later.world.bodies == tuple(new.get(robot, "online") for robot in range(ROBOTS))
    there = np.zeros_like(made.state()["obs"])
    later.world.observe(there)
    np.testing.assert_array_equal(later.state()["obs"], there)


def test_a_frozen_view_lasts_over_a_snapshot() -> None:
    frozen = afflictions_of([strike("blind", 1, mode="frozen")])
    made, later = collector(), collector()
    last = made.state()["obs"][1].copy()
    made.suffer(frozen, {})
    made.collect(0)
    later.set_state(made.state())
    later.suffer(frozen, {})
    made.suffer(frozen, {})
    assert same(arrays(made.collect(1)), arrays(later.collect(1)))
    assert (later.state()["obs"][1] == last).all()


def test_each_life_of_the_server_has_episodes_of_its_own() -> None:
    starts = []
    for life in (0, 1, 2, 1):
        made = collector()
        made.reset(life)
        starts.append(made.world.state()["cell"])
    assert not np.array_equal(starts[0], starts[1])
    assert not np.array_equal(starts[1], starts[2])
    assert np.array_equal(starts[1], starts[3])


def test_the_actions_have_the_warehouses_numbers() -> None:
    assert (NOOP, FORWARD) == (state.NOOP, state.FORWARD)
    assert ILLEGAL > state.TOGGLE
