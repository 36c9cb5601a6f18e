"""The errors every folder builds on. The command turns `BadInput` into exit status 2 and `FleetError` into 1."""


class FleetError(Exception):
    """Base of every error this project raises on purpose; its text is meant for a person."""


class BadInput(FleetError):  # noqa: N818 - reads as what it is in `raise BadInput(...)`
    """What the user handed in can't be used: a config, a map, a folder, an option."""
