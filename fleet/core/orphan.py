"""The end of a process whose supervisor is gone: no process of a run outlives it.

The supervisor holds the write end of one pipe, its *life pipe*, and never writes; whoever it starts inherits the read
end, named in the environment. When the supervisor dies in any way the kernel closes the write end and every reader sees
EOF.
"""

import ctypes
import os
import signal
import threading

from fleet.core.errors import FleetError

LIFE_FD = "FLEET_LIFE_FD"
ORPHANED = 3
_PR_SET_PDEATHSIG = 1


class OrphanError(FleetError):
    """The life pipe is missing: this process was not started by a supervisor."""


def life_descriptor() -> int:
    """The inherited read end of the life pipe. Raises OrphanError if the environment names none."""
    text = os.environ.get(LIFE_FD, "")
    if not text.isdecimal():
        raise OrphanError(f"{LIFE_FD} is {text!r}, not a file descriptor; this process is started by `fleet run`")
    return int(text)


def at_parents_end(number: signal.Signals) -> None:
    """Have the kernel send this process `number` when the thread that started it ends.

    For the supervisor's direct children. A learner must not ask for it: its parent is the zygote, which it outlives. A
    parent that died before this call is noticed by `watch`, or by EOF on whatever link to it there is.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        raise OrphanError(f"prctl failed: {os.strerror(ctypes.get_errno())}")


def die_with_parent() -> None:
    """Have the kernel kill this process with the one that started it, even if this one is stopped or hangs."""
    at_parents_end(signal.SIGKILL)


def watch(descriptor: int | None = None) -> threading.Thread:
    """End this process with status 3 as soon as the supervisor is gone, whatever its main thread is at.

    `descriptor` is the read end of the life pipe; by default the one the environment names.
    """
    life = life_descriptor() if descriptor is None else descriptor
    thread = threading.Thread(target=_wait_for_end, args=(life,), name="orphan-watch", daemon=True)
    thread.start()
    return thread


def _wait_for_end(life: int) -> None:
    while os.read(life, 1):  # nobody writes; EOF is all that ever comes
        pass
    os._exit(ORPHANED)
