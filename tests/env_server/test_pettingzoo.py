"""A foreign world as a whole, its processes included: against the environment itself, stepped directly."""

import os
import signal
from importlib import import_module
from typing import Any

import numpy as np
import psutil
import pytest

from actors.stacked import StackedPolicy
from env_server.collect import Collector
from env_server.errors import SetupError, WorldError
from env_server.evaluate import evaluate
from env_server.pettingzoo.world import PettingZooWorld
from env_server.worlds import make_world, resolve, survey
from fleet.core.config import NetworkConfig
from fleet.core.config.world import WorldConfig
from fleet.core.errors import BadInput
from fleet.core.seeds import stream

FOREIGN = "tests.env_server.foreign"


def table(env: str = f"{FOREIGN}:leaving", copies: int = 1, **given: Any) -> WorldConfig:
    own = {name: given.pop(name) for name in ("args", "workers") if name in given}
    world = {"kind": "pettingzoo", "worlds": copies, "stagger": False, **given, "pettingzoo": {"env": env, **own}}
    return WorldConfig.model_validate(world)


def begun(seed: int = 5, **given: Any) -> tuple[PettingZooWorld, np.ndarray]:
    world = PettingZooWorld(table(**given))
    out = np.zeros((world.spec.robots, world.spec.worlds, world.spec.observation_size), np.float32)
    world.reset(seed, out)
    return world, out


