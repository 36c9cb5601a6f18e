"""Whether this machine has the machine code of all compiled functions already, or a first run has to make it."""

from env_server.handoff import compiled as handoff
from env_server.warehouse import compiled as warehouse
from learners import compiled as update


def are_kept() -> bool:
    """Whether nothing needs to be compiled before the first round."""
    return warehouse.is_kept() and handoff.is_kept() and update.is_kept()
