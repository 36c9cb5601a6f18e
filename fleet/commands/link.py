"""Asks the supervisor of a running run: `fleet status`, `fleet stop`, and what breaks a fleet on purpose."""

import time
from pathlib import Path
from typing import Any

from fleet.commands.screen import print_json
from fleet.core.control_channel import ControlClient
from fleet.core.errors import BadInput, FleetError
from fleet.core.messages import Command, Reply
from fleet.core.rundir import RunDirectory


def ask(directory: RunDirectory, verb: str, arguments: dict[str, Any] | None = None, timeout_s: float = 5.0) -> Reply:
    """The supervisor's answer to one command.

    Raises BadInput if the run isn't running or the arguments are no good, FleetError if the supervisor refuses or does
    not answer in time.
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


def order(path: Path, verb: str, arguments: dict[str, Any], as_json: bool) -> None:
    """Have the run in `path` do something, and print what it answers. Raises as `ask` does."""
    reply = ask(RunDirectory.open(path), verb, arguments)
    if as_json:
        print_json(reply.data)
    else:
        print(reply.text)


def _accepted(reply: Reply) -> Reply:
    if not reply.ok:
        raise (BadInput if reply.data.get("bad_input") else FleetError)(reply.text)
    return reply
