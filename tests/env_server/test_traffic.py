"""The traffic grid: against a slow version that moves one queue at a time, and what every world promises."""

from typing import Any

import numpy as np
import pytest

from env_server.errors import SetupError, WorldError
from env_server.traffic.world import Traffic
from env_server.worlds import make_world, resolve, survey
from fleet.core.config.world import WorldConfig
from fleet.core.errors import BadInput

BOUND = {0: (1, 0), 1: (-1, 0), 2: (0, 1), 3: (0, -1)}  # the way the vehicles of an approach go


def table(copies: int = 2, max_steps: int = 60, stagger: bool = False, **traffic: Any) -> WorldConfig:
    given = {"kind": "traffic", "worlds": copies, "max_steps": max_steps, "stagger": stagger}
    return WorldConfig.model_validate(given | {"traffic": {"rows": 3, "columns": 4, **traffic}})


def begun(seed: int = 5, **given: Any) -> tuple[Traffic, np.ndarray]:
    world = Traffic(table(**given))
    spec = world.spec
    out = np.zeros((spec.robots, spec.worlds, spec.observation_size), spec.observation_dtype)
    world.reset(seed, out)
    return world, out


class SlowGrid:
    """One copy: queues by intersection and approach, and signals, moved one after the other."""

    def __init__(self, world: Traffic) -> None:
        self.table = world.table
        self.places = [(row, column) for row in range(self.table.rows) for column in range(self.table.columns)]
        self.queue = {(place, approach): 0 for place in self.places for approach in BOUND}
        self.signal = dict.fromkeys(self.places, 0)
        self.since = dict.fromkeys(self.places, 20)

    def ahead(self, place: tuple[int, int], approach: int) -> tuple[tuple[int, int], int] | None:
        there = place[0] + BOUND[approach][0], place[1] + BOUND[approach][1]
        return (there, approach) if there in self.signal else None

    def step(self, wishes: list[int]) -> dict[tuple[int, int], int]:
        """How many each intersection lets through. Who comes in from outside is for the caller to add."""
        for place, wish in zip(self.places, wishes, strict=True):
            self.since[place] = 0 if wish != self.signal[place] else min(20, self.since[place] + 1)
            self.signal[place] = wish
        before = dict(self.queue)
        through = dict.fromkeys(self.places, 0)
        for (place, approach), waiting in before.items():
            if approach // 2 != self.signal[place] or self.since[place] < self.table.lost_steps:
                continue
            ahead = self.ahead(place, approach)
            room = self.table.capacity - (before[ahead] if ahead else 0)
            going = min(waiting, room, self.table.flow)
            self.queue[place, approach] -= going
            through[place] += going
            if ahead:
                self.queue[ahead] += going
        return through


@pytest.mark.parametrize(("flow", "capacity", "lost"), [(1, 20, 2), (3, 4, 0), (2, 1, 1)])
def test_it_is_that_of_a_slow_version(flow: int, capacity: int, lost: int) -> None:
    """Broken by letting vehicles into room that is made in the same step, and by a signal that changes at no cost."""
    given = {"flow": flow, "capacity": capacity, "lost_steps": lost, "arrivals": 0.5}
    world, out = begun(copies=1, max_steps=10_000, **given)
    slow, draw = SlowGrid(world), np.random.default_rng(1)
    agents = world.spec.robots
    signals = np.zeros(agents, np.uint8)
    passed = np.zeros(agents, np.int64)
    came = 0
    for _ in range(400):
        signals ^= (draw.random(agents) < 0.2).astype(np.uint8)
        step = world.step(signals[:, None].copy(), out)
        through = slow.step(signals.tolist())
        passed += [through[place] for place in slow.places]
        for index, place in enumerate(slow.places):
            for approach, (down, right) in BOUND.items():
                difference = int(out[index, 0, approach]) - slow.queue[place, approach]
                came += difference
                behind = place[0] - down, place[1] - right
                assert difference in ((0,) if behind in slow.signal else (0, 1))
                slow.queue[place, approach] += difference
            ahead = [slow.ahead(place, approach) for approach in BOUND]
            assert out[index, 0, 4:].tolist() == [
                *(slow.signal[place], slow.since[place]),
                *(slow.queue[there] if there else 0 for there in ahead),
            ]
            waiting = sum(slow.queue[place, approach] for approach in BOUND)
            assert step.rewards[index, 0] == pytest.approx(-waiting / (4 * capacity))
    assert came > 100
    assert world.metrics()["deliveries"].tolist() == passed.tolist()


