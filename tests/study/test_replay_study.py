"""The replay study: what memories hold of policies that are gone, its rates, its duels, and what it refuses."""

import numpy as np
import pytest
from PIL import Image

from env_server.games.payoffs import make_game
from env_server.games.stages import single, two_state
from fleet.core.errors import BadInput
from fleet.study.games.ghosts import gaps
from fleet.study.games.replay_plot import plot_replay
from fleet.study.games.replay_study import ReplayTerms, duel, moments, study_replay
from fleet.study.games.sweep import Terms
from learners.tabular import actor_critic, compiled_replayed
from learners.tabular.replayed import Rule

TWO = two_state()
SMALL = ReplayTerms(Terms(seeds=6, episodes=120), capacities=(1, 20))


def policy(table, epsilon):
    """Epsilon-greedy on the values of one state."""
    probabilities = np.full(len(table), epsilon / len(table))
    probabilities[table.argmax()] += 1 - epsilon
    return probabilities


def slow_gaps(played, memories, epsilon):
    """From the definition: every memory anew, step by step, grouped by state and own action."""
    found = np.zeros((len(played.states), 2, 2))
    for t in range(len(played.states)):
        for i in range(2):
            held = range(max(0, t + 1 - memories[i]), t + 1)
            groups = {}
            for k in held:
                groups.setdefault((played.states[k], played.actions[k, i]), []).append(k)
            for (state, _), steps in groups.items():
                now = policy(played.tables[t + 1, 1 - i, state], epsilon)
                did = np.mean([np.eye(len(now))[played.actions[k, 1 - i]] for k in steps], axis=0)
                then = np.mean([policy(played.tables[k, 1 - i, state], epsilon) for k in steps], axis=0)
                distances = [abs(did - now).sum() / 2, abs(then - now).sum() / 2]
                found[t, i] += np.multiply(distances, len(steps) / len(held))
    return found


@pytest.mark.parametrize("stages", [TWO, single(make_game("climbing")), single(make_game("pennies"))])
@pytest.mark.parametrize("memories", [(1, 7), (30, 500)])
def test_gaps_are_distances_of_distributions(stages, memories):
    """Broken by the agents interchanged, and by the policy before the step in place of the one after it."""
    rule = Rule(0.3, 0.4, 0.5, memories, 3)
    played = compiled_replayed.run(stages.payoffs, stages.following, 2, 60, rule)
    assert gaps(played, memories, 0.4) == pytest.approx(slow_gaps(played, memories, 0.4))


def test_the_study_counts_what_the_learners_end_with():
    seen = []
    study = study_replay(SMALL, on_done=lambda *counts: seen.append(counts))
    assert seen[-1] == (4, 4)
    assert study.times[0] == 1
    assert study.times[-1] == 120
    for learned in study.replayed:
        rule = Rule(0.1, 0.1, 0.5, (learned.capacity,) * 2, 8)
        runs = [compiled_replayed.run(TWO.payoffs, TWO.following, seed, 120, rule) for seed in range(6)]
        best = [(run.tables[-1].argmax(-1) == 1) for run in runs]
        assert learned.optimal.count == sum(one.all() for one in best)
        assert learned.together.count == sum(one[:, 0].all() for one in best)
        assert learned.curve[-1] == learned.optimal.share
        distances = np.mean([gaps(run, rule.memories, 0.1) for run in runs], axis=(0, 2))
        assert (learned.mean_gap, learned.mean_stale) == pytest.approx(tuple(distances.mean(0)))
        assert learned.gap == pytest.approx(distances[np.array(study.times) - 1, 0])
    ends = [actor_critic.run(TWO.payoffs, TWO.following, seed, 120, 0.1, 0.5).tables[-1] for seed in range(6)]
    assert study.on_policy.optimal.count == sum((end.argmax(-1) == 1).all() for end in ends)
    assert [(one.shorter, one.longer) for one in study.duels] == [(1, 20)]


def test_in_pennies_the_longer_memory_loses():
    """And of two alike neither does: whoever is called the shorter sits on either side in half the seeds."""
    asked = ReplayTerms(Terms(seeds=20, episodes=1000))
    uneven, even = duel(asked, 1, 50), duel(asked, 20, 20)
    assert uneven.won.low is not None
    assert uneven.won.low > 0.3
    assert uneven.stale[1] > 2 * uneven.stale[0]
    assert abs(even.won.mean) < 0.05


def test_moments_are_steps_in_order():
    assert moments(1) == (1,)
    assert list(moments(4000)) == sorted(set(moments(4000)))
    assert (moments(4000)[0], moments(4000)[-1]) == (1, 4000)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (ReplayTerms(capacities=(1, 0)), "--memory 0; allowed are 1 to 100,000 steps"),
        (ReplayTerms(capacities=(5, 5)), "--memory 5, 5; allowed is each length once"),
        (ReplayTerms(replayed=0), "--replayed 0; allowed are 1 to 1,000"),
        (ReplayTerms(gamma=0.2), "--gamma 0.2; allowed are numbers above 1/3"),
        (ReplayTerms(gamma=float("nan")), "--gamma nan"),
        (ReplayTerms(Terms(epsilon=1.5)), "--epsilon 1.5; allowed are numbers from 0 to 1"),
        (ReplayTerms(Terms(seeds=10_000, episodes=100_000)), "--seeds 10000 --episodes 100000 with 4 memories"),
    ],
)
def test_what_cannot_be_learned_with_is_refused(asked, said):
    with pytest.raises(BadInput, match=said):
        study_replay(asked)


def test_a_picture_of_the_study(tmp_path):
    plot_replay(study_replay(SMALL), SMALL, tmp_path / "replay.png")
    with Image.open(tmp_path / "replay.png") as picture:
        assert picture.width > 1000
