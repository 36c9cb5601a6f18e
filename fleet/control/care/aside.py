"""Work that takes seconds, done beside the supervisor's loop, which has to go on hearing everybody."""

import threading
from collections.abc import Callable
from concurrent.futures import Future

from fleet.core.errors import FleetError

Work = Callable[[], dict[int, int]]
Aside = Callable[[Work], Future[dict[int, int]]]


def at_once(work: Work) -> "Future[dict[int, int]]":
    """Not aside at all: it is done when this returns. The future gives its result, or raises its FleetError."""
    future: Future[dict[int, int]] = Future()
    try:
        future.set_result(work())
    except FleetError as error:
        future.set_exception(error)
    return future


def in_thread(work: Work) -> "Future[dict[int, int]]":
    """In a thread of its own, with any error in the future."""
    future: Future[dict[int, int]] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="aside", daemon=True).start()
    return future
