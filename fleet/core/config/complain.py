"""Turns pydantic's findings about a config into sentences a user can act on. Pure; used by the loader."""

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args, get_origin

import annotated_types
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from fleet.core.config.locate import KeyPath
from fleet.core.config.root import Config
from fleet.core.config.table import UNSET, Table

_TYPE_WORDS = {
    "bool": "true or false",
    "dict": "a table",
    "float": "a number",
    "int": "a whole number",
    "model": "a table",
    "string": "a string",
    "tuple": "an array",
}
_KIND_WORDS = {bool: "true or false", str: "a string", int: "a whole number", float: "a number"}


def complaints(
    error: ValidationError, source: str, lines: Mapping[KeyPath, int], origins: Mapping[KeyPath, str]
) -> list[str]:
    """One sentence per faulty key: where it was given, its value, and what is allowed.

    `lines` are the lines of `source` by key; `origins` the command-line options by key, which come first.
    """
    found: dict[KeyPath, str] = {}
    for item in error.errors():
        loc = tuple(str(part) for part in item["loc"])
        key, field = _field_at(loc)
        if key in found:
            continue
        sentence = _sentence(item, key, field)
        at = _culprit(key, sentence, [*origins, *lines]) if item["type"] == "value_error" else key
        found[key] = f"{_place(at, source, lines, origins)}: {sentence}"
    return list(found.values())


def place_of(
    sentence: str, source: str, lines: Mapping[KeyPath, int], origins: Mapping[KeyPath, str], floor: str | None = None
) -> str:
    """Where the setting that `sentence` names first was given; only `source` if it names none that was.

    For faults that show when the floor is built: only settings of `[world]` and `mapping` are looked for. `floor` is
    the value of `world.map`: a sentence that starts with it is about that file.
    """
    given = {path[-1]: path for path in [*lines, *origins] if path == ("mapping",) or _in_world(path)}
    words = ["map"] if floor and sentence.startswith(floor) else re.findall(r"\w+", sentence)
    named = next((given[word] for word in words if word in given), ())
    return _place(named, source, lines, origins)


def _in_world(path: KeyPath) -> bool:
    return len(path) == 2 and path[0] == "world"


def allowed_values(field: FieldInfo) -> str:
    """What a field may hold, in words: `1 to 200`, `"lockstep" or "free"`, `a string`."""
    words = _allowed(field)
    return f'{words}, or "{UNSET}"' if type(None) in get_args(field.annotation) else words


def _allowed(field: FieldInfo) -> str:
    kinds = list(_innermost(field.annotation))
    choices = [kind for kind in kinds if isinstance(kind, str)]
    if choices:
        return ", ".join(f'"{choice}"' for choice in choices)
    if _is_array(field.annotation):
        return "an array of whole numbers"
    words = next((words for kind, words in _KIND_WORDS.items() if kind in kinds), "")
    return _bounds(field) or words


def _innermost(annotation: Any) -> Iterator[Any]:
    """The plain types in an annotation and a Literal's values: `int | None` has int and NoneType."""
    arguments = get_args(annotation)
    if not arguments:
        yield annotation
    for argument in arguments:
        yield from _innermost(argument)


def _is_array(annotation: Any) -> bool:
    return tuple in (get_origin(annotation), *(get_origin(part) for part in get_args(annotation)))


def _bounds(field: FieldInfo) -> str:
    low = high = ""
    for item in field.metadata:
        if isinstance(item, annotated_types.Ge):
            low = f"{item.ge}"
        elif isinstance(item, annotated_types.Gt):
            low = f"above {item.gt}"
        elif isinstance(item, annotated_types.Le):
            high = f"{item.le}"
        elif isinstance(item, annotated_types.Lt):
            high = f"{item.lt - 1}" if isinstance(item.lt, int) else f"below {item.lt}"
    if low and high:
        return f"{low} to {high}"
    return f"{low} or more" if low and not low.startswith("above") else low or high


def _field_at(loc: Sequence[str]) -> tuple[KeyPath, FieldInfo | None]:
    """The longest part of `loc` that names a config key (pydantic adds union members and indices behind it)."""
    table: type[BaseModel] = Config
    for depth, part in enumerate(loc):
        field = table.model_fields.get(part)
        if field is None:
            return tuple(loc[: depth + 1]), None
        if not (isinstance(field.annotation, type) and issubclass(field.annotation, Table)):
            return tuple(loc[: depth + 1]), field
        table = field.annotation
    return tuple(loc), None


def _culprit(key: KeyPath, sentence: str, given: Sequence[KeyPath]) -> KeyPath:
    """The first setting below `key` that a table's own check names in its sentence, else `key` itself."""
    words = set(re.findall(r"\w+", sentence))
    below = (path for path in given if path[: len(key)] == key and len(path) > len(key))
    return next((path for path in below if path[-1] in words and len(path) <= 2), key)


def _place(key: KeyPath, source: str, lines: Mapping[KeyPath, int], origins: Mapping[KeyPath, str]) -> str:
    if key in origins:
        return origins[key]
    for depth in range(len(key), 0, -1):
        if key[:depth] in lines:
            return f"{source}, line {lines[key[:depth]]}"
    # an option may have brought in the table that is at fault: `--set wrold.robots=3`
    return next((option for path, option in origins.items() if key and path[: len(key)] == key), source)


def _sentence(item: ErrorDetails, key: KeyPath, field: FieldInfo | None) -> str:
    name = ".".join(key)
    kind = item["type"]
    if kind == "extra_forbidden":
        return f"unknown key {name}{_suggestion(key)}"
    if kind == "missing":
        return f"{name} is missing"
    if kind == "value_error":
        about = f"{name}: " if key and field is None else ""
        return f"{about}{item['ctx']['error']}"
    given = f"{name} = {_shown(item['input'])}"
    if field is None:
        return f"{given}; expected {_TYPE_WORDS.get(kind.partition('_')[0], 'a table')}"
    if kind == "string_pattern_mismatch":
        return f"{given}; allowed: 1 to 64 letters, digits, dots, dashes and underscores, a letter or digit first"
    if name == "mapping":
        return f'{given}; allowed: "per-robot", "shared", or lists of robots such as [[0, 1], [2, 3]]'
    expected = _TYPE_WORDS.get(kind.partition("_")[0]) if kind.endswith("_type") else None
    allowed = allowed_values(field)
    if expected and expected not in allowed:
        return f"{given}; expected {expected}, allowed: {allowed}"
    return f"{given}; allowed: {allowed}"


def _suggestion(key: KeyPath) -> str:
    known = [".".join(path) for path in _known_keys(Config)]
    same_name = [name for name in known if name.rpartition(".")[2] == key[-1]]
    siblings = [name for name in known if name.split(".")[:-1] == list(key[:-1])]
    near = difflib.get_close_matches(".".join(key), siblings, n=1, cutoff=0.6)
    best = same_name or near or difflib.get_close_matches(".".join(key), known, n=1, cutoff=0.6)
    if best:
        return f"; did you mean {best[0]}?"
    return f"; known here: {', '.join(name.rpartition('.')[2] for name in siblings)}" if siblings else ""


def _known_keys(table: type[BaseModel], prefix: KeyPath = ()) -> Iterator[KeyPath]:
    for name, field in table.model_fields.items():
        yield (*prefix, name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, Table):
            yield from _known_keys(field.annotation, (*prefix, name))


def _shown(value: Any) -> str:
    text = "{ ... }" if isinstance(value, dict) else json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
