"""Games of two agents as worlds: against a slow version, situation by situation, and what every world promises."""

from typing import Any, get_args

import numpy as np
import pytest

from env_server.errors import SetupError, WorldError
from env_server.games.setup import make_stages
from env_server.games.world import GameWorld
from env_server.worlds import make_world, resolve, survey, tasks
from fleet.core.config.game import GameName
from fleet.core.config.world import WorldConfig
from fleet.core.errors import BadInput

NAMES = get_args(GameName)


def table(name: str, copies: int = 1, max_steps: int = 50, stagger: bool = False, **game: Any) -> WorldConfig:
    given = {"kind": "game", "worlds": copies, "max_steps": max_steps, "stagger": stagger}
    return WorldConfig.model_validate(given | {"game": {"name": name, **game}})


def begun(name: str, **given: Any) -> tuple[GameWorld, np.ndarray]:
    world = GameWorld(table(name, **given))
    spec = world.spec
    out = np.zeros((spec.robots, spec.worlds, spec.observation_size), spec.observation_dtype)
    world.reset(0, out)
    return world, out


def paid(name: str, *joint: tuple[int, int], **given: Any) -> list[tuple[float, float]]:
    """What both agents get for these joint actions, one after the other."""
    world, out = begun(name, **given)
    steps = [world.step(np.array([[a], [b]], np.uint8), out).rewards[:, 0].tolist() for a, b in joint]
    return [(first, second) for first, second in steps]


def test_the_payoffs_are_those_of_the_games() -> None:
    """Broken by taking agent 1's action for the row."""
    assert paid("coordination", (0, 0), (1, 1), (0, 1)) == [(3, 3), (5, 5), (0, 0)]
    assert paid("coordination", (0, 1), (1, 1), miss=2.5, best=7.0) == [(2.5, 2.5), (7, 7)]
    assert paid("climbing", (0, 0), (0, 1), (1, 0), (1, 2), (2, 1)) == [
        (11, 11),
        (-30, -30),
        (-30, -30),
        (6, 6),
        (0, 0),
    ]
    assert paid("penalty", (0, 2), (2, 2), k=-7.0) == [(-7, -7), (10, 10)]
    assert paid("pennies", (0, 0), (0, 1)) == [(1, -1), (-1, 1)]
    assert paid("two-state", (0, 0), (1, 1), (0, 0), (1, 1), (1, 1), (0, 1), (0, 0)) == [
        *((3, 3), (2, 2), (1, 1), (2, 2), (5, 5), (0, 0), (3, 3))
    ]


class SlowRendezvous:
    """Two pairs of coordinates, moved one by one."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.begin()

    def begin(self) -> None:
        end = self.size - 1
        self.at = [(0, 0), (end, end)]
        self.due = [(end, end), (0, 0)]

    def step(self, actions: tuple[int, int]) -> float:
        for agent, action in enumerate(actions):
            row, column = self.at[agent]
            down, right = {0: (0, 0), 1: (-1, 0), 2: (1, 0), 3: (0, -1), 4: (0, 1)}[action]
            if 0 <= row + down < self.size and 0 <= column + right < self.size:
                self.at[agent] = row + down, column + right
        met = self.at == self.due
        if met:
            self.begin()
        return float(met)

    def seen(self, agent: int) -> list[int]:
        numbers: list[int] = []
        for row, column in (self.at[agent], self.at[1 - agent]):
            numbers += [int(row == place) for place in range(self.size)]
            numbers += [int(column == place) for place in range(self.size)]
        return numbers


@pytest.mark.parametrize("size", [2, 3, 4])
def test_rendezvous_is_that_of_a_slow_version(size: int) -> None:
    """Broken by leaving where both begin again out of `following`, and by giving agent 1 agent 0's view."""
    world, out = begun("rendezvous", size=size, max_steps=100_000)
    slow, draw = SlowRendezvous(size), np.random.default_rng(size)
    meetings = 0.0
    for _ in range(3_000):
        actions = draw.integers(5, size=(2, 1)).astype(np.uint8)
        rewards = world.step(actions, out).rewards[:, 0]
        wanted = slow.step((int(actions[0, 0]), int(actions[1, 0])))
        assert rewards.tolist() == [wanted, wanted]
        assert [out[agent, 0].tolist() for agent in range(2)] == [slow.seen(agent) for agent in range(2)]
        meetings += wanted
    assert meetings > 0
    assert world.metrics()["deliveries"].tolist() == [meetings, meetings]


