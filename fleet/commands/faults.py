"""`fleet faults`: what a fault plan comes to, strike by strike and as a picture; `--kinds` explains what can fail."""

import sys
import textwrap
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fleet.core.config import Config
    from fleet.core.faults.strike import Strike

_WIDTH = 100
_MOST_ROWS = 40


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("faults")(faults)


def faults(
    plan: Annotated[
        str | None,
        typer.Argument(metavar="PLAN", help="A plan's file, a shipped plan's name, a config, or a run's folder."),
    ] = None,
    config: Annotated[
        str | None, typer.Option(metavar="CONFIG", help="The fleet that a plan's file is for. Unset: demo.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Decides who is drawn and when (run.seed).")] = None,
    rounds: Annotated[int | None, typer.Option(help="Rounds of the run (run.rounds).")] = None,
    kinds: Annotated[bool, typer.Option("--kinds", help="Explain every kind of fault and its settings.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show when a fault plan strikes whom; without a plan, the shipped ones."""
    from fleet.commands.screen import print_json
    from fleet.core.faults.resolve import is_clockless, resolve

    if kinds:
        _print_kinds(as_json)
        return
    if plan is None:
        _print_shipped(as_json)
        return
    settled = _load(plan, config, seed, rounds)
    strikes = resolve(settled)
    if not as_json:
        _print(plan, settled, strikes)
        return
    facts = {"name": settled.run.name, "robots": settled.world.robots, "rounds": settled.run.rounds}
    shown = [strike.as_dict() for strike in strikes]
    print_json({**facts, "seed": settled.run.seed, "clockless": is_clockless(strikes), "strikes": shown})


def _load(plan: str, config: str | None, seed: int | None, rounds: int | None) -> "Config":
    from pathlib import Path

    from fleet.core.config.load import Override, load_config, load_plan, names_config, placing_faults
    from fleet.core.errors import BadInput
    from fleet.core.rundir import RunDirectory
    from fleet.study.prepare import settle

    options = (("seed", seed), ("rounds", rounds))
    overrides = [Override(f"--{key} {value}", ("run", key), value) for key, value in options if value is not None]
    whole = RunDirectory.open(Path(plan)).config if _is_folder(plan) else plan if names_config(plan) else None
    if whole is not None and config is not None:
        raise BadInput(f"{plan} has a fleet of its own; --config {config} is for a plan's file")
    source = whole or config or "demo"
    loaded = load_config(source, overrides)
    if whole is None:
        loaded = loaded.model_copy(update={"faults": load_plan(plan)})
    with placing_faults(source, loaded, overrides, plan if whole is None else None):
        return settle(loaded)


def _is_folder(name: str) -> bool:
    from pathlib import Path

    try:
        return Path(name).is_dir()
    except (OSError, ValueError):  # no name that a file could have; the loader says so
        return False


def _print(plan: str, config: "Config", strikes: "tuple[Strike, ...]") -> None:
    from fleet.commands.screen import number, print_table
    from fleet.core.faults import timeline
    from fleet.core.faults.kinds import KINDS
    from fleet.core.faults.resolve import is_clockless

    run = config.run
    fleet = f"{config.world.robots} robots, {number(run.rounds)} rounds, seed {run.seed}"
    print(f"{plan} on {run.name} ({fleet}): {number(len(strikes))} strike{'' if len(strikes) == 1 else 's'}")
    if not strikes:
        return
    print()
    rows = [
        (
            str(strike.number),
            timeline.when(strike),
            strike.kind,
            timeline.whom(strike),
            timeline.how_long(strike),
            timeline.details(strike),
        )
        for strike in strikes[:_MOST_ROWS]
    ]
    print_table(rows, ("#", "when", "kind", "whom", "how long", "settings"))
    if len(strikes) > _MOST_ROWS:
        print(f"... and {number(len(strikes) - _MOST_ROWS)} more (--json lists them all)")
    print()
    for kind in dict.fromkeys(strike.kind for strike in strikes):
        print(textwrap.fill(f"{kind}: {KINDS[kind].meaning}", _WIDTH, subsequent_indent="  "))
    print()
    marks = timeline.BLOCKS if _can_print("".join(vars(timeline.BLOCKS).values())) else timeline.ASCII
    print("\n".join(timeline.picture(strikes, run.rounds, _WIDTH, marks)))
    if not is_clockless(strikes):
        print("\nSome of it goes by the clock: such a run is no pure function of config and seed, and won't repeat.")


def _can_print(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _print_shipped(as_json: bool) -> None:
    from fleet.commands.screen import print_json
    from fleet.core.config.load import shipped_plans

    plans = {name: path.read_text().splitlines()[0].removeprefix("# ") for name, path in shipped_plans().items()}
    if as_json:
        print_json(plans)
        return
    for name, meaning in plans.items():
        print(textwrap.fill(f"{name:<18} {meaning}", _WIDTH, subsequent_indent=" " * 19))


def _print_kinds(as_json: bool) -> None:
    from fleet.commands.screen import print_json
    from fleet.core.config.faults import FaultConfig
    from fleet.core.faults.kinds import KINDS, settings

    if as_json:
        print_json(
            {
                kind: {
                    "meaning": about.meaning,
                    "doer": about.doer,
                    "targets": about.targets,
                    "settings": settings(kind),
                    "needs": about.needs,
                }
                for kind, about in KINDS.items()
            }
        )
        return
    for kind, about in KINDS.items():
        print(textwrap.fill(f"{kind:<15} {about.meaning} ({about.doer})", _WIDTH, subsequent_indent=" " * 16))
        own = [f"{name} (needed)" if name in about.needs else name for name in settings(kind)]
        targets = f"target: {', '.join(about.targets)}; " if len(about.targets) > 1 else ""
        print(
            textwrap.fill(
                f"{targets}{', '.join(own) or 'no settings of its own'}",
                _WIDTH,
                initial_indent=" " * 16,
                subsequent_indent=" " * 16,
            )
        )
    print("\nEvery kind takes robots (or target), round or at_s, and spread. What the settings mean:")
    for name, field in FaultConfig.model_fields.items():
        print(textwrap.fill(f"{name:<15} {field.description}", _WIDTH, subsequent_indent=" " * 16))
