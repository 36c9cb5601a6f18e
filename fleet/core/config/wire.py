"""The `[wire]` table: where a run's processes meet, and with which keys they know each other."""

import re
from typing import Self

from pydantic import Field, model_validator

from fleet.core.config.table import Table

_TCP = re.compile(r"tcp://(?P<host>\*|[A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):(?P<port>[1-9][0-9]{0,4})")
_LAST_PORT = 65_534  # the data link has the port after it


class WireConfig(Table):
    """The links between the environment server, the learners and the supervisor."""

    listen: str = Field(
        "ipc",
        description='"ipc": sockets in a private folder; "tcp://ADDRESS:PORT": control at PORT and data at PORT + 1. '
        "Beyond loopback only with keys; ports below 32768 are never taken by outgoing connections.",
    )
    keys: str | None = Field(None, description="Folder made by `fleet keys`: only who has an allowed key gets in.")

    @model_validator(mode="after")
    def _usable(self) -> Self:
        match = _TCP.fullmatch(self.listen)
        if self.listen != "ipc" and (match is None or int(match["port"]) > _LAST_PORT):
            raise ValueError(
                f'listen = "{self.listen[:80]}"; allowed are "ipc" and "tcp://ADDRESS:PORT" with an IPv4 address, '
                f"an IPv6 one in brackets or a host's name, and a port from 1 to {_LAST_PORT}"
            )
        if self.keys is not None and (not self.keys or "\0" in self.keys):
            raise ValueError("keys is no path of a folder")
        return self

    @property
    def tcp(self) -> tuple[str, int] | None:
        """The host (an IPv6 address without its brackets) and the control link's port; None with ipc."""
        match = _TCP.fullmatch(self.listen)
        return None if match is None else (match["host"].strip("[]"), int(match["port"]))
