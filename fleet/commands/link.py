"""Asks the supervisor of a running run, for `fleet status` and `fleet stop`."""

import time
from typing import Any

from fleet.core.control_channel import ControlClient
from fleet.core.errors import FleetError
from fleet.core.messages import Command, Reply
from fleet.core.rundir import RunDirectory


def ask(directory: RunDirectory, verb: str, arguments: dict[str, Any] | None = None, timeout_s: float = 5.0) -> Reply:
    """The supervisor's answer to one command.

    Raises BadInput if the run isn't running, FleetError if the supervisor refuses or does not answer in time.
    """
    client = ControlClient(directory.control_endpoint(), directory.run, "cli", 0)
    deadline = time.monotonic() + timeout_s
    try:
        client.send(Command(directory.run, verb, arguments or {}))
        while (left := deadline - time.monotonic()) > 0:
            for message in client.receive(left):
                if isinstance(message, Reply):
                    return _accepted(message)
    finally:
        client.close()
    raise FleetError(f"the supervisor of {directory.path} did not answer within {timeout_s:g} s")


def _accepted(reply: Reply) -> Reply:
    if not reply.ok:
        raise FleetError(reply.text)
    return reply
