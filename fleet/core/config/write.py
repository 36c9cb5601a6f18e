"""A config as text: TOML that loads back to the same value, and what every setting is and means.

From the resolved Config; to a run directory's config.toml and to `fleet config`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fleet.core.config.complain import allowed_values
from fleet.core.config.faults import FaultPlan
from fleet.core.config.root import Config
from fleet.core.config.table import UNSET, Table


@dataclass(frozen=True)
class Setting:
    """One setting: its full key, its value as TOML, whether that is the default, its meaning and what is allowed."""

    key: str
    value: str
    is_default: bool
    meaning: str
    allowed: str


def to_toml(config: Config) -> str:
    """Every setting of `config` as TOML; loading it gives an equal config."""
    lines: list[str] = []
    table = ""
    for setting in describe(config):
        head, _, name = setting.key.rpartition(".")
        if head != table:
            lines += ["", f"[{head}]"]
            table = head
        lines.append(f"{name} = {setting.value}")
    return "\n".join(lines).lstrip() + "\n"


def plan_to_toml(plan: FaultPlan) -> str:
    """A plan as a file of its own, which `load_plan` reads back to an equal one."""
    tables: list[tuple[str, Table]] = [("[[fault]]", fault) for fault in plan.fault]
    if plan.rates is not None:
        tables.append(("[rates]", plan.rates))
    texts = ["\n".join([head, *(f"{name} = {value}" for name, value in _given(table))]) for head, table in tables]
    return "\n\n".join(texts) + "\n"


def describe(config: Config) -> list[Setting]:
    """Every setting of `config` in the order of the tables, plain settings before tables, as TOML wants it.

    A table that may be unset is a single setting: where it is unset, and where it can't go without some of its own (a
    failure rate); else each of its own is one.
    """
    return list(_settings(config, ""))


def _settings(table: Table, prefix: str) -> Iterator[Setting]:
    inner: list[tuple[str, Table]] = []
    for name, field in type(table).model_fields.items():
        value = getattr(table, name)
        key = f"{prefix}{name}"
        if isinstance(value, Table) and not (type(table).may_be_unset(name) and _needs_values(value)):
            inner.append((f"{key}.", value))
            continue
        default = field.get_default(call_default_factory=True)
        yield Setting(key, toml_value(value), value == default, field.description or "", allowed_values(field))
    for deeper, value in inner:
        yield from _settings(value, deeper)


def _needs_values(table: Table) -> bool:
    return any(field.is_required() for field in type(table).model_fields.values())


def _given(table: Table) -> Iterator[tuple[str, str]]:
    """What was set of a table whose other settings have no meaning where they weren't set, each value as TOML."""
    for name in type(table).model_fields:
        value = getattr(table, name)
        if name in table.model_fields_set and value is not None:
            yield name, toml_value(value)


def toml_value(value: Any) -> str:
    """One value in TOML's notation; None is the word "unset"; tables are inline, one a line in an array of them."""
    if value is None:
        return f'"{UNSET}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _block(value) if "\n" in value else f'"{_escaped(value)}"'
    if isinstance(value, Table):
        return f"{{{', '.join(f'{name} = {text}' for name, text in _given(value))}}}"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_key(name)} = {toml_value(inner)}' for name, inner in value.items())}}}"
    if isinstance(value, tuple | list) and any(isinstance(item, Table) for item in value):
        return "\n".join(["[", *(f"  {toml_value(item)}," for item in value), "]"])
    if isinstance(value, tuple | list):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    return repr(value)


def _key(name: str) -> str:
    """A table's key, in quotes where it isn't a bare one."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f'"{_escaped(name)}"'


def _block(text: str) -> str:
    """A multi-line string, kept readable: an ASCII layout stays a picture."""
    return '"""\n' + "\n".join(_escaped(line) for line in text.split("\n")) + '"""'


def _escaped(text: str) -> str:
    return "".join(_escape(character) for character in text)


def _escape(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if ord(character) < 0x20 or ord(character) == 0x7F:
        return f"\\u{ord(character):04x}"
    return character
