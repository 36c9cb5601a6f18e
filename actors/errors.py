"""What can be wrong with what an actor is given."""

from fleet.core.errors import FleetError


class ActorError(FleetError):
    """An actor was given weights or observations that are not for it."""
