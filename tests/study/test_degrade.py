"""The degradation curve: intervals, the straight line, the paired design, and the picture."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from env_server import evaluate as arena
from env_server.evaluate import Evaluation
from fleet.core.config.load import load_config
from fleet.core.config.write import to_toml
from fleet.core.errors import BadInput
from fleet.core.rundir import RunDirectory
from fleet.core.seeds import generator
from fleet.study.degrade.degrade import RESAMPLES, Degradation, check, degrade, order_off, point, seed_of
from fleet.study.degrade.plot import plot
from fleet.study.prepare import prepare
from fleet.study.reference import SingleProcess


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A tiny trained run of three robots."""
    config = prepare(load_config("smoke", ["run.rounds=2", "world.max_steps=20"]))
    path = tmp_path_factory.mktemp("degrade") / "run"
    with RunDirectory.create(path, to_toml(config), []) as directory:
        SingleProcess(directory, config).run()
    return path


def test_a_point_of_known_samples():
    """Broken by taking the line from the samples at k in place of those with none offline."""
    found = point("towed", 1, 4, np.array([3.0, 3.0]), np.array([4.0, 4.0]), 1)
    assert (found.throughput.mean, found.throughput.low, found.throughput.high) == (3.0, 3.0, 3.0)
    assert found.straight == 3.0
    assert found.ratio is not None
    assert (found.ratio.mean, found.ratio.low, found.ratio.high) == (1.0, 1.0, 1.0)
    assert found.per_online == 4.0


def test_all_offline_and_nothing_delivered_have_no_ratio():
    off = point("stalled", 4, 4, np.zeros(3), np.ones(3), 1)
    assert (off.straight, off.ratio, off.per_online) == (0.0, None, None)
    nothing = point("stalled", 1, 4, np.zeros(3), np.zeros(3), 1)
    assert (nothing.straight, nothing.ratio) == (0.0, None)


def slow_interval(values, seed):
    """The percentile bootstrap said slowly: the mean of each resample, sorted, cut at both ends."""
    drawn = generator(seed, "eval", 4).integers(len(values), size=(RESAMPLES, len(values)))
    means = sorted(sum(values[index] for index in row) / len(values) for row in drawn.tolist())
    return [np.interp(share * (RESAMPLES - 1), range(RESAMPLES), means) for share in (0.025, 0.975)]


def test_the_interval_is_that_of_a_slow_bootstrap():
    samples = np.array([1.0, 2.0, 4.0, 8.0])
    found = point("towed", 0, 4, samples, samples, 7).throughput
    assert [found.low, found.high] == pytest.approx(slow_interval(samples.tolist(), 7))


@given(st.lists(st.floats(0.5, 20), min_size=2, max_size=10), st.floats(0.1, 1.0))
def test_the_ratio_keeps_the_pairing(base, share):
    """However the seeds differ: if all keep the same share, its interval has no width. Broken by two sets of draws."""
    none_off = np.array(base)
    found = point("towed", 2, 8, none_off * share, none_off, 3).ratio
    assert found is not None
    assert found.low == pytest.approx(found.high)
    assert found.mean == pytest.approx(share / 0.75)


def test_offline_sets_are_nested_and_episodes_the_same_for_all_numbers_offline(run, monkeypatch):
    """Broken by drawing the robots anew for each number offline, and by a seed that depends on it."""
    asked = []

    def watched(world, policy, seed, **how):
        asked.append((seed, how["episodes"], dict(how["offline"])))
        return Evaluation(np.zeros(1), np.ones(1))

    monkeypatch.setattr(arena, "evaluate", watched)
    degrade(run, offline=[1, 2, 3], bodies=["stalled", "towed"], seeds=2, episodes=4)
    for seed in {item[0] for item in asked}:
        sets = [set(off) for of, _, off in asked if of == seed]
        assert all(one <= other or other <= one for one in sets for other in sets)
        assert sorted(len(off) for off in sets) == [0, 1, 1, 2, 2, 3, 3]
    assert len({seed for seed, _, _ in asked}) == 2
    assert {episodes for _, episodes, _ in asked} == {4}


def test_seeds_draw_different_robots_and_episodes():
    orders = {order_off(seed_of(1, number), 40) for number in range(8)}
    assert len(orders) == 8
    assert all(sorted(order) == list(range(40)) for order in orders)
    assert seed_of(1, 0) != seed_of(2, 0)


def test_a_curve_twice_is_the_same_and_starts_with_none_offline(run):
    done = []
    curve = degrade(run, offline=[3], bodies=["towed"], seeds=2, episodes=2, on_done=lambda *how: done.append(how))
    assert curve == degrade(run, offline=[0, 3], bodies=["towed"], seeds=2, episodes=2)
    assert [item.offline for item in curve.points] == [0, 3]
    assert curve.points[1].throughput.mean == 0.0
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert (curve.robots, curve.snapshot_round, curve.steps) == (3, 2, 20)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (([], ["towed"], 2, 1), "names no number"),
        (([-1], ["towed"], 2, 1), "-1; allowed are numbers of robots from 0"),
        (([1], [], 2, 1), "names none"),
        (([1], ["flying"], 2, 1), "flying; allowed are stalled, towed"),
        (([1], ["towed", "towed"], 2, 1), "each once"),
        (([1], ["towed"], 1, 1), "--seeds 1; allowed are 2 to"),
        (([1], ["towed"], 2, 0), "--episodes 0"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments, said):
    with pytest.raises(BadInput, match=said):
        check(*arguments)


def test_more_offline_than_there_are_is_refused(run):
    with pytest.raises(BadInput, match="--offline 4; .* has 3 robots, so allowed are 0 to 3"):
        degrade(run, offline=[4], bodies=["towed"], seeds=2)


def test_the_picture_is_a_picture(tmp_path):
    samples = np.array([1.0, 2.0])
    points = tuple(point(body, k, 4, samples, samples, 1) for body in ("stalled", "towed") for k in (0, 2))
    plot(Degradation("run", 3, 4, 2, 8, 50, RESAMPLES, points), tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
