"""RWARE's registered tasks by name. The table is RWARE 2.0.0's own `rware/__init__.py`; read by setup and tasks."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType

from env_server.errors import SetupError

SIZES: Mapping[str, tuple[int, int]] = MappingProxyType(  # shelf_rows, shelf_columns
    {"tiny": (1, 3), "small": (2, 3), "medium": (2, 5), "large": (3, 5)}
)
DIFFICULTIES: Mapping[str, float] = MappingProxyType({"-easy": 2.0, "": 1.0, "-hard": 0.5})  # requests per robot
MOST_ROBOTS = 19
COLUMN_HEIGHT = 8


@dataclass(frozen=True)
class Preset:
    """One registered task of RWARE: a grid, its robots and the length of its request queue (0 in `1ag-hard`)."""

    name: str
    shelf_columns: int
    shelf_rows: int
    column_height: int
    robots: int
    request_queue: int


def _presets() -> dict[str, Preset]:
    table = {}
    for (size, (rows, columns)), (suffix, each), robots in product(
        SIZES.items(), DIFFICULTIES.items(), range(1, MOST_ROBOTS + 1)
    ):
        name = f"rware-{size}-{robots}ag{suffix}"
        table[name] = Preset(name, columns, rows, COLUMN_HEIGHT, robots, int(robots * each))
    return table


PRESETS: Mapping[str, Preset] = MappingProxyType(_presets())


def is_preset(name: str) -> bool:
    """Whether `name` is a preset's, with or without RWARE's `-v2`."""
    return name.removesuffix("-v2") in PRESETS


def preset(name: str) -> Preset:
    """The preset of that name, with or without RWARE's `-v2`. Raises SetupError, with near names, if there is none."""
    if is_preset(name):
        return PRESETS[name.removesuffix("-v2")]
    near = difflib.get_close_matches(name.removesuffix("-v2"), PRESETS, n=3)
    meant = f" Did you mean {' or '.join(near)}?" if near else ""
    raise SetupError(
        f'map = "{name}" is neither a preset nor a file.{meant} Presets are rware-SIZE-Nag, rware-SIZE-Nag-easy and '
        f"rware-SIZE-Nag-hard, with SIZE one of {', '.join(SIZES)} and N from 1 to {MOST_ROBOTS}."
    )
