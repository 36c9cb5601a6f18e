"""How long may a memory be where others learn too: independent PPO beside deep Q-learners of several memories.

    python scripts/replay_warehouse.py --seeds 3 --budget 2.75e5 --out DIR

Three robots on the floor of `smoke`. Each memory is a task of its own, in DIR/MEMORY.toml, and all of them are one
comparison in DIR, which goes on where it stopped; DIR/memories.png and DIR/memories.md are drawn from what is done.
"""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from numpy.lib.stride_tricks import sliding_window_view

from fleet.commands.compared import with_interval
from fleet.commands.screen import number, show_cell
from fleet.core.errors import FleetError
from fleet.core.jsonl import read_jsonl
from fleet.core.rundir import RunDirectory
from fleet.study.compare.budget import parse_budget
from fleet.study.compare.cell import Cell, Terms
from fleet.study.compare.compare import Asked, Done, compare
from fleet.study.compare.curve import Lines, curve, of_updates, over_rounds, reached
from fleet.study.compare.interval import Spread, spread
from fleet.study.compare.measure import DELIVERIES
from fleet.study.compare.plot import draw_seeds
from fleet.study.compare.schemes import find_scheme
from fleet.study.compare.tasks import write_task

FLOOR = (
    "world.worlds=16",
    "world.station=nearest",
    "world.reward=dense",
    "world.max_steps=200",
    "network.hidden=[64, 64]",
    "learner.rollout_steps=64",
)
ON_POLICY = ("learner.learning_rate=3e-3", "learner.epochs=4", "learner.minibatch=256")
BY_VALUES = (
    "learner.learning_rate=2e-3",
    "replay.warmup=1000",
    "replay.batch=128",
    "replay.target_every=50",
    "replay.explore_updates=30",
    "checkpoint.learner_every=1000",  # a checkpoint holds the whole memory
)
# A rollout is 1,024 steps, and 16 or 32 rows more of what was seen at the end of it and of an episode.
ROLLOUT_ROWS = 1_056
MEMORIES = {
    "1 rollout": (1, False),
    "10 rollouts": (10, False),
    "all": (None, False),
    "all, fingerprint": (None, True),
}
OTHERS = {"independent": "independent PPO", "greedy": "greedy planner", "random": "random"}
COLOURS = ("#4c78a8", "#72b7b2", "#54a24b", "#e45756", "#b279a2")
WINDOW = 9  # rounds
F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Learned:
    """What one kind of learner came to: deliveries of the final policies, and each seed's metrics if it is trained."""

    name: str
    deliveries: Spread | None
    runs: Sequence[Lines]

    def over_rounds(self, figure: str) -> Spread | None:
        """The mean of a round's figure over the rounds that have it, over seeds."""
        return _spread(over_rounds(run, [float(line.get(figure, np.nan)) for line in run]) for run in self.runs)

    def last_tenth(self) -> Spread | None:
        """Deliveries over the last tenth of the training."""
        return _spread(reached(curve(run), "agent_steps", float(run[-1]["agent_steps"])) for run in self.runs)

    def over_updates(self, figure: str) -> Spread | None:
        """The same of a figure of the updates. None if these learners don't have it."""
        return _spread(over_rounds(run, of_updates(run, figure)) for run in self.runs)


def _spread(means: Iterable[float | None]) -> Spread | None:
    return spread([mean for mean in means if mean is not None])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--config", default="smoke")
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--budget", default="2.75e5")
    options.add_argument("--episodes", type=int, default=64)
    options.add_argument("--out", type=Path, required=True)
    given = options.parse_args()
    terms = Terms(parse_budget(given.budget), given.episodes)
    if terms.budget.agent_steps is None:
        options.error("--budget: allowed are agent-steps, since these are to be equal")
    given.out.mkdir(parents=True, exist_ok=True)
    learners = study(given.config, given.seeds, terms, terms.budget.agent_steps, given.out)
    plot([each for each in learners if each.runs], given.out / "memories.png")
    text = table(learners, given.seeds, terms.budget.words)
    (given.out / "memories.md").write_text(text)
    print(text)


