"""Loads a config from a TOML file or a shipped name, with `--set` overrides, or says in plain words what is wrong.

Data comes from the user's file and options; the Config goes to every process of a run.
"""

import difflib
import os
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import fleet
from fleet.core.config.complain import complaints, place_at, place_of
from fleet.core.config.faults import FaultPlan
from fleet.core.config.locate import KeyPath, key_lines
from fleet.core.config.root import Config
from fleet.core.config.table import UNSET
from fleet.core.errors import BadInput
from fleet.core.faults.errors import PlanError

_DEEPEST = 32


class ConfigError(BadInput):
    """A config can't be read or used; names the file, the line, the key and what is allowed."""


@dataclass(frozen=True)
class Override:
    """One setting given on the command line; `option` is what the user typed, for the error that names it."""

    option: str
    key: KeyPath
    value: Any


def load_config(source: str | Path, overrides: Sequence[str | Override] = ()) -> Config:
    """The config at `source` (a path, or the name of a shipped one), with `overrides` (`key.sub=value`) on top.

    A relative path in `world.map` or `wire.keys` is taken from the config file's folder; in an override, from the
    current one. Raises ConfigError, naming every key at fault.
    """
    path = find_config(source)
    text = _read(path)
    data = _parse(path, text)
    _anchor_map(data, path.parent)
    _anchor_keys(data, path.parent)
    given = _parsed(overrides)
    origins: dict[KeyPath, str] = {}
    for override in given:
        _apply(data, override)
        origins[override.key] = override.option
    try:
        return Config.model_validate(_frozen(data), strict=True)
    except ValidationError as error:
        raise ConfigError("\n".join(complaints(error, str(path), key_lines(text), origins))) from None


def load_plan(source: str | Path) -> FaultPlan:
    """The fault plan at `source`: a file whose top level is the `[faults]` table, or the name of a shipped one.

    Raises ConfigError, naming every key at fault.
    """
    path = find_plan(source)
    text = _read(path)
    try:
        return FaultPlan.model_validate(_frozen(_parse(path, text)), strict=True)
    except ValidationError as error:
        raise ConfigError("\n".join(complaints(error, str(path), key_lines(text), {}, FaultPlan))) from None


def names_config(source: str | Path) -> bool:
    """Whether `source` names a config and no plan: a file with a `[world]`, or a shipped config.

    Raises ConfigError if it names a file that can't be read.
    """
    if str(source) in shipped_plans() and not Path(source).is_file():
        return False
    try:
        path = find_config(source)
    except ConfigError:
        return False
    return "world" in _parse(path, _read(path))


@contextmanager
def placing_faults(
    source: str | Path, config: Config, overrides: Sequence[str | Override] = (), plan: str | Path | None = None
) -> Iterator[None]:
    """Have a BadInput raised inside, of a config loaded from `source`, say where the setting at fault was given.

    What shows only when the floor is built (robots that don't fit, a map without a goal) or the fault plan resolved
    knows no file and no line. `plan`: where the config's plan was loaded from, if not from `source`.
    """
    try:
        yield
    except BadInput as error:
        origins = {override.key: override.option for override in _parsed(overrides)}
        path = find_config(source)
        if isinstance(error, PlanError) and plan is not None:
            path = find_plan(plan)
            place = place_at(error.at[1:], str(path), key_lines(_read(path)), {})
        elif isinstance(error, PlanError):
            place = place_at(error.at, str(path), key_lines(_read(path)), origins)
        else:
            place = place_of(str(error), str(path), key_lines(_read(path)), origins, config.world.map)
        raise ConfigError(f"{place}: {error}") from None


def shipped_configs() -> dict[str, Path]:
    """The configs that come with the package, by name."""
    return _shipped(".")


def shipped_plans() -> dict[str, Path]:
    """The fault plans that come with the package, by name."""
    return _shipped("faults")


def find_config(source: str | Path) -> Path:
    """The file that `source` names. Raises ConfigError if it is neither a file nor a shipped name."""
    return _find(source, "config", shipped_configs())


