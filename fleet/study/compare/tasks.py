"""Tasks made for a comparison: a config with a few settings of its own, as a file beside the results."""

import tomllib
from collections.abc import Sequence
from pathlib import Path

from fleet.core.config.load import load_config
from fleet.core.config.write import to_toml


def write_task(config: str, changes: Sequence[str], path: Path) -> Path:
    """Write `config` with `changes` over it to `path`, and give `path`. One that says the same already is left alone.

    Raises BadInput if that is no config, OSError if it can't be written.
    """
    text = to_toml(load_config(config, list(changes)))
    if not path.exists() or tomllib.loads(path.read_text()) != tomllib.loads(text):
        path.write_text(text)
    return path
