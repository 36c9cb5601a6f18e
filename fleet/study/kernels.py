"""Whether this machine has the machine code of all compiled functions already, or a first run has to make it."""

from env_server.warehouse import compiled as world
from learners import compiled as update


def are_kept() -> bool:
    """Whether nothing needs to be compiled before the first round."""
    return world.is_kept() and update.is_kept()
