"""What goes wrong in a world: the base of the folder, and the two kinds a user can put right."""

from fleet.core.errors import BadInput, FleetError


class WorldError(FleetError):
    """Base of every error that `env_server` raises on purpose."""


class FloorError(WorldError, BadInput):
    """A floor that can't be used: a map, layout or grid that is malformed, or whose cells can't be reached."""


class SetupError(WorldError, BadInput):
    """A `[world]` table that asks for what its floor can't hold: too many robots, too long a request queue."""


class ServerError(WorldError):
    """The environment server can't go on."""
