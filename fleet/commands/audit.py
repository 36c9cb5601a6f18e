"""`fleet audit`: shows that every agent-step was trained or accounted for."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from fleet.core.balance import Balance


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("audit")(audit)


def audit(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A run's folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Balance a run's ledger; exit status 0 only if nothing is missing."""
    from fleet.commands.screen import print_json
    from fleet.core import ledger_file
    from fleet.core.rundir import RunDirectory

    balance = ledger_file.audit(RunDirectory.open(directory).ledger)
    if as_json:
        print_json(as_dict(balance))
    else:
        _print(balance)
    raise typer.Exit(0 if balance.balanced else 1)


def as_dict(balance: "Balance") -> dict[str, Any]:
    """The balance as JSON values."""
    return {
        **asdict(balance.total),
        "residual": balance.residual,
        "balanced": balance.balanced,
        "lost_by_reason": balance.lost,
        "withheld_by_reason": balance.withheld,
        "robots": {
            str(robot): {**asdict(figures), "residual": figures.residual} for robot, figures in balance.robots.items()
        },
        "violations": list(balance.violations),
        "partial_line": balance.partial_line,
    }


def _print(balance: "Balance") -> None:
    from fleet.commands.screen import number, print_table

    total = balance.total
    rows = [("produced", number(total.produced)), ("trained", number(total.trained))]
    rows += [("  of that undone", number(total.undone))] if total.undone else []
    rows += [(f"lost: {reason}", number(steps)) for reason, steps in sorted(balance.lost.items())]
    rows += [(f"withheld: {reason}", number(steps)) for reason, steps in sorted(balance.withheld.items())]
    rows += [("unresolved", number(total.unresolved))] if total.unresolved else []
    rows += [("residual", number(balance.residual))]
    print_table(rows, header=("agent-steps", ""))
    for robot, figures in balance.robots.items():
        if figures.residual:
            print(f"robot {robot}: residual {number(figures.residual)}")
    for violation in balance.violations:
        print(violation)
    if balance.partial_line:
        print("the last line was cut short when its writer was killed; it is left out")
    print("balanced" if balance.balanced else "NOT BALANCED")