def test_arrivals_come_at_their_rate_and_by_the_seed_alone() -> None:
    def seen(seed: int) -> np.ndarray:
        world, out = begun(seed, arrivals=0.25, capacity=100, copies=8, max_steps=1000, rows=4)
        for _ in range(80):
            world.step(np.zeros((16, 8), np.uint8), out)  # signal 0 all the time: nothing goes from east to west
        return out[..., 2:4].copy()

    entered = seen(1)[[0, 4, 8, 12]][..., 0]  # four streets, eight copies, 80 steps
    assert entered.mean() == pytest.approx(20, abs=3)
    assert (seen(1) == seen(1)).all()
    assert (seen(1) != seen(2)).any()
    assert (entered[:, 0] != entered[:, 1]).any()


def test_it_goes_on_from_its_state_as_it_would_have() -> None:
    world, out = begun(copies=3, stagger=True)
    other, again = begun(9, copies=3)
    actions = np.random.default_rng(2).integers(3, size=(90, 12, 3)).astype(np.uint8)
    for joint in actions[:40]:
        world.step(joint, out)
    other.set_state(world.state())
    other.observe(again)
    for joint in actions[40:]:
        assert (out == again).all()
        assert (world.step(joint, out).rewards == other.step(joint, again).rewards).all()
    assert world.metrics()["illegal"].sum() > 0


def test_an_episode_is_truncated_and_begins_with_empty_streets() -> None:
    world, out = begun(max_steps=30, arrivals=1.0)
    none = np.zeros((12, 2), np.uint8)
    for _ in range(29):
        assert not world.step(none, out).truncated.any()
    step = world.step(none, out)
    assert step.truncated.all()
    assert step.final_obs[:, :, :4].sum() > 0
    assert out[:, :, :4].sum() == 0


def test_offline_its_signal_stays() -> None:
    world, out = begun()
    world.set_body(5, "stalled")
    world.step(np.ones((12, 2), np.uint8), out)
    assert out[:, 0, 4].tolist() == [int(agent != 5) for agent in range(12)]


def test_an_array_with_gaps_is_filled_as_well() -> None:
    world, out = begun()
    wide = np.zeros((12, 4, 10), np.int8)
    for _ in range(5):
        world.step(np.ones((12, 2), np.uint8), out)
    world.observe(wide[:, ::2])
    assert (wide[:, ::2] == out).all()
    assert (wide[:, 1::2] == 0).all()


def test_bad_input_names_the_value_and_what_is_allowed() -> None:
    for given, message in (
        (table(rows=40, columns=40), "40 x 40 intersections; allowed are 1000 in all"),
        (table().model_copy(update={"robots": 7}), "robots = 7; allowed is one per intersection: 3 x 4"),
    ):
        for ask in (resolve, survey, make_world):
            with pytest.raises(BadInput, match=message):
                ask(given)  # type: ignore[operator]
    world, _ = begun()
    with pytest.raises(SetupError, match="no robots on a floor"):
        world.floor_view()
    state = world.state()
    state["queues"] = np.full_like(state["queues"], 21)
    with pytest.raises(WorldError, match="queues is 21 to 21, allowed 0 to 20"):
        world.set_state(state)


def test_what_is_told_of_it_is_so() -> None:
    told, world = survey(table()), make_world(table())
    assert told.config.robots == world.spec.robots == 12
    assert (told.observation_size, told.itemsize, told.actions) == (10, 1, 2)
    assert world.render().shape == (72, 96, 3)