def find_plan(source: str | Path) -> Path:
    """The file that `source` names. Raises ConfigError if it is neither a file nor a shipped plan's name."""
    return _find(source, "fault plan", shipped_plans())


def _find(source: str | Path, what: str, shipped: dict[str, Path]) -> Path:
    path = Path(source)
    try:
        if path.is_file():
            return path
        exists = path.exists()
    except (OSError, ValueError) as error:  # a name too long for the file system, or with a null byte
        raise ConfigError(f"no {what} {str(source)!r}: {error.args[-1]}") from None
    if str(source) in shipped:
        return shipped[str(source)]
    if exists:
        raise ConfigError(f"{path} is not a file; a {what} is a TOML file or one of: {', '.join(shipped)}")
    near = difflib.get_close_matches(path.stem, shipped, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ConfigError(f"no {what} {str(source)!r}: no such file, and the shipped ones are {', '.join(shipped)}{hint}")


def parse_override(text: str, option: str = "--set") -> Override:
    """`key.sub=value` with a TOML value; a bare word is a string. Raises ConfigError if it isn't of that form."""
    key, separator, value = text.partition("=")
    parts = tuple(part.strip() for part in key.split("."))
    if not separator or not all(parts):
        raise ConfigError(f"{option} {text}: expected key.sub=value, such as run.rounds=50")
    override = Override(f"{option} {text}", parts, _value(value.strip()))
    if len(parts) > _DEEPEST or _is_deep(override.value):
        raise ConfigError(f"{option} {text[:60]}...: nested deeper than {_DEEPEST} levels")
    return override


def _parsed(overrides: Sequence[str | Override]) -> list[Override]:
    return [parse_override(item) if isinstance(item, str) else item for item in overrides]


def _value(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return parsed["value"] if set(parsed) == {"value"} else text


def _shipped(folder: str) -> dict[str, Path]:
    return {path.stem: path for path in sorted((_shipped_folder() / folder).glob("*.toml"))}


def _shipped_folder() -> Path:
    package = Path(fleet.__file__).resolve().parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text: byte {error.start} can't be read") from None
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}") from None


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        parsed = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # tomllib's own error, or a number of thousands of digits
        raise ConfigError(f"{path} is not valid TOML: {error or 'nested too deep'}") from None
    if _is_deep(parsed):
        raise ConfigError(f"{path} is nested deeper than {_DEEPEST} levels")
    return parsed


def _is_deep(value: Any, levels: int = _DEEPEST) -> bool:
    """Whether it is nested beyond what a config could need and recursion could follow."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels == 0 or any(_is_deep(item, levels - 1) for item in inner)


def _apply(data: dict[str, Any], override: Override) -> None:
    table = data
    for part in override.key[:-1]:
        inner = table.setdefault(part, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{override.option}: {part} is a setting, not a table of settings")
        table = inner
    table[override.key[-1]] = override.value
    if override.key == ("world", "map"):
        _anchor_map(data, Path.cwd())
    if override.key == ("wire", "keys"):
        _anchor_keys(data, Path.cwd())


def _anchor_map(data: dict[str, Any], folder: Path) -> None:
    """Make a relative `world.map` absolute; a bare word without folder or suffix is a preset's name."""
    world = data.get("world")
    name = world.get("map") if isinstance(world, dict) else None
    if isinstance(world, dict) and isinstance(name, str) and ("/" in name or Path(name).suffix):
        world["map"] = str((folder / name).resolve())


def _anchor_keys(data: dict[str, Any], folder: Path) -> None:
    """Make a relative `wire.keys` absolute; an empty or unset one stays as it is."""
    wire = data.get("wire")
    keys = wire.get("keys") if isinstance(wire, dict) else None
    if isinstance(wire, dict) and isinstance(keys, str) and keys not in ("", UNSET):
        wire["keys"] = os.path.abspath(folder / keys)


def _frozen(value: Any) -> Any:
    """TOML's arrays as tuples, which is what a strict reading of the frozen tables takes."""
    if isinstance(value, dict):
        return {key: _frozen(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return tuple(_frozen(inner) for inner in value)
    return value