def study(config: str, seeds: int, terms: Terms, everything: int, out: Path) -> list[Learned]:
    """Train and evaluate what isn't done yet; the memories come last, each a task of its own.

    `everything` agent-steps are three for each step that is remembered, so a memory of as many forgets nothing.
    """
    plain = str(write_task(config, (*FLOOR, *ON_POLICY), out / "on-policy.toml"))
    tasks = {}
    for name, (rollouts, fingerprint) in MEMORIES.items():
        capacity = everything if rollouts is None else rollouts * ROLLOUT_ROWS
        own = (f"replay.capacity={capacity}", f"replay.fingerprint={str(fingerprint).lower()}")
        path = out / f"memory-{name.replace(' ', '-').replace(',', '')}.toml"
        tasks[str(write_task(config, (*FLOOR, *BY_VALUES, *own), path))] = name
    beside = compare(Asked((plain,), tuple(OTHERS), seeds, terms), out, show_cell)
    remembering = compare(Asked(tuple(tasks), ("iql",), seeds, terms), out, show_cell)
    others = [learned(beside, plain, scheme, name, out) for scheme, name in OTHERS.items()]
    return [*others, *(learned(remembering, task, "iql", f"IQL, {name}", out) for task, name in tasks.items())]


def learned(done: Done, task: str, scheme: str, name: str, out: Path) -> Learned:
    """Raises FleetError if a seed has failed; asked again, the study tries it again."""
    deliveries, runs = [], []
    for (_, of, by, seed), found in done.items():
        if (of, by) != (task, scheme):
            continue
        place = out / "runs" / Cell(task, scheme, seed).name
        if found["status"] == "failed":
            raise FleetError(f"{place.name}: {found['error']}")
        deliveries.append(float(found["evaluation"][DELIVERIES]))
        if find_scheme(scheme).trained:
            runs.append(read_jsonl(RunDirectory.open(place).metrics))
    return Learned(name, spread(deliveries), runs)


def plot(trained: Sequence[Learned], out: Path) -> None:
    """Left: deliveries while training. Right: the ghost gap of those who remember more than one rollout."""
    figure = Figure(figsize=(10.4, 4), dpi=80, layout="constrained")
    deliveries, gaps = figure.subplots(1, 2)
    for one, colour in zip(trained, COLOURS, strict=True):
        at = windowed([[line["agent_steps"] / 1e6 for line in run] for run in one.runs])[0]
        delivered = windowed([[line["deliveries_per_1000"] for line in run] for run in one.runs])
        draw_seeds(deliveries, at, delivered, colour, one.name)
        gap = windowed([of_updates(run, "ghost_gap") for run in one.runs])
        if np.nan_to_num(gap).any():
            draw_seeds(gaps, at, gap, colour, one.name)
    deliveries.set(ylabel="deliveries per robot per 1,000 steps", ylim=(0, None))
    gaps.axhline(0, color="#555555", lw=1)
    gaps.set(ylabel="ghost gap: TD error of the oldest third\nless that of the newest")
    for axes in (deliveries, gaps):
        axes.set_xlabel("million agent-steps")
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
    figure.savefig(out, metadata={"Software": None})


def windowed(runs: Sequence[Sequence[float]]) -> F64:
    """Means of each WINDOW rounds of each run, (S, R) to (S, R - WINDOW + 1)."""
    found: F64 = sliding_window_view(np.array(runs, np.float64), WINDOW, axis=1).mean(-1)
    return found


def table(learners: Sequence[Learned], seeds: int, budget: str) -> str:
    header = (
        "learner",
        "deliveries",
        "while training",
        "last tenth",
        "others' drift",
        "replay age",
        "ghost gap",
        "TD error",
    )
    rows = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for one in learners:
        age, loss = one.over_updates("replay_age"), one.over_updates("td_loss")
        cells = (
            one.name,
            with_interval(one.deliveries),
            with_interval(one.over_rounds("deliveries_per_1000")),
            with_interval(one.last_tenth()),
            with_interval(one.over_rounds("drift_others_tv")),
            number(None if age is None else age.mean),
            with_interval(one.over_updates("ghost_gap"), 4),
            number(None if loss is None else np.sqrt(2 * loss.mean), 3),  # half the square, but for few: replay.huber
        )
        rows.append("| " + " | ".join(cells) + " |")
    said = (
        "Deliveries per robot per 1,000 steps: of the final policies, over all of training, and over its last tenth. "
        "The drift of all others together from round to round (total variation), the age in updates of what was drawn, "
        "the ghost gap and the root mean square TD error are means over rounds."
    )
    return "\n".join(rows) + f"\n\n{said} Mean (95% bootstrap) over {seeds} seeds, {budget}.\n"


if __name__ == "__main__":
    main()
