"""Turns pydantic's findings about a config into sentences a user can act on. Pure; used by the loader."""

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args, get_origin

import annotated_types
from pydantic import ValidationError
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
# Settings that are a word of some form, or an array: what they may hold, by their last name.
_EITHER = {
    "device": '"cpu", "cuda", or "cuda:N" for the N-th of several',
    "mapping": '"per-robot", "shared", "central", or lists of robots such as [[0, 1], [2, 3]]',
    "robots": 'lists of robots from 0 up such as [0, 3], "all", "random:2" or "25%"',
}
_KIND_WORDS = {bool: "true or false", str: "a string", int: "a whole number", float: "a number"}


def complaints(
    error: ValidationError,
    source: str,
    lines: Mapping[KeyPath, int],
    origins: Mapping[KeyPath, str],
    root: type[Table] = Config,
) -> list[str]:
    """One sentence per faulty key: where it was given, its value, and what is allowed.

    `lines` are the lines of `source` by key; `origins` the command-line options by key, which come first. `root` is
    what the file's top level is.
    """
    found: dict[KeyPath, str] = {}
    for item in error.errors():
        loc = tuple(str(part) for part in item["loc"])
        key, field = _field_at(loc, root)
        if key in found:
            continue
        sentence = _sentence(item, key, field, root)
        at = _culprit(key, sentence, [*origins, *lines]) if item["type"] == "value_error" else key
        found[key] = f"{place_at(at, source, lines, origins)}: {sentence}"
    return list(found.values())


def place_of(
    sentence: str, source: str, lines: Mapping[KeyPath, int], origins: Mapping[KeyPath, str], floor: str | None = None
) -> str:
    """Where the setting that `sentence` names first was given; only `source` if it names none that was.

    For faults that show when the floor is built or the links are made: only settings of `[world]`, `[wire]` and
    `[learners]` and `mapping` are looked for. `floor` is the value of `world.map`: a sentence that starts with it is
    about that file.
    """
    given = {path[-1]: path for path in [*lines, *origins] if path == ("mapping",) or _shows_late(path)}
    words = ["map"] if floor and sentence.startswith(floor) else re.findall(r"\w+", sentence)
    named = next((given[word] for word in words if word in given), ())
    return place_at(named, source, lines, origins)


def _shows_late(path: KeyPath) -> bool:
    return (len(path) == 2 and path[0] in ("world", "wire", "learners")) or (len(path) == 3 and path[0] == "world")


def allowed_values(field: FieldInfo) -> str:
    """What a field may hold, in words: `1 to 200`, `"lockstep" or "free"`, `a string`."""
    words = _allowed(field)
    return f'{words}, or "{UNSET}"' if type(None) in get_args(field.annotation) else words


def _allowed(field: FieldInfo) -> str:
    kinds = list(_innermost(field.annotation))
    choices = [kind for kind in kinds if isinstance(kind, str)]
    if choices:
        return ", ".join(f'"{choice}"' for choice in choices)
    if get_origin(field.annotation) is dict:
        return "a table"
    if any(issubclass(kind, Table) for kind in kinds if isinstance(kind, type)):
        most = next((item.max_length for item in field.metadata if isinstance(item, annotated_types.MaxLen)), None)
        return f"up to {most} tables" if most else "tables" if _is_array(field.annotation) else "a table"
    if _is_array(field.annotation):
        return "a string or an array of whole numbers" if str in kinds else "an array of whole numbers"
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
            low = _number(item.ge)
        elif isinstance(item, annotated_types.Gt):
            low = f"above {_number(item.gt)}"
        elif isinstance(item, annotated_types.Le):
            high = _number(item.le)
        elif isinstance(item, annotated_types.Lt):
            high = f"{item.lt - 1}" if isinstance(item.lt, int) else f"below {_number(item.lt)}"
    if low and high:
        return f"{low} to {high}"
    return f"{low} or more" if low and not low.startswith("above") else low or high


def _number(value: Any) -> str:
    return f"{int(value)}" if isinstance(value, float) and value.is_integer() else f"{value}"


def _field_at(loc: Sequence[str], root: type[Table]) -> tuple[KeyPath, FieldInfo | None]:
    """The longest part of `loc` that names a config key (pydantic adds union members and indices behind it)."""
    table: type[Table] = root
    depth = 0
    while depth < len(loc):
        field = table.model_fields.get(loc[depth])
        depth += 1
        if field is None:
            return tuple(loc[:depth]), None
        inner = _inner_table(field)
        many = inner is not None and _is_array(field.annotation)
        if inner is None or (depth == len(loc) and (many or inner is not field.annotation)):
            return tuple(loc[:depth]), field
        table = inner
        depth += many  # past the number of the table in its array
    return tuple(loc), None