@pytest.mark.parametrize("name", NAMES)
def test_it_goes_on_from_its_state_as_it_would_have(name: GameName) -> None:
    world, out = begun(name, copies=5, stagger=True)
    draw = np.random.default_rng(1)
    actions = draw.integers(world.spec.actions, size=(70, 2, 5)).astype(np.uint8)
    for joint in actions[:30]:
        world.step(joint, out)
    other, again = begun(name, copies=5)
    other.set_state(world.state())
    other.observe(again)
    for joint in actions[30:]:
        assert (out == again).all()
        ours, theirs = world.step(joint, out), other.step(joint, again)
        assert (ours.rewards == theirs.rewards).all()
        assert (ours.truncated == theirs.truncated).all()


def test_an_episode_is_truncated_and_what_it_ended_in_is_kept() -> None:
    """Broken by observing after the copy was reset."""
    world, out = begun("two-state", copies=2, max_steps=3)
    both = np.ones((2, 2), np.uint8)
    assert not world.step(both, out).truncated.any()
    world.step(both, out)
    step = world.step(both, out)
    assert step.truncated.all()
    assert not step.terminated.any()
    assert step.final_obs[0, 0].tolist() == [0, 1]
    assert out[0, 0].tolist() == [1, 0]


def test_copies_do_not_all_end_in_the_same_step() -> None:
    world, out = begun("pennies", copies=5, max_steps=10, stagger=True)
    none = np.zeros((2, 5), np.uint8)
    ends = [world.step(none, out).truncated[0].sum() for _ in range(10)]
    assert sum(ends) == 5
    assert max(ends) == 1


@pytest.mark.parametrize("body", ["stalled", "towed"])
def test_who_is_offline_takes_action_0_and_is_paid_nothing(body: Any) -> None:
    world, out = begun("coordination")
    world.set_body(1, body)
    assert world.step(np.ones((2, 1), np.uint8), out).rewards[:, 0].tolist() == [0, 0]
    assert world.step(np.zeros((2, 1), np.uint8), out).rewards[:, 0].tolist() == [3, 0]
    assert world.bodies == ("online", body)
    world.set_body(1, "online")
    assert world.step(np.ones((2, 1), np.uint8), out).rewards[:, 0].tolist() == [5, 5]


def test_an_action_that_there_is_not_is_taken_for_0_and_counted() -> None:
    world, out = begun("coordination")
    assert world.step(np.array([[2], [0]], np.uint8), out).rewards[0, 0] == 3
    assert world.metrics()["illegal"].tolist() == [1, 0]


def test_bad_input_names_the_value_and_what_is_allowed() -> None:
    for given, message in (
        (table("climbing", best=1.0), r"climbing: payoff best; allowed are none"),
        (table("two-state", k=1.0), r"two-state: payoff k; allowed are none"),
        (table("two-state", size=4), r"two-state: payoff size; allowed are none"),
        (table("pennies", size=4), r"pennies: payoff size; allowed are none"),
        (table("rendezvous", miss=1.0), r"rendezvous: payoff miss; allowed are none"),
        (table("pennies").model_copy(update={"robots": 3}), r'robots = 3 with kind = "game"; allowed is 2'),
    ):
        for ask in (resolve, survey, make_world):
            with pytest.raises(BadInput, match=message):
                ask(given)  # type: ignore[operator]
    with pytest.raises(ValueError, match='`dispatch` is a setting of a warehouse; kind = "game" has'):
        WorldConfig.model_validate({"kind": "game", "dispatch": "nearest"})
    with pytest.raises(ValueError, match='reward = "dense" with kind = "game"; allowed is to leave it unset'):
        WorldConfig.model_validate({"kind": "game", "reward": "dense"})
    with pytest.raises(ValueError, match='`game` has the settings of another world; allowed only with kind = "game"'):
        WorldConfig.model_validate({"kind": "handoff", "game": {}})
    world, out = begun("pennies")
    with pytest.raises(SetupError, match="no floor for a planner"):
        world.traffic_view()
    with pytest.raises(WorldError, match="state is 1 to 1, allowed 0 to 0"):
        world.set_state(world.state() | {"state": np.ones(1, np.int32)})
    with pytest.raises(WorldError, match="actions are"):
        world.step(np.zeros((2, 2), np.uint8), out)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_told_of_it_is_so(name: GameName) -> None:
    config = resolve(table(name, copies=3))
    told, world = survey(config), make_world(config)
    assert config.robots == world.spec.robots == 2
    assert (told.observation_size, told.itemsize) == (world.spec.observation_size, 1)
    assert told.actions == world.spec.actions
    stages = make_stages(config)
    assert stages.payoffs.shape == (stages.states, 2, stages.actions, stages.actions)
    assert world.render().shape == (48 * stages.actions, 48 * stages.actions, 3)
    assert any(f'"{name}"' in task.name for task in tasks())
