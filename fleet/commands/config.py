"""`fleet config`: every setting of a config with its value, whether that is the default, and what it means."""

import textwrap
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("config")(config)


def config(
    source: Annotated[str, typer.Argument(metavar="CONFIG", help="A TOML file, or a shipped config's name.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY.SUB=VALUE", help="Change one setting; may be repeated.")
    ] = None,
) -> None:
    """Print the resolved config, itself valid TOML, with every default and the meaning of every setting."""
    from env_server.worlds import resolve
    from fleet.core.config.load import load_config, placing_faults
    from fleet.core.config.write import describe

    loaded = load_config(source, settings or [])
    with placing_faults(source, loaded, settings or []):
        resolved = loaded.model_copy(update={"world": resolve(loaded.world)})
    table = ""
    for before, setting in zip(describe(loaded), describe(resolved), strict=True):
        head, _, name = setting.key.rpartition(".")
        if head != table:
            print(f"\n[{head}]")
            table = head
        kind = "filled in" if before.value != setting.value else "default" if setting.is_default else "set"
        for text in textwrap.wrap(f"{setting.meaning} ({kind}; allowed: {setting.allowed})", 110):
            print(f"# {text}")
        print(f"{name} = {setting.value}")
