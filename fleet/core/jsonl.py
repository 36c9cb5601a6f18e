"""Files of JSON lines that stay bounded: metrics.jsonl and events.jsonl of a run.

Whoever steps the world writes the one, the supervisor the other; views read both.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleet.core.errors import BadInput, FleetError
from fleet.core.files import LineFile

DEFAULT_BYTES = 8 * 1024 * 1024


class BoundedJsonl:
    """Appends JSON objects to `path`, a line each. Over `max_bytes` every second line of the older half goes.

    The first line and the newest half stay whole, so a long run's file gets coarser with age and never grows past the
    bound. `digits` rounds floats to that many significant digits (None: as they are). One writer per file.
    """

    def __init__(self, path: Path, max_bytes: int = DEFAULT_BYTES, digits: int | None = None) -> None:
        """Open or create `path`; a partial last line is cut off. Raises OSError."""
        self._file = LineFile(path)
        self._max_bytes = max_bytes
        self._digits = digits

    def append(self, record: Mapping[str, Any]) -> None:
        """Add one line. NaN and infinities become null. Raises FleetError if it takes over an eighth of the bound."""
        line = json.dumps(plain(record, self._digits), separators=(",", ":"), allow_nan=False).encode() + b"\n"
        if len(line) * 8 > self._max_bytes:
            name = self._file.path.name
            raise FleetError(f"a line of {len(line)} bytes for {name}; at most {self._max_bytes // 8} fit")
        self._file.append(line)
        if self._file.size > self._max_bytes:
            self._thin()

    def close(self) -> None:
        """Make the file durable and close it."""
        self._file.close()

    def _thin(self) -> None:
        lines = self._file.path.read_bytes().splitlines(keepends=True)
        while len(lines) > 3 and sum(map(len, lines)) * 4 > self._max_bytes * 3:
            middle = len(lines) // 2
            lines = lines[:middle:2] + lines[middle:]
        self._file.replace(lines)


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Every whole line of `path`; a partial last line, still being written or cut short by a kill, is left out.

    Raises BadInput, naming the line, if the file is missing or a whole line is no JSON object.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: can't be read: {error.strerror}") from error
    records = []
    for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), 1):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadInput(f"{path}, line {number}: not JSON: {error}") from error
        if not isinstance(record, dict):
            raise BadInput(f"{path}, line {number}: got {type(record).__name__}, wanted an object")
        records.append(record)
    return records


def plain(value: Any, digits: int | None = None) -> Any:
    """`value` in JSON's own types: numpy scalars as Python's, floats rounded to `digits`, what isn't finite as null."""
    if isinstance(value, Mapping):
        return {str(key): plain(item, digits) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, digits) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return value if digits is None else float(f"{value:.{digits}g}")
    return value
