"""`fleet run`: trains, and shows how it goes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from fleet.core.config import Config
    from fleet.study.run import Finished


AUTO = "auto"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(run)


def run(
    source: Annotated[
        str | None, typer.Argument(metavar="CONFIG", help="A TOML file, or a shipped config's name: demo, smoke, ...")
    ] = None,
    rounds: Annotated[int | None, typer.Option(help="Rounds to train for (run.rounds).")] = None,
    seed: Annotated[int | None, typer.Option(help="Decides every draw of the run (run.seed).")] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="The run's folder. Unset: runs/NAME-TIME.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY.SUB=VALUE", help="Change one setting; may be repeated.")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Go on with the run in DIR from its newest snapshot. May differ then: run.rounds, run.name, "
            "run.patience_s, checkpoint.*, eval.*, control.*, faults.*, wire.*",
        ),
    ] = None,
    faults: Annotated[
        str | None,
        typer.Option(
            metavar="PLAN",
            help="What is to fail, in place of what the config says: a plan's file, or a shipped plan's name.",
        ),
    ] = None,
    init_from: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Start the robots from the policies of the run in DIR.")
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|auto",
            help="The same run without faults, to compare deliveries with. auto: run it first, in OUT-baseline.",
        ),
    ] = None,
    single_process: Annotated[
        bool, typer.Option("--single-process", help="The same parts in one process, without sockets.")
    ] = False,
) -> None:
    """Train a fleet: one learner process per robot, each with its own weights and optimizer."""
    from fleet.commands.display import make_display
    from fleet.core.errors import BadInput
    from fleet.study import run as study
    from fleet.study.kernels import are_kept

    if resume is not None and (out is not None or init_from is not None):
        raise BadInput("--resume goes on in the run's own folder from its own snapshot: no --out, no --init-from")
    config = _load(source, resume, rounds, seed, settings or [], faults)
    if baseline == AUTO:
        if resume is not None or single_process:
            raise BadInput("--baseline auto runs the baseline first: no --resume, no --single-process")
        out = study.new_folder(config.run.name) if out is None else out
        baseline = _baseline(config, out, init_from)
    with make_display(compiles=not are_kept()) as display:
        if resume is not None:
            finished = study.resume(
                resume, config, single_process=single_process, baseline=baseline, on_status=display.show
            )
        else:
            finished = study.run(
                config,
                out,
                init_from=init_from,
                single_process=single_process,
                baseline=baseline,
                on_status=display.show,
            )
    close(finished)
    raise typer.Exit(finished.outcome.exit_status)


def _baseline(config: "Config", out: Path, init_from: Path | None) -> str:
    """Train without the faults first; its folder. Ends the command if that doesn't come to its last round."""
    from fleet.commands.display import make_display
    from fleet.study import run as study
    from fleet.study.kernels import are_kept

    print("first without faults:", flush=True)
    with make_display(compiles=not are_kept()) as display:
        finished = study.without_faults(config, out, init_from=init_from, on_status=display.show)
    if finished.outcome.kind != "done":
        close(finished)
        raise typer.Exit(finished.outcome.exit_status)
    print(f"{finished.path}\n\nnow with faults:", flush=True)
    return str(finished.path)


def _load(
    source: str | None,
    resume: Path | None,
    rounds: int | None,
    seed: int | None,
    settings: list[str],
    plan: str | None,
) -> "Config":
    from fleet.core.config.load import Override, load_config, load_plan, placing_faults
    from fleet.core.errors import BadInput
    from fleet.core.rundir import RunDirectory
    from fleet.study.prepare import prepare

    if source is None and resume is None:
        raise BadInput("no CONFIG given; name a TOML file or a shipped config, such as demo")
    overrides: list[str | Override] = list(settings)
    if rounds is not None:
        overrides.append(Override(f"--rounds {rounds}", ("run", "rounds"), rounds))
    if seed is not None:
        overrides.append(Override(f"--seed {seed}", ("run", "seed"), seed))
    if source is None:
        assert resume is not None
        source = str(RunDirectory.open(resume).config)
    config = load_config(source, overrides)
    if plan is not None:
        if any(text.startswith("faults.") for text in settings):
            raise BadInput("--faults and --set faults... both say what is to fail; give one of them")
        config = config.model_copy(update={"faults": load_plan(plan)})
    with placing_faults(source, config, overrides, plan):
        return prepare(config)


def close(finished: "Finished") -> None:
    """The closing summary, and what faults cost if there were any."""
    from fleet.commands.cost import print_cost
    from fleet.commands.screen import complain, print_table
    from fleet.core.rundir import RunDirectory

    summary = RunDirectory.open(finished.path).read_json("summary.json")
    print()
    print_table(summary_rows(summary))
    if "cost" in summary:
        print_cost(summary["cost"])
    print(f"\n{finished.path}")
    if finished.outcome.kind == "failed":
        complain(finished.outcome.reason)


def _restarts(summary: dict[str, Any]) -> str:
    """How often each kind of process was started again."""
    counts = {
        "learners": sum(summary.get("restarts", {}).values()),
        "the environment server": summary.get("server_restarts", 0),
        "the zygote": summary.get("zygote_restarts", 0),
    }
    return ", ".join(f"{count:,} of {name}" for name, count in counts.items() if count) or "0"


def summary_rows(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """A run's summary.json as rows: what it is, and how much."""
    from fleet.commands.moving import moving_rows
    from fleet.commands.screen import delivered, duration, number
    from fleet.core.balance import FROZEN

    figures, ledger = summary.get("figures", {}), summary.get("ledger", {})
    rows = [
        ("outcome", f"{summary['outcome']}: {str(summary['reason']).splitlines()[0]}"),
        ("time", duration(summary.get("wall_s"))),
        ("rounds", number(figures.get("round"))),
        ("agent-steps", number(figures.get("agent_steps"))),
        ("agent-steps/s in the last round", number(figures.get("agent_steps_per_s"), 0)),
        *delivered(figures.get("agent_steps"), figures.get("deliveries_per_1000")),
        ("episode return", number(figures.get("episode_return"))),
        *moving_rows(figures),
        ("restarts", _restarts(summary)),
    ]
    if "balanced" in ledger:
        word = "balanced" if ledger["balanced"] else "NOT BALANCED"
        frozen = ledger.get("withheld_by_reason", {}).get(FROZEN, 0)
        counts = {"lost": ledger["lost"], "withheld": ledger["withheld"] - frozen, "of frozen robots": frozen}
        parts = [f"{number(count)} {what}" for what, count in counts.items() if count]
        rows.append(("ledger", ", ".join([f"{word}: {number(ledger['trained'])} agent-steps trained", *parts])))
    for file, missed in summary.get("not_written", {}).items():
        rows.append((f"not written to {file}", f"{number(missed['times'])} times: {missed['error']}"))
    return rows
