"""Turns rtbench.toml, or [tool.rtbench] of a pyproject.toml, into checked options."""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.load.config_check import OptionPath, WrongOptionError, read_options
from bench.problem import Problem
from bench.toml_file import load_toml

CONFIG_NAME = "rtbench.toml"
CONFIG_VARIABLE = "RTBENCH_CONFIG"
NO_CONFIG = "off"
SCHEMA_PATH = Path(__file__).resolve().parent.parent / "config.schema.json"

_PYPROJECT = "pyproject.toml"


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file that was read: `path` as it is shown, and what it sets by the paths of options.

    Values are as TOML has them, but that paths lead from the working directory.
    """

    path: str
    options: dict[OptionPath, Any]


def read_config(folder: Path, environment: Mapping[str, str]) -> ConfigFile | None:
    """The file that RTBENCH_CONFIG names, else the nearest one; None if there is none.

    Looked into are `folder` and those above it up to the root of its repository; without a
    repository `folder` alone, for what lies above may be anybody's.

    Raises:
        Problem: it cannot be read, holds an unknown option or table, or a value that will not
            do; the message names file, line, option and mend.
    """
    named = environment.get(CONFIG_VARIABLE)
    if named == NO_CONFIG:
        return None
    path = Path(named) if named else _find(folder)
    if path is None:
        return None
    if not named:
        path = Path(os.path.relpath(path, folder))
    return load_toml(
        path,
        lambda table: _parse(table, path, folder),
        depth="a configuration needs three levels",
        names=("off, for none",),
    )


def _find(folder: Path) -> Path | None:
    for place in _places(folder.absolute()):
        path = place / CONFIG_NAME
        if path.is_file():
            return path
        path = place / _PYPROJECT
        if path.is_file() and _mentions_us(path):
            return path
    return None


def _mentions_us(path: Path) -> bool:
    try:
        return "tool.rtbench" in path.read_text("utf-8", "replace")
    except OSError:  # somebody else's file, as far as anybody can tell
        return False


def _places(folder: Path) -> list[Path]:
    upwards = [folder, *folder.parents]
    for count, place in enumerate(upwards, 1):
        if (place / ".git").exists():
            return upwards[:count]
    return [folder]


def _parse(table: dict[str, Any], path: Path, folder: Path) -> ConfigFile:
    above: OptionPath = ("tool", "rtbench") if path.name == _PYPROJECT else ()
    for name in above:
        table = table.get(name, {})
        if not isinstance(table, dict):
            raise Problem("[tool.rtbench]: is no table; write its options below that line")
    schema = load_schema()
    try:
        options = dict(read_options(table, schema))
    except WrongOptionError as error:
        line = find_line(path.read_text(encoding="utf-8"), (*above, *error.path))
        place = "" if line is None else f"line {line}: "
        raise Problem(f"{place}{name_option(error.path, above)}: {error.words}") from None
    here = folder.absolute()
    for option, value in options.items():
        about = schema_of(option, schema) or {}
        options[option] = _from_here(value, about, path.absolute().parent, here)
    return ConfigFile(str(path), options)


def _from_here(value: Any, schema: Mapping[str, Any], base: Path, here: Path) -> Any:
    """A relative path of a file in `base` as one from `here`; other values as they are."""
    if (
        base == here
        or not isinstance(value, str)
        or value in {"", "-"}
        or Path(value).is_absolute()
    ):
        return value
    kind = schema.get("format")
    if kind == "path" or (kind == "name-or-path" and (base / value).exists()):
        return os.path.relpath(base / value, here)
    return value


def name_option(path: OptionPath, above: OptionPath = ()) -> str:
    """How a message names an option: `[check] limits`, and `chunk_ms` of a run."""
    *tables, name = path
    table = ".".join((*above, *tables))
    return f"[{table}] {name}" if table else name


@functools.cache
def load_schema() -> dict[str, Any]:
    """The JSON Schema of the file, as `rtbench config --schema` prints it."""
    schema: dict[str, Any] = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))
    return schema


def schema_of(option: OptionPath, schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """The part of `schema` that is about one option; None where no file may set it."""
    part: Any = schema
    for name in option:
        part = part.get("properties", {}).get(name)
        if part is None:
            return None
    return dict(part)


def find_line(text: str, path: OptionPath) -> int | None:
    """The line on which an option or table stands, as far as a look at line beginnings tells."""
    table: OptionPath = ()
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[+\s*([^\[\]]+?)\s*\]+\s*(#.*)?$", line)
        if header:
            table = tuple(_parts(header[1]))
            if table[: len(path)] == path:
                return number
        key = re.match(r"\s*([\w\"'.\s-]+?)\s*=", line)
        if key and (*table, *_parts(key[1]))[: len(path)] == path:
            return number
    return None


def _parts(dotted: str) -> Iterator[str]:
    return (part.strip().strip("\"'") for part in dotted.split("."))
