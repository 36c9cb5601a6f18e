"""How throughput falls with the number of robots offline: what `fleet degrade` measures on trained policies.

Policies come out of a run's snapshot, episodes out of `env_server.evaluate`; the curve goes to the command's table, to
degrade.json and to the plot.

The design is paired, so that differences are less noisy than the figures themselves: each seed draws its episodes and
one order in which robots go off, and meets both again for every body and every number offline. Two offline contain the
one that is off alone, four contain the two.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from env_server import evaluate as arena
from env_server.protocol import Body
from fleet.core.errors import BadInput
from fleet.core.seeds import generator
from fleet.study.policies import Trained, load_policies

RESAMPLES = 10_000
BODIES: Mapping[str, Body] = {"stalled": "stalled", "towed": "towed"}
_MOST_SEEDS, _MOST_EPISODES = 1000, 1024

Samples = npt.NDArray[np.float64]
OnDone = Callable[[int, int], None]


@dataclass(frozen=True)
class Interval:
    """A mean over seeds and its 95% percentile bootstrap interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Point:
    """`offline` robots off with that `body`. Deliveries are per 1,000 steps, per robot of the whole fleet.

    `straight` is the line (n - k) / n times the mean with none offline. `ratio` is throughput over that line, which is
    the per-capita retention: what an online robot delivers, over what it delivered with all online; None where the line
    is 0. `per_online` is the deliveries per robot online. `samples` are the seeds' own throughputs.
    """

    body: str
    offline: int
    throughput: Interval
    straight: float
    ratio: Interval | None
    per_online: float | None
    samples: tuple[float, ...]


@dataclass(frozen=True)
class Degradation:
    """The curves of a run's policies, by body and number offline, and how they were measured."""

    run: str
    snapshot_round: int
    robots: int
    seeds: int
    episodes: int
    steps: int
    resamples: int
    points: tuple[Point, ...]


def degrade(
    directory: str | Path,
    *,
    offline: Sequence[int],
    bodies: Sequence[str],
    seeds: int,
    episodes: int = 16,
    greedy: bool = False,
    snapshot: str = "newest",
    on_done: OnDone = lambda done, total: None,
) -> Degradation:
    """Play `episodes` episodes per seed, body and number of robots `offline`, with the policies of a run.

    None offline is measured whether it is asked for or not: the straight line starts there. `on_done(done, total)`
    counts evaluations. Raises BadInput if the run or snapshot can't be used or anything asked for can't be.
    """
    check(offline, bodies, seeds, episodes)
    trained = load_policies(directory, snapshot)
    robots = trained.spec.robots
    if trained.config.world.is_foreign:
        raise BadInput(f"{directory}: nothing is delivered in its world, and deliveries are what is measured here")
    if max(offline) > robots:
        raise BadInput(f"--offline {max(offline)}; {directory} has {robots} robots, so allowed are 0 to {robots}")
    counts = sorted({0, *offline})
    samples = _measure(trained, counts, bodies, seeds, episodes, greedy, on_done)
    points = [
        point(body, count, robots, samples[body, count], samples[body, 0], trained.config.run.seed)
        for body in bodies
        for count in counts
    ]
    steps = trained.config.world.max_steps
    return Degradation(str(directory), trained.snapshot.round, robots, seeds, episodes, steps, RESAMPLES, tuple(points))


def check(offline: Sequence[int], bodies: Sequence[str], seeds: int, episodes: int) -> None:
    """Raise BadInput for what no run could be measured with: before one is trained for it."""
    if not offline:
        raise BadInput("--offline names no number of robots; give for example 0,1,2,4")
    if min(offline) < 0:
        raise BadInput(f"--offline {min(offline)}; allowed are numbers of robots from 0")
    if not bodies:
        raise BadInput(f"--body names none; allowed are {', '.join(BODIES)}")
    unknown = [body for body in bodies if body not in BODIES]
    if unknown or len(set(bodies)) < len(bodies):
        raise BadInput(f"--body {','.join(bodies)}; allowed are {', '.join(BODIES)}, each once")
    if not 2 <= seeds <= _MOST_SEEDS:
        raise BadInput(f"--seeds {seeds}; allowed are 2 to {_MOST_SEEDS}: of a single seed there is no interval")
    if not 1 <= episodes <= _MOST_EPISODES:
        raise BadInput(f"--episodes {episodes}; allowed are 1 to {_MOST_EPISODES}")


def seed_of(seed: int, number: int) -> int:
    """What the curve's seed `number` draws episodes and robots from, in a run whose own seed is `seed`."""
    return int(generator(seed, "eval", 3, number).integers(2**63))


def order_off(seed: int, robots: int) -> tuple[int, ...]:
    """The order in which robots go offline under one of the curve's seeds; k offline are its first k."""
    return tuple(int(robot) for robot in generator(seed, "faults").permutation(robots))


def _measure(
    trained: Trained,
    counts: Sequence[int],
    bodies: Sequence[str],
    seeds: int,
    episodes: int,
    greedy: bool,
    on_done: OnDone,
) -> dict[tuple[str, int], Samples]:
    """Deliveries per robot per 1,000 steps of each seed (K,), by body and number offline. 0 offline is played once."""
    jobs = [(body, count) for count in counts for body in (bodies[:1] if count == 0 else bodies)]
    found = {job: np.zeros(seeds) for job in jobs}
    for number in range(seeds):
        seed = seed_of(trained.config.run.seed, number)
        order = order_off(seed, trained.spec.robots)
        for index, (body, count) in enumerate(jobs):
            off = dict.fromkeys(order[:count], BODIES[body])
            world, policy = trained.config.world, trained.policy
            played = arena.evaluate(world, policy, seed, episodes=episodes, greedy=greedy, offline=off)
            assert played.deliveries is not None
            found[body, count][number] = played.deliveries.mean()
            on_done(number * len(jobs) + index + 1, seeds * len(jobs))
    return found | {(body, 0): found[bodies[0], 0] for body in bodies}


def point(body: str, offline: int, robots: int, samples: Samples, none_off: Samples, seed: int) -> Point:
    """One point of the curve from the seeds' throughputs (K,) at it and with none offline, in the same order of seeds.

    Both are resampled by the same draws, so that the ratio's interval keeps the pairing. The percentile bootstrap is
    somewhat too narrow for few seeds; from about eight on it can be used.
    """
    share = (robots - offline) / robots
    drawn = generator(seed, "eval", 4).integers(len(samples), size=(RESAMPLES, len(samples)))
    means, bases = samples[drawn].mean(axis=1), none_off[drawn].mean(axis=1)
    straight = float(share * none_off.mean())
    ratio = None
    if share > 0 and none_off.mean() > 0:
        kept = bases > 0
        ratio = _interval(float(samples.mean()) / straight, means[kept] / (share * bases[kept]))
    return Point(
        body=body,
        offline=offline,
        throughput=_interval(float(samples.mean()), means),
        straight=straight,
        ratio=ratio,
        per_online=float(samples.mean()) / share if share > 0 else None,
        samples=tuple(float(value) for value in samples),
    )


def _interval(mean: float, resampled: Samples) -> Interval:
    low, high = np.percentile(resampled, (2.5, 97.5))
    return Interval(mean, float(low), float(high))
