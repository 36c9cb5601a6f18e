"""What a whole run says of its moving target, against its weights and rewards, worked through with plain loops.

Broken by comparing with the round before last, by a policy that is compared on other robots' observations, and by one
draw from the run's own streams.
"""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from env_server.collect import Round
from env_server.movement import Movement
from fleet.core.config import Config
from fleet.core.config.load import load_config
from fleet.core.config.write import to_toml
from fleet.core.jsonl import read_jsonl
from fleet.core.rundir import RunDirectory
from fleet.study.prepare import prepare
from fleet.study.reference import SingleProcess

N, T, E, A = 3, 8, 4, 5
SCHEMES = {
    "ippo": ["learner.learning_rate=0.03"],
    "iql": ["learner.algorithm=iql", "replay.warmup=64", "replay.batch=16", "replay.explore_updates=4"],
    "joint": ["learner.algorithm=joint", "mapping=central", "learner.learning_rate=0.03"],
}
Weights = list[dict[str, np.ndarray]]
Slow = Callable[[Weights, int, np.ndarray, np.ndarray], np.ndarray]


def config(*settings: str) -> Config:
    more = [f"learner.rollout_steps={T}", "learner.epochs=1", "run.rounds=4", "world.reward=dense"]
    return prepare(load_config("smoke", [*more, *settings]))


class Watched:
    """A run in this process that keeps each round and the weights that acted in it."""

    def __init__(self, folder: Path, settings: Config) -> None:
        self.rounds: list[Round] = []
        self.weights: list[Weights] = []
        with RunDirectory.create(folder, to_toml(settings), []) as directory:
            run = SingleProcess(directory, settings)
            collect = run._collector.collect

            def watched(number: int) -> Round:
                self.weights.append([dict(learner.weights()) for learner in run.learners])
                self.rounds.append(collect(number))
                return self.rounds[-1]

            run._collector.collect = watched  # type: ignore[method-assign]
            shown: list[dict[str, Any]] = []
            run.run(lambda figures: shown.append(dict(figures)) or True)
            self.weights.append([dict(learner.weights()) for learner in run.learners])
            self.lines, self.last = read_jsonl(directory.metrics), shown[-1]


def network(weights: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    layers = sum(name.endswith(".bias") for name in weights)
    for k in range(layers):
        x = x @ weights[f"actor.{k}.weight"].astype(np.float64) + weights[f"actor.{k}.bias"]
        x = np.tanh(x) if k < layers - 1 else x
    return x


def softmax(logits: np.ndarray) -> np.ndarray:
    return np.exp(logits) / np.exp(logits).sum()


def ippo(weights: Weights, robot: int, obs: np.ndarray, done: np.ndarray) -> np.ndarray:
    w = weights[robot]
    return softmax(network(w, (obs[robot] - w["obs.mean"]) * w["obs.scale"]))


def iql(weights: Weights, robot: int, obs: np.ndarray, done: np.ndarray) -> np.ndarray:
    w = weights[robot]
    values = network({k: v for k, v in w.items() if k != "explore"}, (obs[robot] - w["obs.mean"]) * w["obs.scale"])
    found = np.full(A, float(w["explore"]) / A)
    found[values.argmax()] += 1 - float(w["explore"])
    return found


def joint(weights: Weights, robot: int, obs: np.ndarray, done: np.ndarray) -> np.ndarray:
    [w] = weights
    told = np.zeros((N, A))
    for earlier in range(robot):
        told[earlier, done[earlier]] = obs[earlier].any()
    x = np.concatenate([((obs - w["obs.mean"]) * w["obs.scale"]).ravel(), told.ravel()])
    heads = network({k: v[robot] for k, v in w.items() if k.startswith("actor.")}, x).reshape(-1, A)
    return softmax(heads[0] + told[:-1].ravel() @ heads[1:])  # a head for each action of each robot but the last


def slow_drift(policy: Slow, old: Weights, new: Weights, taken: Round) -> dict[str, float]:
    """On every step of the round, of which there are few enough."""
    kl, tv = np.zeros((T, E, N)), np.zeros((T, E, N))
    for t, e, robot in np.ndindex(T, E, N):
        before, after = (policy(w, robot, taken.obs[:, t, e].astype(float), taken.actions[:, t, e]) for w in (old, new))
        kl[t, e, robot] = sum(before[a] * np.log(before[a] / after[a]) for a in range(A))
        tv[t, e, robot] = sum(abs(before[a] - after[a]) for a in range(A)) / 2
    others = [[other for other in range(N) if other != robot] for robot in range(N)]
    return {
        "drift_kl": kl.mean(),
        "drift_tv": tv.mean(),
        "drift_others_kl": np.mean([kl[..., them].sum(-1) for them in others]),
        "drift_others_tv": np.mean([1 - (1 - tv[..., them]).prod(-1) for them in others]),
    }


@pytest.mark.parametrize(("name", "policy"), [("ippo", ippo), ("iql", iql), ("joint", joint)])
def test_each_round_tells_how_far_the_policies_moved_that_act_in_it(tmp_path: Path, name: str, policy: Slow) -> None:
    run = Watched(tmp_path / "run", config(*SCHEMES[name]))
    assert not [key for key in run.lines[0] if key.startswith("drift_")]
    found = []
    for line, (old, new), taken in zip(run.lines[1:], pairwise(run.weights[:-1]), run.rounds, strict=False):
        wanted = slow_drift(policy, old, new, taken)
        found.append({key: line[key] for key in wanted})
        assert found[-1] == pytest.approx(wanted, rel=2e-3, abs=1e-7)
    assert max(figures["drift_kl"] for figures in found) > 1e-4
    assert run.last["total_drift_kl"] == pytest.approx(np.mean([figures["drift_kl"] for figures in found]), rel=1e-4)
    assert all(0 < line["measures_s"] < line["wall_s"] for line in run.lines)


def test_the_totals_are_those_of_all_rewards(tmp_path: Path) -> None:
    run = Watched(tmp_path / "run", config())
    rewards = np.concatenate([taken.rewards.reshape(N, -1) for taken in run.rounds], axis=1).astype(np.float64)
    assert run.last["total_reward_density"] == np.mean(rewards != 0)
    others = [np.corrcoef(rewards[n], np.delete(rewards, n, 0).mean(0))[0, 1] for n in range(N)]
    team = [np.corrcoef(rewards[n], rewards.mean(0))[0, 1] for n in range(N)]
    assert run.last["total_own_others_correlation"] == pytest.approx(np.mean(others))
    assert run.last["total_own_team_correlation"] == pytest.approx(np.mean(team))
    assert (run.last["total_lag_0"], run.last["totalled_rounds"]) == (N * 4, 4)


def test_measuring_changes_no_bit_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = Watched(tmp_path / "with", config())
    monkeypatch.setattr(Movement, "since", lambda _: {})
    monkeypatch.setattr(Movement, "keep", lambda *_: None)
    plain = Watched(tmp_path / "without", config())
    assert "drift_kl" not in plain.last
    for ours, theirs in zip(measured.weights[-1], plain.weights[-1], strict=True):
        assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)
    assert all(np.array_equal(a.obs, b.obs) for a, b in zip(measured.rounds, plain.rounds, strict=True))
