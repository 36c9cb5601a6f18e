"""The `[world.pettingzoo]` table: somebody else's task, by its import path (`world.kind = "pettingzoo"`)."""

import math
import re
from typing import Any

from pydantic import Field, field_validator

from fleet.core.config.table import Table

_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*(:[^\W\d]\w*(\.[^\W\d]\w*)*)?")


class PettingZooConfig(Table):
    """A parallel environment of PettingZoo, each agent of which is a robot of the fleet."""

    env: str = Field(
        "mpe2.simple_spread_v3:parallel_env",
        description="What makes the environment, MODULE:CALLABLE; without CALLABLE, `parallel_env`. The module must be "
        "installed or on PYTHONPATH. It is imported and called: name none that you wouldn't run.",
    )
    args: dict[str, Any] = Field(
        default_factory=dict,
        description="Keyword arguments of that call: numbers, strings, true, false, arrays, tables.",
    )
    workers: int | None = Field(
        None,
        ge=1,
        le=256,
        description="Processes that step the copies; they change nothing but the speed. Unset: one per core, at most "
        "one per copy.",
    )

    @field_validator("env")
    @classmethod
    def _path(cls, env: str) -> str:
        if not _PATH.fullmatch(env):
            raise ValueError(f'env = "{env}"; allowed is MODULE:CALLABLE, such as "mpe2.simple_spread_v3:parallel_env"')
        return env

    @field_validator("args")
    @classmethod
    def _plain(cls, args: dict[str, Any]) -> dict[str, Any]:
        for name, value in args.items():
            if not name.isidentifier():
                raise ValueError(f"args: {name!r} is no name of an argument")
            if not _is_plain(value):
                raise ValueError(
                    f"args: {name} = {value}; allowed are finite numbers, strings, true, false, arrays, tables"
                )
        return args


def _is_plain(value: Any) -> bool:
    """Whether it goes through JSON unchanged, but for tuples."""
    if isinstance(value, dict):
        return all(_is_plain(inner) for inner in value.values())
    if isinstance(value, list | tuple):
        return all(_is_plain(inner) for inner in value)
    return isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value))
