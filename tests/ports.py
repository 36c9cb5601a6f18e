"""TCP ports for tests that really listen."""

import contextlib
import os
import socket
import time

import pytest

_FIRST, _BEYOND = 17_000, 32_000
"""Below the ports that the kernel hands to whoever connects, so that no connection takes one between look and use."""


def free_port(in_a_row: int = 1) -> int:
    """The first of so many free ports on 127.0.0.1, looked for where few other test processes look."""
    for first in range(_FIRST + os.getpid() * 10 % 9_000, _BEYOND, 2):
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for number in range(first, first + in_a_row):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", number))
            return first
    pytest.fail("no free ports")


def until_free(port: int, timeout_s: float = 10.0) -> None:
    """Wait for a listener in this process to be gone: ZeroMQ closes sockets in its own thread and its own time."""
    deadline = time.monotonic() + timeout_s
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return
        assert time.monotonic() < deadline, f"port {port} is still in use"
        time.sleep(0.005)
