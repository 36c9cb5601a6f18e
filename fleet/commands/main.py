"""The command `fleet`: parses, calls what does the work, and turns errors into sentences and exit statuses.

0 done, 1 the run failed (or the ledger does not balance), 2 bad input, 130 interrupted. What is heavy (torch, numba,
the studies) is imported by a command when it runs, so that `fleet --help` answers at once.
"""

import os
import sys
import traceback
from collections.abc import Sequence

# Before numpy or torch is imported: forty learners with a thread pool each would fight over the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import typer

from fleet.commands import (
    audit,
    bench,
    compare,
    config,
    degrade,
    diagnose,
    eval,
    faults,
    games,
    hang,
    keys,
    kill,
    render,
    replay,
    revive,
    run,
    slow,
    soak,
    status,
    stop,
    tasks,
    tune,
)
from fleet.commands.screen import complain
from fleet.core.errors import BadInput, FleetError
from fleet.core.platform import require_linux

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(
    name="fleet",
    help="Train and stress-test a fleet of warehouse robots in which every robot learns on its own.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _module in (
    run,
    status,
    stop,
    kill,
    revive,
    hang,
    slow,
    audit,
    eval,
    degrade,
    diagnose,
    compare,
    games,
    tune,
    replay,
    render,
    tasks,
    config,
    faults,
    keys,
    soak,
    bench,
):
    _module.register(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (unset: this process's) and give its exit status."""
    try:
        require_linux()
        status = app(args=None if arguments is None else list(arguments), prog_name="fleet", standalone_mode=False)
    except BadInput as error:
        complain(str(error))
        return BAD_INPUT
    except FleetError as error:
        complain(str(error))
        return FAILED
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        return _unexpected(error)
    return status if isinstance(status, int) else DONE


def _unexpected(error: Exception) -> int:
    show = getattr(error, "show", None)
    if show is not None:  # click's own: a misspelt option, a missing argument
        show()
        return int(getattr(error, "exit_code", BAD_INPUT))
    if type(error).__name__ == "Abort":
        return INTERRUPTED
    if os.environ.get("FLEET_TRACEBACK"):
        traceback.print_exc()
    complain(f"internal error: {type(error).__name__}: {error} (set FLEET_TRACEBACK=1 to see where)")
    return FAILED


if __name__ == "__main__":
    sys.exit(main())
