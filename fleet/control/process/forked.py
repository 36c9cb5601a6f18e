"""What a child of the zygote does between its fork and its own main function."""

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NoReturn

from fleet.core import orphan

UNTOLD = 4
_PR_SET_NAME = 15


@dataclass(frozen=True)
class Order:
    """One fork. `target` ("module:function") is called with the text `start` and returns the exit status (None: 0)."""

    name: str
    target: str
    start: str
    log: str


def become(order: Order, told: int, life: int, foreign: Iterable[int]) -> NoReturn:
    """Turn this fresh fork into the process that `order` asks for; never returns.

    Waits for a byte on `told`, which says that the supervisor knows of it; `foreign` are the zygote's own descriptors.
    """
    status = 1
    try:
        _leave_zygote(foreign)
        _redirect(order.log)
        if not os.read(told, 1):
            os._exit(UNTOLD)
        os.close(told)
        ctypes.CDLL(None).prctl(_PR_SET_NAME, order.name.encode()[:15], 0, 0, 0)
        orphan.watch(life)
        status = _call(order)
    except SystemExit as leave:
        status = leave.code if isinstance(leave.code, int) else int(leave.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        # Not sys.exit: the zygote's own exit handlers and stack are not ours to run.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status & 0xFF)


def _leave_zygote(foreign: Iterable[int]) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for descriptor in foreign:
        os.close(descriptor)
    os.setsid()


def _redirect(log: str) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def _call(order: Order) -> int:
    result = load(order.target)(order.start)
    return result if isinstance(result, int) else 0


def load(path: str) -> Any:
    """The function at an import path given as text, "package.module:function"."""
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)
