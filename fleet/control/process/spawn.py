"""Starting a module of this project as a process of its own, watched by pidfd."""

import os
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fleet.control.process import logs
from fleet.core import orphan


@dataclass
class Spawned:
    """A direct child of the supervisor."""

    process: subprocess.Popen[bytes]
    pidfd: int

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def status(self) -> int | None:
        """Its exit status (negative: the signal that ended it), reaping it; None while it runs."""
        return self.process.poll()


def spawn(
    module: str, arguments: Iterable[str], *, log: Path, life: int, inherit: Iterable[int] = (), stdin: str = ""
) -> Spawned:
    """Run `python -m module` in a session of its own, output to `log`, given `stdin` and the life pipe.

    A session of its own, so that Ctrl-C and a closed terminal reach the supervisor alone, which then stops the rest.
    """
    output = logs.open_log(log)
    try:
        process = subprocess.Popen(
            # -P: a folder that happens to be the current one must not lend the run its modules
            [sys.executable, "-P", "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=environment(life),
            pass_fds=(life, *inherit),
            start_new_session=True,
        )
    finally:
        os.close(output)
    assert process.stdin is not None
    with suppress(BrokenPipeError), process.stdin as pipe:
        pipe.write(stdin.encode())
    return Spawned(process, os.pidfd_open(process.pid))


def environment(life: int) -> dict[str, str]:
    """What a process of the run inherits: our import path, one thread per numeric library, the life pipe's descriptor.

    One thread each, because forty learners share the cores, because a fork needs a single-threaded parent, and because
    the number of threads decides the order of sums and so the bits of the result.
    """
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(os.path.abspath(entry) for entry in sys.path),
        "PYTHONUNBUFFERED": "1",  # what a killed process printed is in its log
        "PYTHONFAULTHANDLER": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "NUMEXPR_NUM_THREADS": "1",
        orphan.LIFE_FD: str(life),
    }
