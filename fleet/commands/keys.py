"""`fleet keys`: makes the keys without which a run doesn't listen beyond this machine."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("keys")(keys)


def keys(directory: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that doesn't exist yet.")]) -> None:
    """Make key pairs for runs over tcp: wire.listen = "tcp://ADDRESS:PORT" with wire.keys = DIR."""
    from fleet.core.keys import make_keys

    make_keys(directory)
    print(f"""\
made {directory}: readable by you alone

  here        set wire.listen = "tcp://ADDRESS:PORT" and wire.keys = "{directory}" in the config
  elsewhere   a machine that connects needs a folder (mode 0700) with server.key, client.key and client.secret
  let in      {directory}/allowed/ has the public keys of those who may connect: to let in someone with keys of
              their own, put their client.key there as NAME.key; to lock them out, remove it. Read at a run's start.
  secret      *.secret never leaves its owner's machines but by a safe way; server.secret stays here""")
