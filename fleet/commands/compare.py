"""`fleet compare`: one task under every scheme at the same budget, in tables and plots; goes on where it stopped."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fleet.study.compare.compare import Asked, Done


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("compare")(compare)


def compare(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="The task: a TOML file or a shipped config.")],
    schemes: Annotated[
        str,
        typer.Option(
            metavar="S,S,...",
            help="independent, iql, shared, central, vdn, qmix, joint, greedy, pibt, random. "
            "Unset: all that the task can take.",
        ),
    ] = "",
    tasks: Annotated[str, typer.Option(metavar="CONFIG,...", help="More tasks to train and evaluate on.")] = "",
    seeds: Annotated[int, typer.Option(help="Seeds of each scheme on each task.")] = 5,
    budget: Annotated[str, typer.Option(help="Of each training: agent-steps (2e6) or wall time (10min).")] = "2e6",
    episodes: Annotated[int, typer.Option(min=1, max=1024, help="Episodes that each final policy is tried on.")] = 32,
    faults: Annotated[
        str | None, typer.Option(metavar="PLAN", help="Also train CONFIG briefly without and under this fault plan.")
    ] = None,
    robots: Annotated[str, typer.Option(metavar="N,N,...", help="Also train CONFIG briefly with so many robots.")] = "",
    settings: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Tuned settings, SCHEME.toml each, as `fleet tune` writes them.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder of results, which it goes on with.")] = Path(
        "runs/compare"
    ),
) -> None:
    """Compare schemes on the same task, seeds, networks and budget; cells that are done are not run again."""
    from fleet.commands.compared import print_comparison
    from fleet.commands.screen import print_json, show_cell
    from fleet.core.config.load import load_plan
    from fleet.core.errors import FleetError
    from fleet.study.compare.budget import parse_budget
    from fleet.study.compare.cell import Terms
    from fleet.study.compare.compare import Asked
    from fleet.study.compare.compare import compare as study
    from fleet.study.compare.faulted import Plan
    from fleet.study.compare.summary import summarize, summarize_faults

    asked = Asked(
        tasks=(config, *_words(tasks)),
        schemes=_words(schemes),
        seeds=seeds,
        terms=Terms(parse_budget(budget), episodes, settings),
        plan=None if faults is None else Plan(faults, load_plan(faults)),
        robots=_counts(robots),
    )
    done = study(asked, out, show_cell)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    pictures = _draw(done, asked, out)
    summaries, under = summarize(done), summarize_faults(done)
    if as_json:
        scale = [{"scheme": key[2], **found} for key, found in done.items() if key[0] == "scale"]
        found = {"tasks": [asdict(task) for task in summaries], "faults": [asdict(each) for each in under]}
        print_json({"budget": str(asked.terms.budget), "seeds": seeds, **found, "scale": scale})
    else:
        print_comparison(summaries, under, done)
        print("\n" + "\n".join(map(str, [out, *pictures])))
    if all(result["status"] == "failed" for result in done.values()):
        raise FleetError(f"none of {len(done)} came to its end; see {out / 'cells'}")


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _counts(text: str) -> tuple[int, ...]:
    from fleet.core.errors import BadInput

    words = _words(text)
    if not all(word.isdecimal() and 1 <= int(word) <= 1000 for word in words) or len(set(words)) < len(words):
        raise BadInput(f"--robots {text}: allowed are numbers from 1 to 1000 with commas between them, each once")
    return tuple(map(int, words))


def _draw(done: "Done", asked: "Asked", out: Path) -> list[Path]:
    from fleet.core.errors import FleetError
    from fleet.study.compare.plot import plot_scale, plot_training

    pictures = []
    try:
        for task in asked.tasks:
            pictures.append(out / f"{Path(task).stem}.png")
            plot_training(done, task, pictures[-1])
        if asked.robots:
            pictures.append(out / "scale.png")
            plot_scale(done, pictures[-1])
    except OSError as error:
        raise FleetError(f"{out}: can't be written: {error.strerror}") from error
    return pictures
