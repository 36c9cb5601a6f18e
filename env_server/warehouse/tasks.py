"""What there is to train on, a line each, for `fleet tasks`."""

from env_server.kinds import Task
from env_server.warehouse.floor import grid
from env_server.warehouse.presets import PRESETS, Preset

_FLOORS = (
    Task(
        "warehouse floors",
        "shelf_columns, shelf_rows, column_height",
        "a grid of any size by RWARE's rule; `stations` spreads goals along its top and bottom rows",
    ),
    Task("warehouse floors", "layout", "drawn in the config in RWARE's letters: `x` shelf, `g` goal, `.` free"),
    Task("warehouse floors", "map = FILE", "the same drawing in a file of its own"),
    Task(
        "warehouse floors",
        "map = FILE.map",
        "MovingAI format: `@` `T` blocked, `.` free, `S` service point, `E` station; an order is one S, then one E",
    ),
    Task("warehouse floors", "map = PRESET", "a task of RWARE 2.0.0 by its name, with or without `-v2`; see below"),
)


def tasks() -> tuple[Task, ...]:
    """Every way to name a warehouse floor, then every preset."""
    return _FLOORS + tuple(_preset_task(preset) for preset in PRESETS.values())


def _preset_task(preset: Preset) -> Task:
    floor = grid(preset.shelf_columns, preset.shelf_rows, preset.column_height)
    robots = "1 robot" if preset.robots == 1 else f"{preset.robots} robots"
    requests = "1 request" if preset.request_queue == 1 else f"{preset.request_queue or 'no'} requests"
    runs = 1 <= preset.request_queue < len(floor.shelves)
    note = "" if runs else f"; runs with request_queue set to 1 to {len(floor.shelves) - 1}"
    size = f"{floor.height} x {floor.width} cells, {len(floor.shelves)} shelves"
    return Task("RWARE presets", preset.name, f"{robots} on {size}, {requests} open at a time{note}")
