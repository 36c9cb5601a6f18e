"""A round's worth of steps: what goes into it, in which order, and that it can be stopped and gone on with."""

from collections.abc import Mapping

import numpy as np
import pytest

from actors.stacked import StackedPolicy
from env_server.collect import Collector, Round
from env_server.protocol import Body, Step
from env_server.worlds import make_world
from fleet.core.config import NetworkConfig, WorldConfig
from fleet.core.spec import Array, WorldSpec

N, E, T = 3, 4, 12
SPEC = WorldSpec(N, E, 3, np.dtype(np.int16), 5, np.ones(3, np.float32))


class Scripted:
    """A world whose observations say (robot, step, copy), ending episodes at random, each robot's on its own."""

    spec = SPEC

    def __init__(self) -> None:
        self.steps = 0
        self.rng = np.random.default_rng(0)
        self.seen: list[Step] = []

    def reset(self, seed: int, out: Array) -> None:
        out[...] = self._observed()

    def step(self, actions: np.ndarray, out: Array) -> Step:
        self.steps += 1
        terminated, truncated = self.rng.random((2, N, E)) < 0.2
        rewards = self.rng.normal(size=(N, E)).astype(np.float32)
        out[...] = self._observed()
        self.seen.append(Step(rewards, terminated, truncated, -self._observed()))
        return self.seen[-1]

    def _observed(self) -> Array:
        robots, copies = np.meshgrid(np.arange(N), np.arange(E), indexing="ij")
        return np.stack([robots, np.full((N, E), self.steps), copies], axis=-1).astype(np.int16)

    def observe(self, out: Array) -> None:
        out[...] = self._observed()

    @property
    def bodies(self) -> tuple[Body, ...]:
        return ("online",) * N

    def set_body(self, robot: int, body: Body) -> None:
        raise NotImplementedError

    def metrics(self) -> Mapping[str, np.ndarray]:
        raise NotImplementedError

    def state(self) -> dict[str, Array]:
        return {"steps": np.array(self.steps)}

    def set_state(self, state: Mapping[str, Array]) -> None:
        raise NotImplementedError

    def render(self, copy: int = 0) -> np.ndarray:
        raise NotImplementedError


@pytest.fixture
def world() -> Scripted:
    return Scripted()


@pytest.fixture
def collector(world: Scripted) -> Collector:
    made = Collector(world, StackedPolicy(SPEC, NetworkConfig(hidden=(4,))), seed=1, steps=T)
    made.reset()
    return made


@pytest.mark.parametrize("robots", [(1,), (0, 2), (0, 1, 2)])
def test_final_observations_come_robot_by_robot_then_step_by_step(
    collector: Collector, robots: tuple[int, ...]
) -> None:
    collector.collect(0)
    batch = collector.collect(1).rollout(robots)
    cut = batch.truncated & ~batch.terminated
    wanted = [
        (-robot, -(T + step + 1), -copy)
        for row, robot in enumerate(robots)
        for step in range(T)
        for copy in range(E)
        if cut[row, step, copy]
    ]
    assert len(wanted) > 3
    assert batch.final_obs.dtype == batch.obs.dtype
    assert [tuple(row) for row in batch.final_obs.tolist()] == wanted


def test_consecutive_robots_get_views_and_others_copies(collector: Collector) -> None:
    taken = collector.collect(0)
    for robots, shared in (((1,), True), ((0, 1), True), ((0, 1, 2), True), ((0, 2), False)):
        batch = taken.rollout(robots)
        assert np.shares_memory(batch.obs, taken.obs) == shared
        np.testing.assert_array_equal(batch.rewards, taken.rewards[list(robots)])


def test_a_round_in_which_nothing_ends_has_no_final_observations(collector: Collector, world: Scripted) -> None:
    world.rng = np.random.default_rng(0)
    world.step = lambda actions, out: Step(  # type: ignore[method-assign]
        np.zeros((N, E), np.float32), np.zeros((N, E), np.bool_), np.zeros((N, E), np.bool_), out
    )
    assert collector.collect(0).rollout((0, 1)).final_obs.shape == (0, 3)
    assert collector.episode_returns == []


def test_each_observation_stands_before_what_was_done_about_it(collector: Collector, world: Scripted) -> None:
    batch = collector.collect(0).rollout((0, 1, 2))
    assert batch.obs[:, :, :, 1].min(axis=(0, 2)).tolist() == list(range(T + 1))
    for step, seen in enumerate(world.seen):
        np.testing.assert_array_equal(batch.rewards[:, step], seen.rewards)
        np.testing.assert_array_equal(batch.terminated[:, step], seen.terminated)


def test_an_episode_returns_the_sum_of_its_rewards_also_over_two_rounds(collector: Collector, world: Scripted) -> None:
    got = []
    for number in range(2):
        collector.collect(number)
        got += [float(value) for values in collector.episode_returns for value in values]
    wanted, running = [], np.zeros((N, E))
    for seen in world.seen:
        running += seen.rewards
        for robot, copy in np.argwhere(seen.terminated | seen.truncated):
            wanted.append(float(running[robot, copy]))
            running[robot, copy] = 0.0
    assert got == pytest.approx(wanted)


def test_a_stop_ends_the_round_between_two_steps(collector: Collector, world: Scripted) -> None:
    asked: list[int] = []
    taken = collector.collect(0, lambda: asked.append(0) or len(asked) > 5)
    assert (taken.steps, world.steps) == (5, 5)
    np.testing.assert_array_equal(collector.state()["obs"][:, :, 1], 5)


def test_a_collector_goes_on_from_a_state_as_the_one_that_gave_it() -> None:
    table = {"layout": "x.x.g\nx....", "robots": 2, "worlds": 3, "dispatch": "nearest", "max_steps": 7}
    config = WorldConfig.model_validate(table)

    def fresh() -> Collector:
        world = make_world(config)
        return Collector(world, StackedPolicy(world.spec, NetworkConfig(hidden=(4,))), seed=1, steps=10)

    first, again = fresh(), fresh()
    first.reset()
    first.collect(0)
    again.set_state(first.state())
    one, other = first.collect(1), again.collect(1)
    for got, wanted in zip(_arrays(other), _arrays(one), strict=True):
        np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal(np.concatenate(again.episode_returns), np.concatenate(first.episode_returns))
    assert all(np.array_equal(array, again.state()[name]) for name, array in first.state().items())


def _arrays(taken: Round) -> list[Array]:
    batch = taken.rollout((0, 1))
    return [batch.obs, batch.actions, batch.log_probs, batch.rewards, batch.truncated, batch.final_obs]
