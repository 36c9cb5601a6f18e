"""Work beside the loop: its result comes when it is done, and so does what went wrong."""

import threading

import pytest

from fleet.control.care.aside import at_once, in_thread
from fleet.core.errors import FleetError


def fail() -> dict[int, int]:
    raise FleetError("the ledger is locked")


def test_a_thread_does_it_while_the_caller_goes_on() -> None:
    go = threading.Event()
    future = in_thread(lambda: {0: 3} if go.wait(10.0) else {})
    assert not future.done()
    go.set()
    assert future.result(10.0) == {0: 3}


@pytest.mark.parametrize("aside", [at_once, in_thread])
def test_an_error_comes_out_where_the_result_is_asked_for(aside) -> None:
    with pytest.raises(FleetError, match="the ledger is locked"):
        aside(fail).result(10.0)


def test_at_once_is_done_when_it_returns() -> None:
    assert at_once(lambda: {1: 2}).done()
