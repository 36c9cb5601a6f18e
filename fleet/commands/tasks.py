"""`fleet tasks`: every world and preset with a line of what it is, and the shipped configs."""

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("tasks")(tasks)


def tasks() -> None:
    """List every world, preset and shipped config with a line of what it is."""
    from env_server.worlds import tasks as known
    from fleet.core.config.load import shipped_configs

    group = ""
    for task in known():
        if task.group != group:
            group = task.group
            print(f"\n{group}" if group else "")
        print(f"  {task.name:<42} {task.description}")
    print("\nshipped configs")
    for name, path in shipped_configs().items():
        print(f"  {name:<42} {path.read_text().splitlines()[0].removeprefix('# ')}")
