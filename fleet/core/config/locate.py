"""Where in a TOML file each key stands, so that an error can name the line. From the text alone; to the loader."""

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

KeyPath = tuple[str, ...]


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line (from 1) on which each key and table of a valid TOML text starts.

    The tables of an array count from 0: `("fault", "1", "kind")`. Each statement is found and read by tomllib itself,
    so quoted keys, dotted keys, inline tables and text in multi-line strings that looks like keys are all taken as TOML
    takes them.
    """
    found: dict[KeyPath, int] = {}
    table: KeyPath = ()
    items: Counter[KeyPath] = Counter()
    for line, statement in _statements(text):
        parsed = tomllib.loads(statement)
        paths = list(_paths(parsed))
        if statement.lstrip().startswith("["):
            paths = _numbered(paths, statement, items)
            table = paths[-1]
            for path in paths:
                found.setdefault(path, line)
        else:
            for path in paths:
                found.setdefault(table + path, line)
    return found


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each statement with its first line: the fewest lines on which TOML parses."""
    pending: list[str] = []
    start = 1
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        if not pending:
            start = number
        pending.append(line)
        statement = "".join(pending)
        try:
            parsed = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        pending = []
        if parsed:
            yield start, statement


def _numbered(paths: list[KeyPath], statement: str, items: Counter[KeyPath]) -> list[KeyPath]:
    """A table header's paths; `[[name]]` begins the next item of `name`."""
    if statement.lstrip().startswith("[["):
        *outer, array, _ = paths
        items[array] += 1
        return [*outer, array, (*array, str(items[array] - 1))]
    return paths


def _paths(value: Mapping[str, Any], prefix: KeyPath = ()) -> Iterator[KeyPath]:
    for key, inner in value.items():
        yield (*prefix, key)
        if isinstance(inner, list) and inner and isinstance(inner[0], dict):
            inner = {str(number): item for number, item in enumerate(inner) if isinstance(item, dict)}
        if isinstance(inner, dict):
            yield from _paths(inner, (*prefix, key))
