"""The handoff task's dial: deliveries of each scheme as a lone toggle costs more and more.

    python scripts/handoff_curve.py --penalties 0,0.25,0.5,1,2 --schemes independent,central,joint --seeds 5 --out DIR

Each penalty is a task of its own, in DIR/PENALTY.toml, and all of them are one comparison in DIR, which goes on where
it stopped; DIR/handoff.png and DIR/handoff.md are drawn from what is done.
"""

import argparse
from pathlib import Path

from matplotlib.figure import Figure

from fleet.commands.compared import with_interval
from fleet.commands.screen import show_cell
from fleet.study.compare.budget import parse_budget
from fleet.study.compare.cell import Terms
from fleet.study.compare.compare import Asked, Done, compare
from fleet.study.compare.interval import Spread
from fleet.study.compare.plot import COLOURS
from fleet.study.compare.summary import summarize
from fleet.study.compare.tasks import write_task


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--config", default="handoff")
    options.add_argument("--penalties", default="0,0.25,0.5,1,2,4")
    options.add_argument("--schemes", default="independent,central,joint")
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--budget", default="1e6")
    options.add_argument("--episodes", type=int, default=64)
    options.add_argument("--settings", type=Path)
    options.add_argument("--out", type=Path, required=True)
    given = options.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    penalties = [float(word) for word in given.penalties.split(",")]
    tasks = {
        str(write_task(given.config, [f"world.handoff.penalty={at!r}"], given.out / f"penalty-{at:g}.toml")): at
        for at in penalties
    }
    terms = Terms(parse_budget(given.budget), given.episodes, given.settings)
    done = compare(Asked(tuple(tasks), tuple(given.schemes.split(",")), given.seeds, terms), given.out, show_cell)
    curves = curves_of(done, tasks)
    plot(curves, given.out / "handoff.png")
    text = table(curves, given.seeds, parse_budget(given.budget).words)
    (given.out / "handoff.md").write_text(text)
    print(text)


def curves_of(done: Done, tasks: dict[str, float]) -> dict[str, list[tuple[float, Spread]]]:
    curves: dict[str, list[tuple[float, Spread]]] = {}
    for task in summarize(done):
        for scheme in task.schemes:
            if scheme.deliveries is not None:
                curves.setdefault(scheme.scheme, []).append((tasks[task.task], scheme.deliveries))
    return curves


def plot(curves: dict[str, list[tuple[float, Spread]]], out: Path) -> None:
    figure = Figure(figsize=(8, 4.6), dpi=120, layout="constrained")
    axes = figure.subplots()
    for scheme, points in curves.items():
        at = [penalty for penalty, _ in points]
        low = [found.mean if found.low is None else found.low for _, found in points]
        high = [found.mean if found.high is None else found.high for _, found in points]
        axes.fill_between(at, low, high, color=COLOURS.get(scheme, "#555555"), alpha=0.2, lw=0)
        axes.plot(
            at, [found.mean for _, found in points], color=COLOURS.get(scheme, "#555555"), marker="o", label=scheme
        )
    axes.set_xlabel("what a lone toggle costs")
    axes.set_ylabel("deliveries per robot per 1,000 steps")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(out, metadata={"Software": None})


def table(curves: dict[str, list[tuple[float, Spread]]], seeds: int, budget: str) -> str:
    penalties = sorted({penalty for points in curves.values() for penalty, _ in points})
    rows = ["| penalty | " + " | ".join(curves) + " |", "|---" * (len(curves) + 1) + "|"]
    for penalty in penalties:
        cells = [with_interval(dict(points).get(penalty)) for points in curves.values()]
        rows.append(f"| {penalty:g} | " + " | ".join(cells) + " |")
    return (
        "\n".join(rows)
        + f"\n\nDeliveries per robot per 1,000 steps, mean (95% bootstrap) over {seeds} seeds, {budget}.\n"
    )


if __name__ == "__main__":
    main()
