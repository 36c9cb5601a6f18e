"""`fleet degrade`: how much a trained fleet still delivers with robots offline, as a table and a plot."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fleet.core.config import Config
    from fleet.study.degrade.degrade import Degradation, Point

USUAL = "0,1,2,4,8,16"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("degrade")(degrade)


def degrade(
    source: Annotated[
        str, typer.Argument(metavar="CONFIG_OR_RUN", help="A run's folder; or a config, which is trained first.")
    ],
    offline: Annotated[
        str | None,
        typer.Option(metavar="K,K,...", help=f"Numbers of robots offline. Unset: of {USUAL}, those below all robots."),
    ] = None,
    body: Annotated[str, typer.Option(metavar="BODY,...", help="stalled, towed, or both.")] = "stalled,towed",
    seeds: Annotated[int, typer.Option(help="Each draws its own episodes and which robots are off.")] = 8,
    episodes: Annotated[int, typer.Option(help="Episodes per seed and point.")] = 16,
    greedy: Annotated[bool, typer.Option("--greedy", help="Take the likeliest action instead of sampling.")] = False,
    snapshot: Annotated[str, typer.Option(help="Which snapshot: newest, best, or a round.")] = "newest",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder for degrade.json, degrade.png and a run trained here.")
    ] = None,
) -> None:
    """Measure throughput per number of robots offline, next to the straight line (n - k) / n."""
    from dataclasses import asdict

    from fleet.commands.screen import count_up, make_folder, print_json
    from fleet.core.errors import BadInput
    from fleet.study.degrade import degrade as study

    counts = _counts(USUAL if offline is None else offline)
    bodies = [word.strip() for word in body.split(",") if word.strip()]
    study.check(counts, bodies, seeds, episodes)
    config, robots = _config(source)
    if offline is None:
        counts = [count for count in counts if count < robots]
    if max(counts) > robots:
        raise BadInput(f"--offline {max(counts)}; {source} has {robots} robots, so allowed are 0 to {robots}")
    make_folder(out)
    run = Path(source) if Path(source).is_dir() else _train(config, out, quiet=as_json)
    curve = study.degrade(
        run,
        offline=counts,
        bodies=bodies,
        seeds=seeds,
        episodes=episodes,
        greedy=greedy,
        snapshot=snapshot,
        on_done=count_up("evaluations"),
    )
    if out is not None:
        _write(curve, out)
    if as_json:
        print_json(asdict(curve))
        return
    _print(curve)
    if out is not None:
        print(f"\n{out / 'degrade.json'}\n{out / 'degrade.png'}")


def _counts(text: str) -> list[int]:
    from fleet.core.errors import BadInput

    try:
        return [int(word) for word in text.split(",") if word.strip()]
    except ValueError:
        raise BadInput(f"--offline {text}; expected numbers of robots with commas, such as 0,1,2,4") from None


def _config(source: str) -> tuple["Config", int]:
    """The config of that name, or of the run in that folder, and how many robots it has. Raises BadInput."""
    from fleet.core.config.load import load_config, placing_faults
    from fleet.core.rundir import RunDirectory
    from fleet.study.prepare import prepare

    config = load_config(RunDirectory.open(Path(source)).config if Path(source).is_dir() else source)
    if not Path(source).is_dir():
        with placing_faults(source, config):
            config = prepare(config)
    assert config.world.robots is not None
    return config, config.world.robots


def _train(config: "Config", out: Path | None, *, quiet: bool) -> Path:
    """Train `config`, in `out`/run or under runs/, and give the run's folder. Raises BadInput, FleetError.

    `quiet`: nothing is shown, stdout being for the JSON.
    """
    from fleet.commands.display import make_display
    from fleet.core.errors import FleetError
    from fleet.study import run as study
    from fleet.study.kernels import are_kept

    folder = None if out is None else out / "run"
    if quiet:
        finished = study.run(config, folder)
    else:
        with make_display(compiles=not are_kept()) as display:
            finished = study.run(config, folder, on_status=display.show)
    if finished.outcome.kind != "done":
        raise FleetError(f"the training in {finished.path} {finished.outcome.kind}: {finished.outcome.reason}")
    return finished.path


def _write(curve: "Degradation", out: Path) -> None:
    from dataclasses import asdict

    from fleet.core.errors import FleetError
    from fleet.core.files import write_atomic
    from fleet.core.jsonl import plain
    from fleet.study.degrade.plot import plot

    try:
        write_atomic(out / "degrade.json", [json.dumps(plain(asdict(curve)), indent=1).encode(), b"\n"])
        plot(curve, out / "degrade.png")
    except OSError as error:
        raise FleetError(f"{out}: can't be written: {error.strerror}") from error


def _print(curve: "Degradation") -> None:
    from fleet.commands.screen import number, print_table

    print(
        f"{curve.robots} robots of {curve.run}, round {curve.snapshot_round}\n"
        "deliveries per 1,000 steps and robot of the whole fleet\n"
    )
    rows = (
        (
            point.body,
            str(point.offline),
            number(point.throughput.mean),
            f"{number(point.throughput.low)} to {number(point.throughput.high)}",
            number(point.straight),
            *_ratio(point),
            number(point.per_online),
        )
        for point in curve.points
    )
    print_table(rows, header=("body", "offline", "deliveries", "95%", "straight", "ratio", "95%", "per online robot"))
    print(
        f"\nmean and 95% percentile bootstrap interval ({curve.resamples:,} resamples) over {curve.seeds} seeds, each "
        f"{curve.episodes} episodes of {curve.steps} steps.\nstraight: (n - k) / n of the mean with none offline. "
        "ratio: deliveries over straight, the per-capita retention.\nPaired: a seed meets the same episodes at every "
        "number offline, and k robots offline contain those of fewer."
    )


def _ratio(point: "Point") -> tuple[str, str]:
    from fleet.commands.screen import MISSING, number

    if point.ratio is None:
        return MISSING, MISSING
    return number(point.ratio.mean, 3), f"{number(point.ratio.low, 3)} to {number(point.ratio.high, 3)}"