def _inner_table(field: FieldInfo) -> type[Table] | None:
    """The table that a field holds: itself, or unset, or an array of such."""
    kinds = (kind for kind in _innermost(field.annotation) if isinstance(kind, type) and issubclass(kind, Table))
    return next(kinds, None)


def _shown_key(key: KeyPath) -> str:
    """A key in words: `world.robots`, or for the tables of an array, counted from 1, `faults.fault 3: round`."""
    text = ""
    for part in key:
        if part.isdigit():
            text += f" {int(part) + 1}:"
        else:
            text += f" {part}" if text.endswith(":") else f".{part}" if text else part
    return text.removesuffix(":")


def _culprit(key: KeyPath, sentence: str, given: Sequence[KeyPath]) -> KeyPath:
    """The setting below `key` that a table's own check names first in its sentence, else `key` itself."""
    depth = max(2, len(key) + 1)
    below = {path[-1]: path for path in given if path[: len(key)] == key and len(key) < len(path) <= depth}
    return next((below[word] for word in re.findall(r"\w+", sentence) if word in below), key)


def place_at(key: KeyPath, source: str, lines: Mapping[KeyPath, int], origins: Mapping[KeyPath, str]) -> str:
    """Where the setting `key` was given: the option, or file and line of it or of the table it stands in."""
    for depth in range(len(key), 0, -1):
        if key[:depth] in origins:
            return origins[key[:depth]]
        if key[:depth] in lines:
            return f"{source}, line {lines[key[:depth]]}"
    # an option may have brought in the table that is at fault: `--set wrold.robots=3`
    return next((option for path, option in origins.items() if key and path[: len(key)] == key), source)


def _sentence(item: ErrorDetails, key: KeyPath, field: FieldInfo | None, root: type[Table]) -> str:
    name = _shown_key(key)
    kind = item["type"]
    if kind == "extra_forbidden":
        return f"unknown key {name}{_suggestion(key, root)}"
    if kind == "missing":
        return f"{name} is missing"
    if kind == "value_error":
        about = f"{name}: " if key and field is None else ""
        return f"{about}{item['ctx']['error']}"
    given = f"{name} = {_shown(item['input'])}"
    if field is None:
        return f"{given}; expected {_TYPE_WORDS.get(kind.partition('_')[0], 'a table')}"
    if key[-1] in _EITHER and str in _innermost(field.annotation):
        return f"{given}; allowed: {_EITHER[key[-1]]}"
    if kind == "string_pattern_mismatch":
        return f"{given}; allowed: 1 to 64 letters, digits, dots, dashes and underscores, a letter or digit first"
    expected = _TYPE_WORDS.get(kind.partition("_")[0]) if kind.endswith("_type") else None
    allowed = allowed_values(field)
    if expected and expected not in allowed:
        return f"{given}; expected {expected}, allowed: {allowed}"
    return f"{given}; allowed: {allowed}"


def _suggestion(key: KeyPath, root: type[Table]) -> str:
    if root is not Config and key[0] in Config.model_fields:
        return f"; the top level of this file is the [faults] table itself: {', '.join(root.model_fields)}"
    # which of the tables of an array it is makes no difference to what is known there
    key = tuple("0" if part.isdigit() else part for part in key)
    known = list(_known_keys(root))
    same_name = [path for path in known if path[-1] == key[-1] and "0" not in path]
    siblings = [path for path in known if path[:-1] == key[:-1]]
    near = _near(key, siblings)
    best = same_name or near or _near(key, [path for path in known if "0" not in path])
    if best:
        return f"; did you mean {_shown_key(best[0]) if best[0] not in siblings or len(key) < 3 else best[0][-1]}?"
    return f"; known here: {', '.join(path[-1] for path in siblings)}" if siblings else ""


def _near(key: KeyPath, known: Sequence[KeyPath]) -> list[KeyPath]:
    names = {".".join(path): path for path in known}
    return [names[name] for name in difflib.get_close_matches(".".join(key), names, n=1, cutoff=0.6)]


def _known_keys(table: type[Table], prefix: KeyPath = ()) -> Iterator[KeyPath]:
    for name, field in table.model_fields.items():
        yield (*prefix, name)
        inner = _inner_table(field)
        if inner is not None:
            place = (*prefix, name, "0") if _is_array(field.annotation) else (*prefix, name)
            yield from _known_keys(inner, place)


def _shown(value: Any) -> str:
    try:
        text = "{ ... }" if isinstance(value, dict) else json.dumps(value, default=str, ensure_ascii=False)
    except ValueError:
        return "a number of thousands of digits"
    return text if len(text) <= 60 else f"{text[:57]}..."
