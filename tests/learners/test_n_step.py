"""Returns of several steps from the memory, against walks over the rollouts they came from."""

import numpy as np
import pytest

from fleet.core.config import Config
from fleet.core.config.load import ConfigError, load_config
from learners.build import build_learner
from learners.normalize import Normalizer
from learners.replay import Replay
from learners.team import Team, batch_of, goals

GAMMA = 0.9


class Each:
    """Draws every step once, in the ring's order."""

    def integers(self, high, size):
        return np.arange(high)[:size]


def slow_returns(rollout, version, n, robots):
    """Each step of a rollout with what followed, from the definition: copy after copy, as the memory lays them out."""
    cut = rollout.truncated & ~rollout.terminated
    finals = dict(zip(zip(*np.nonzero(cut), strict=True), rollout.final_obs, strict=True))
    places = [robots.index(robot) for robot in rollout.robots]
    _, times, copies = rollout.actions.shape
    for e in range(copies):
        for start in range(times):
            paid, t = np.zeros(len(robots)), start
            while True:
                paid[places] += GAMMA ** (t - start) * rollout.rewards[:, t, e]
                ended = (cut | rollout.terminated)[:, t, e].any()
                if ended or t == times - 1 or t - start == n - 1:
                    break
                t += 1
            seen, over = np.zeros((len(robots), rollout.obs.shape[-1])), np.zeros(len(robots), bool)
            for r, place in enumerate(places):
                seen[place] = finals.get((r, t, e), rollout.obs[r, t + 1, e])
                over[place] = rollout.terminated[r, t, e]
            yield paid, seen, over, t - start + 1, version


@pytest.mark.parametrize("n", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("robots", [(0,), (0, 1, 2)])
@pytest.mark.parametrize("capacity", [10_000, 131])
def test_returns_stop_where_episodes_and_rollouts_do(spec, make_rollout, n, robots, capacity):
    """Also at the ring's seam. Broken by going on over a termination, and by a discount of n where fewer are summed."""
    memory, slow = Replay(capacity, robots, spec), []
    for version, online in enumerate([robots, robots[:1], robots]):
        rollout = make_rollout(version, online, steps=9 + version)
        memory.add(rollout, version)
        slow.extend(slow_returns(rollout, version, n, robots))
    drawn = memory.sample(Each(), memory.steps, n, GAMMA)
    slow = slow[-memory.steps :]
    begins, seam = np.flatnonzero(memory._rows["begins"][: memory.filled]), memory._head % memory.filled
    by_age = np.roll(np.arange(len(begins)), -np.count_nonzero(begins < seam))
    for place, (paid, seen, over, length, version) in zip(by_age, slow, strict=True):
        assert drawn.rewards[place] == pytest.approx(paid, abs=1e-5)
        np.testing.assert_array_equal(drawn.next_obs[place], seen)
        np.testing.assert_array_equal(drawn.terminated[place], over)
        assert (drawn.lengths[place], drawn.versions[place]) == (length, version)


def test_values_stand_for_what_follows_the_last_step(spec, make_rollout):
    """Discounted by as many steps as the return has."""
    robots = (0,)
    network = Config.model_validate({"world": {"map": "rware-tiny-2ag"}}).network
    team = Team("vdn", spec, network, robots, separate=False)
    parameters, memory = team.initial(3, 0), Replay(10_000, robots, spec)
    memory.add(make_rollout(0, robots), 0)
    drawn = memory.sample(np.random.default_rng(0), 40, 5, GAMMA)
    batch = batch_of(drawn, Normalizer("range", spec.bound))
    assert len(set(drawn.lengths.tolist())) > 2
    best = team.values(parameters, batch.next_obs).amax(-1)[0].numpy()
    wanted = drawn.rewards[:, 0] + GAMMA**drawn.lengths * np.where(drawn.terminated[:, 0], 0, best)
    found = goals(team, parameters, parameters, batch, GAMMA, double=True)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-5)


@pytest.mark.parametrize("algorithm", ["iql", "vdn", "qmix"])
def test_learners_draw_returns_of_so_many_steps(spec, make_rollout, monkeypatch, algorithm):
    asked = []
    sample = Replay.sample
    monkeypatch.setattr(Replay, "sample", lambda *arguments: asked.append(arguments[3:]) or sample(*arguments))
    config = Config.model_validate(
        {
            "world": {"map": "rware-tiny-2ag"},
            "mapping": "per-robot" if algorithm == "iql" else "central",
            "learner": {"algorithm": algorithm, "gamma": GAMMA},
            "replay": {"warmup": 50, "batch": 16, "steps_per_update": 1, "n_step": 3},
        }
    )
    figures = build_learner(config, spec, 0).update(make_rollout(0, (0,)))
    assert asked == [(3, GAMMA)]
    assert figures["td_loss"] > 0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["replay.n_step=0"], "replay.n_step = 0; allowed: 1 to 1000"),
        (["replay.n_step=200"], "replay.n_step = 200; allowed are 1 to learner.rollout_steps = "),
    ],
)
def test_returns_that_cannot_be_are_refused(settings, said):
    with pytest.raises(ConfigError, match=said):
        load_config("demo", ["learner.algorithm=iql", *settings])
