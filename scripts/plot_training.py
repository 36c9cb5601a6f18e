"""Plot deliveries per robot over a training run, against random actions on the same floor.

python scripts/plot_training.py RUN OUT.png
"""

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt

from actors.stacked import StackedPolicy
from env_server.evaluate import evaluate
from env_server.worlds import make_world
from fleet.core.config.load import load_config
from fleet.core.jsonl import read_jsonl
from fleet.core.rundir import RunDirectory

mpl.use("Agg")
from matplotlib import pyplot as plt

WINDOW = 5  # rounds


def smooth(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Means over the last WINDOW rounds; fewer at the start."""
    total = np.cumsum(np.insert(values, 0, 0.0))
    first = np.maximum(np.arange(len(values)) + 1 - WINDOW, 0)
    return (total[1:] - total[first]) / (np.arange(len(values)) + 1 - first)


def random_rate(run: RunDirectory) -> float:
    """Deliveries per robot per 1,000 steps when every action is drawn uniformly, over 64 episodes."""
    config = load_config(run.config)
    spec = make_world(config.world).spec
    untrained = StackedPolicy(spec, config.network)  # without weights it acts uniformly at random
    deliveries = evaluate(config.world, untrained, config.run.seed, episodes=64).deliveries
    assert deliveries is not None, "only of worlds in which something is delivered"
    return float(deliveries.mean())


def plot(run: RunDirectory, out: Path) -> None:
    lines = read_jsonl(run.metrics)
    minutes = np.cumsum([line["wall_s"] for line in lines]) / 60
    steps = np.array([line["agent_steps"] for line in lines]) / 1e6
    robots = np.array([line["deliveries"] for line in lines])
    chance = random_rate(run)
    figure, axes = plt.subplots(figsize=(8, 4.2), dpi=120, layout="constrained")
    low, high = (smooth(np.percentile(robots, share, axis=1)) for share in (10, 90))
    axes.fill_between(minutes, low, high, color="#4c78a8", alpha=0.2, lw=0, label="10th to 90th percentile of robots")
    axes.plot(minutes, smooth(robots.mean(axis=1)), color="#4c78a8", label="independent PPO, mean of all robots")
    axes.axhline(chance, color="#e45756", ls="--", label=f"random actions ({chance:.2g})")
    axes.set_xlabel("minutes of training")
    axes.set_ylabel("deliveries per robot per 1,000 steps")
    axes.set_xlim(0, minutes[-1])
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", frameon=False)
    above = axes.secondary_xaxis(
        "top", functions=(lambda m: np.interp(m, minutes, steps), lambda s: np.interp(s, steps, minutes))
    )
    above.set_xlabel("million agent-steps")
    figure.savefig(out, metadata={"Software": None})
    for mark in (1.0, 5.0, 8.0):
        reached = np.flatnonzero(smooth(robots.mean(axis=1)) >= mark)
        print(f"{mark:g} deliveries:", f"{minutes[reached[0]]:.1f} minutes" if reached.size else "not reached")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    plot(RunDirectory.open(arguments.run), arguments.out)


if __name__ == "__main__":
    main()
