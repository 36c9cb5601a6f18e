"""Copies of a parallel environment whose agents leave at different times, stepped as a worker steps them."""

from typing import Any

import numpy as np
import pytest

from env_server.errors import SetupError, WorldError
from env_server.pettingzoo.board import Board
from env_server.pettingzoo.copies import Copies
from fleet.core.seeds import stream
from tests.env_server.foreign import Leaving


class Stepped:
    """Copies over plain arrays, and what their environments were made of."""

    def __init__(self, worlds: int = 1, max_steps: int = 100, first: int = 0, clock: Any = None, **given: Any) -> None:
        self.envs = [Leaving(**given) for _ in range(worlds)]
        robots = len(self.envs[0].possible_agents)
        flat, deep = (robots, worlds), (robots, worlds, robots)
        flags = {name: np.zeros(flat, np.bool_) for name in ("terminated", "truncated", "gone")}
        seen = {name: np.full(deep, 7.0, np.float32) for name in ("obs", "final_obs")}
        self.board = Board(rewards=np.zeros(flat, np.float32), actions=np.zeros(flat, np.uint8), **flags, **seen)
        clock = np.zeros(worlds, np.int64) if clock is None else np.array(clock)
        self.copies = Copies(self.envs, self.board, first, max_steps, clock)

    def reset(self, seed: int = 1) -> None:
        self.copies.reset(seed)

    def step(self, *actions: int) -> tuple[list[float], str]:
        """What all are paid in copy 0, and a letter for each: goes on, terminated, cut off, gone."""
        self.board.actions[:] = np.array(actions or [0] * len(self.board.actions), np.uint8)[:, None]
        self.copies.step()
        board = self.board
        letters = ""
        for place in range(len(board.actions)):
            terminated, truncated, gone = board.terminated[place, 0], board.truncated[place, 0], board.gone[place, 0]
            assert not (gone and (truncated or not terminated))
            assert not (terminated and truncated)
            letters += "g" if gone else "t" if terminated else "c" if truncated else "."
        return board.rewards[:, 0].tolist(), letters


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("silent", [False, True])
def test_who_ends_early_is_terminated_once_and_then_gone_until_all_have(keep: bool, silent: bool) -> None:
    """Broken by not clearing `gone`, by paying the dead, and by starting afresh when the first has ended."""
    if keep and silent:
        return  # nothing would say that it has ended
    stepped = Stepped(keep=keep, silent=silent)
    stepped.reset()
    for _ in range(3):
        assert stepped.step() == ([0, 11, 22], "...")
        assert stepped.step() == ([0, 11, 22], "t..")
        assert stepped.step() == ([0, 11, 22], "gt.")
        assert (stepped.board.obs[:2, 0] == 0).all()
        assert stepped.board.obs[2, 0].tolist() == [pytest.approx(stepped.envs[0].draw), 3, 2]
        assert stepped.step() == ([0, 0, 22], "gg.")
        assert stepped.step() == ([0, 0, 22], "ggt")
        assert stepped.board.obs[2, 0].tolist()[1:] == [0, 2]  # of the next episode


def test_truncation_is_kept_apart_and_what_was_seen_then_is_kept() -> None:
    stepped = Stepped(cut=("middle",))
    stepped.reset()
    letters = [stepped.step()[1] for _ in range(3)]
    assert letters == ["...", "t..", "gc."]
    assert stepped.board.final_obs[1, 0].tolist() == [pytest.approx(stepped.envs[0].draw), 3, 0]
    assert stepped.step()[1] == "gg."


def test_the_worlds_own_limit_truncates_who_is_left() -> None:
    """Broken by truncating the dead and by letting the clock run on."""
    stepped = Stepped(max_steps=3)
    stepped.reset()
    for _ in range(2):
        letters = [stepped.step()[1] for _ in range(3)]
        assert letters == ["...", "t..", "gtc"]
        assert stepped.board.final_obs[2, 0, 1:].tolist() == [3, 2]
        assert stepped.board.obs[2, 0, 1:].tolist() == [0, 2]


def test_a_first_episode_is_cut_short_by_what_its_clock_says() -> None:
    stepped = Stepped(max_steps=4, clock=[2])
    stepped.reset()
    assert [stepped.step()[1] for _ in range(6)] == ["...", "tcc", "...", "t..", "gt.", "ggc"]
    stepped.reset()
    assert [stepped.step()[1] for _ in range(2)] == ["...", "tcc"]


def test_who_was_never_there_is_gone_all_along() -> None:
    stepped = Stepped(absent=("early",))
    stepped.reset()
    assert [stepped.step()[1] for _ in range(5)] == ["g..", "g..", "gt.", "gg.", "ggt"]
    with pytest.raises(WorldError, match="copy 0: no agents after its reset"):
        Stepped(absent=("early", "middle", "last")).reset()


def test_actions_beyond_an_agents_own_go_round() -> None:
    """Broken by taking them for the first; what the environment gets is in its own numbers, from `start` on."""
    stepped = Stepped(ends=(1, 1, 1))
    stepped.reset()
    for action in range(4):
        stepped.step(action, action, action)
    assert [given["early"] for given in stepped.envs[0].given] == [0, 1, 0, 1]
    assert [given["middle"] for given in stepped.envs[0].given] == [1, 2, 3, 1]
    assert [given["last"] for given in stepped.envs[0].given] == [2, 3, 4, 5]


def test_every_episode_of_every_copy_has_a_seed_of_its_own_whoever_steps_it() -> None:
    """Broken by counting copies from 0 in each worker."""
    together, apart = Stepped(worlds=3), Stepped(worlds=1, first=2)
    draws: list[list[float]] = []
    for stepped in (together, apart):
        stepped.reset(9)
        draws.append([])
        for _ in range(4):
            draws[-1].append(stepped.envs[-1].draw)
            for _ in range(5):
                stepped.step()
    assert draws[0] == draws[1]
    seeds = [int(stream(9, "world", 2, episode).generate_state(1)[0] >> 1) for episode in range(4)]
    assert draws[0] == [np.random.default_rng(seed).random() for seed in seeds]
    assert len({env.draw for env in together.envs}) == 3
    together.reset(9)
    assert together.envs[-1].draw == draws[0][0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"fails_at": 2}, "copy 5: RuntimeError: out of luck"),
        ({"poison": np.nan}, "copy 5: an observation that isn't finite"),
        ({"poison": 1e39}, "copy 5: an observation that isn't finite"),
    ],
)
def test_an_environment_that_goes_wrong_is_named(given: dict[str, Any], message: str) -> None:
    stepped = Stepped(first=5, **given)

    def play() -> None:
        stepped.reset()
        stepped.step()
        stepped.step()

    with pytest.raises(WorldError, match=message):
        play()


def test_a_picture_is_the_environments_own() -> None:
    stepped = Stepped(render_mode="rgb_array")
    stepped.reset()
    stepped.step()
    assert (stepped.copies.render(0) == np.ones((4, 6, 3))).all()
    with pytest.raises(SetupError, match='render_mode = "None"; allowed is world.pettingzoo.args.render'):
        Stepped().copies.render(0)