@pytest.mark.slow
@pytest.mark.parametrize("name", ["simple_spread_v3", "simple_speaker_listener_v4"])
def test_it_is_the_environment_itself_step_by_step(name: str) -> None:
    """Broken by one seed for all copies, by truncation taken for termination, and by padding in front."""
    world, out = begun(env=f"mpe2.{name}", copies=3, max_steps=60, workers=2)
    envs = [import_module(f"mpe2.{name}").parallel_env() for _ in range(3)]
    agents = envs[0].possible_agents
    counts = [envs[0].action_space(agent).n for agent in agents]

    def seed_of(copy: int, episode: int) -> int:
        return int(stream(5, "world", copy, episode).generate_state(1)[0] >> 1)

    def padded(seen: np.ndarray) -> list[float]:
        return [*seen.tolist(), *[0.0] * (out.shape[2] - len(seen))]

    now = [env.reset(seed=seed_of(copy, 0))[0] for copy, env in enumerate(envs)]
    draw = np.random.default_rng(2)
    for count in range(1, 61):
        for copy in range(3):
            assert [out[k, copy].tolist() for k in range(len(agents))] == [padded(now[copy][agent]) for agent in agents]
        actions = draw.integers(world.spec.actions, size=(len(agents), 3)).astype(np.uint8)
        step = world.step(actions, out)
        for copy, env in enumerate(envs):
            given = {agent: int(actions[k, copy]) % counts[k] for k, agent in enumerate(agents)}
            seen, paid, terminated, truncated, _ = env.step(given)
            assert step.rewards[:, copy].tolist() == [np.float32(paid[agent]) for agent in agents]
            assert step.terminated[:, copy].tolist() == [terminated[agent] for agent in agents]
            assert step.truncated[:, copy].tolist() == [truncated[agent] for agent in agents]
            assert truncated[agents[0]] == (count % 25 == 0)
            if not env.agents:
                assert [step.final_obs[k, copy].tolist() for k in range(len(agents))] == [
                    padded(seen[agent]) for agent in agents
                ]
                seen = env.reset(seed=seed_of(copy, count // 25))[0]
            now[copy] = seen


@pytest.mark.slow
def test_it_does_not_depend_on_how_many_processes_step_it() -> None:
    """Broken by seeds drawn from the worker's number."""

    def played(workers: int) -> list[Any]:
        world, out = begun(copies=5, workers=workers, stagger=True, max_steps=4)
        draw = np.random.default_rng(1)
        found = []
        for _ in range(12):
            step = world.step(draw.integers(4, size=(3, 5)).astype(np.uint8), out)
            assert step.gone is not None
            arrays = (out, step.rewards, step.terminated, step.truncated, step.gone)
            found += [array.tolist() for array in arrays]
        return found

    assert played(1) == played(2) == played(5)


@pytest.mark.slow
def test_the_return_of_each_agents_episode_counts_once() -> None:
    """Broken by counting the steps of who is gone as episodes, of return 0, and by playing on after the first."""
    config = table(copies=2, workers=1)
    world = make_world(config)
    policy = StackedPolicy(world.spec, NetworkConfig())
    collector = Collector(world, policy, seed=1, steps=11)
    collector.reset()
    taken = collector.collect(0)
    returns = np.concatenate(collector.episode_returns)
    assert len(returns) == 2 * 2 * 3
    assert returns.sum() == pytest.approx(taken.rewards[:, :10].sum())
    assert (taken.terminated[0, :, 0].nonzero()[0] == [1, 2, 3, 4, 6, 7, 8, 9]).all()
    assert taken.finals == []
    played = evaluate(config, policy, 1, episodes=4)
    assert ((played.returns >= (0 * 2 + 11 * 3 + 22 * 5) / 3) & (played.returns <= (1 * 2 + 13 * 3 + 25 * 5) / 3)).all()
    assert sorted(played.figures()) == ["return", "return_ci95"], "and no word of deliveries"


@pytest.mark.slow
def test_offline_an_agent_takes_its_first_action_sees_zeros_and_is_paid_nothing() -> None:
    world, out = begun(max_steps=4)
    assert out[2, 0, 2] == 2
    world.set_body(2, "towed")
    world.observe(out)
    assert world.bodies == ("online", "online", "towed")
    assert not out[2].any()
    step = world.step(np.array([[1], [1], [3]], np.uint8), out)
    assert step.rewards[:, 0].tolist() == [1, 12, 0]
    world.set_body(2, "online")
    assert world.step(np.array([[1], [1], [3]], np.uint8), out).rewards[:, 0].tolist() == [1, 12, 25]
    assert out[2, 0, 1:].tolist() == [2, 2]
    world.step(np.array([[9], [1], [3]], np.uint8), out)
    assert world.metrics()["illegal"].tolist() == [1, 0, 0]
    with pytest.raises(SetupError, match='render_mode = "None"; allowed is world.pettingzoo.args.render'):
        world.render()
    world.step(np.zeros((3, 1), np.uint8), out)  # a picture that can't be had ends nothing


@pytest.mark.slow
def test_a_copy_is_drawn_by_whoever_steps_it() -> None:
    world, out = begun(copies=2, workers=2, args={"render_mode": "rgb_array"})
    world.step(np.zeros((3, 2), np.uint8), out)
    assert (world.render(1) == np.ones((4, 6, 3))).all()


@pytest.mark.slow
def test_who_raises_or_dies_is_named_and_nobody_is_left() -> None:
    world, out = begun(copies=4, workers=2, args={"fails_at": 2})
    none = np.zeros((3, 4), np.uint8)
    world.step(none, out)
    with pytest.raises(WorldError, match=r"foreign:leaving, copy 0: RuntimeError: out of luck"):
        world.step(none, out)
    with pytest.raises(WorldError, match="the process of copies 0 to 1 ended with status"):
        world.step(none, out)
    assert psutil.Process().children() == []
    world, out = begun(copies=4, workers=2)
    _, second = sorted(psutil.Process().children(), key=lambda child: child.pid)
    os.kill(second.pid, signal.SIGKILL)
    with pytest.raises(WorldError, match="leaving: the process of copies 2 to 3 was killed by signal 9"):
        world.step(none, out)
    assert psutil.Process().children() == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("env", "args", "message"),
    [
        (
            "no_such_module",
            {},
            r'env = "no_such_module": no module no_such_module; install it, or put it on PYTHONPATH',
        ),
        (f"{FOREIGN}:missing", {}, r"foreign has no callable missing; it has AECEnv, ParallelEnv"),
        (f"{FOREIGN}:not_callable", {}, "has no callable not_callable"),
        (f"{FOREIGN}:leaving", {"speed": 3}, r"with args = \{'speed': 3\}: TypeError: .*unexpected keyword"),
        (f"{FOREIGN}:breaks", {}, "ValueError: no luck today"),
        (f"{FOREIGN}:turns", {}, "is an AEC environment, whose agents take turns; allowed is a parallel one"),
        (f"{FOREIGN}:other", {}, "makes a object; allowed is a ParallelEnv of PettingZoo"),
        (f"{FOREIGN}:odd", {"agents": 0}, "has 0 possible_agents; allowed are 1 to 1000"),
        (f"{FOREIGN}:odd", {"acts": "box"}, r"agent_0 acts in Box\(.*\); allowed is Discrete"),
        (f"{FOREIGN}:odd", {"acts": "many"}, "agent_0 has 257 actions; allowed are 1 to 256"),
        (f"{FOREIGN}:odd", {"seen": "image"}, r"agent_0 observes 21,168 numbers .*; allowed are 4,096"),
        (f"{FOREIGN}:odd", {"seen": "dict"}, r"agent_0 observes Dict\(.*\); allowed are Box, Discrete"),
    ],
)
def test_what_a_fleet_cannot_take_is_refused_and_says_why(env: str, args: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        resolve(table(env, args=args))


@pytest.mark.slow
def test_what_is_told_of_it_is_so(capfd: pytest.CaptureFixture[str]) -> None:
    config = table(f"{FOREIGN}:prints", copies=7)
    told, world = survey(config), make_world(config)
    assert told.config.robots == world.spec.robots == 3
    assert (told.observation_size, told.itemsize, told.actions) == (3, 4, 4)
    assert told.bytes > 20e6
    assert world.spec.bound.tolist() == [50, 50, 50]
    with pytest.raises(BadInput, match="robots = 4; .* has 3 agents, and allowed is 3"):
        resolve(config.model_copy(update={"robots": 4}))
    for ask in (world.floor_view, world.traffic_view):
        with pytest.raises(SetupError, match="no floor for a planner"):
            ask()
    with pytest.raises(WorldError, match="can't give its state"):
        world.state()
    with pytest.raises(WorldError, match="can't give its state"):
        world.set_state({})
    captured = capfd.readouterr()
    assert captured.out == ""  # a banner would spoil what a command prints as JSON
    assert "a banner" in captured.err


def test_a_world_that_has_not_begun_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from env_server.pettingzoo import setup
    from env_server.pettingzoo.job import Outline

    monkeypatch.setattr(setup, "_look_at", lambda *_: Outline(("a",), (2,), (1,), (1.0,), 0))
    world = make_world(table("nothing:here"))
    with pytest.raises(SetupError, match="hasn't begun; call reset first"):
        world.step(np.zeros((1, 1), np.uint8), np.zeros((1, 1, 1), np.float32))
    assert psutil.Process().children() == []


def test_a_config_says_it_in_plain_values() -> None:
    for given, message in (
        ({"env": "no-module:make"}, 'env = "no-module:make"; allowed is MODULE:CALLABLE'),
        ({"env": "a:b:c"}, "allowed is MODULE:CALLABLE"),
        ({"args": {"a b": 1}}, "args: 'a b' is no name of an argument"),
        ({"args": {"n": float("nan")}}, "args: n = nan; allowed are finite numbers"),
        ({"args": {"n": {"m": [object()]}}}, "args: n = .*; allowed are finite numbers"),
    ):
        with pytest.raises(ValueError, match=message):
            WorldConfig.model_validate({"kind": "pettingzoo", "pettingzoo": given})
