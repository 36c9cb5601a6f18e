"""One who learns against one who is frozen is alone with its problem, and comes to the exact best response."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from env_server.games.setup import make_stages
from env_server.worlds import make_world
from fleet.core.checkpoint import save_arrays
from fleet.core.config import Config
from fleet.study.games.playing import config_of, play
from fleet.study.games.response import best_response, worth
from learners.build import build_learner

PLAYED = {
    "coordination": (0.7, 0.3),
    "climbing": (0.9, 0.05, 0.05),
    "penalty": (0.05, 0.05, 0.9),
    "pennies": (0.3, 0.7),
    "two-state": (0.1, 0.9),
    "rendezvous": (
        1e-9,
        0.9,
        1e-9,
        0.1,
        1e-9,
    ),  # in the leftmost column: up, into its corner and there against the wall
}
"""What the frozen agent 1 plays. In coordination and climbing it isn't what two learners come to."""
ELSEWHERE = (1e-9, 0.1, 1e-9, 0.9, 1e-9)
"""In rendezvous, what it plays right of the leftmost column."""
QUICK = ["learner.entropy_coef=0.001", "run.rounds=40"]
BY_VALUES = [
    *("learner.algorithm=iql", "run.rounds=40", "replay.warmup=500", "replay.explore_updates=30", "replay.batch=128"),
    *("replay.huber=unset", "learner.max_grad_norm=unset", "replay.explore_end=0.2"),
]


def frozen_other(config: Config, file: Path, name: str) -> np.ndarray:
    """Write a checkpoint of agent 1 that plays as above; what it plays is returned, (S, A).

    One that acts by values plays the likeliest of it, but for its share of random actions.
    """
    stages = make_stages(config.world)
    arrays, _ = build_learner(config, make_world(config.world).spec, 1).save()
    logits = np.log(PLAYED[name])
    table = np.stack([logits] * stages.states)
    for part in ("0.weight", "0.bias", "1.weight", "1.bias"):
        arrays[f"actor.{part}"][...] = 0.0
    if name == "rendezvous":  # the first unit is 1 in the leftmost column, which is the fourth number seen, and else 0
        away = np.log(ELSEWHERE)
        arrays["actor.0.weight"][3, 0] = 20.0
        arrays["actor.1.weight"][0], logits = logits - away, away
        table[stages.seen[1, :, 3] == 0] = away
    arrays["actor.1.bias"][...] = logits
    save_arrays(file, arrays, {})
    if not config.learner.by_values:
        return softmax(table, axis=-1)
    random = config.replay.explore_end
    return random / stages.actions + (1 - random) * greedy(table)


def greedy(table: np.ndarray) -> np.ndarray:
    """The likeliest action of each state, always: (S, A)."""
    return np.eye(table.shape[-1])[table.argmax(-1)]


class Learned:
    """What one learner came to against another that is frozen, and the best that could be had."""

    def __init__(self, config: Config, folder: Path, name: str) -> None:
        stages, steps = make_stages(config.world), config.world.max_steps
        other = frozen_other(config, folder / "other.safetensors", name)
        played = play(config, folder / "run", {1: folder / "other.safetensors"})
        np.testing.assert_allclose(played.policies[:, 1], np.stack([other] * len(played.policies)), atol=1e-6)
        self.best = float(best_response(stages, 0, other, steps))
        self.first, self.last = worth(stages, played.policies[[0, -1]], steps)[:, 0]
        self.likeliest = worth(stages, np.stack([greedy(played.policies[-1, 0]), other]), steps)[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", PLAYED)
def test_ppo_comes_to_the_best_response(name: str, tmp_path: Path) -> None:
    """Within 1% of it as it plays, which is by chance; its likeliest actions are the best response itself."""
    found = Learned(config_of(name, settings=QUICK), tmp_path, name)
    assert found.first < 0.9 * found.best
    assert 0.99 * found.best <= found.last <= found.best
    assert found.likeliest == pytest.approx(found.best, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", PLAYED)
def test_q_learning_comes_to_the_best_response(name: str, tmp_path: Path) -> None:
    found = Learned(config_of(name, settings=BY_VALUES), tmp_path, name)
    assert found.first < 0.9 * found.best
    assert found.likeliest == pytest.approx(found.best, rel=1e-6)
