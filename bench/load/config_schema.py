"""Turns the options of the command line, as they are defined, into the configuration's schema.

Nothing is listed here: an option that is added to a command or to bench.load.arguments is a key
of rtbench.toml by that, once `rtbench config --schema > bench/config.schema.json` has run.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import typer
from typer.models import OptionInfo

from bench.load.arguments import add_arguments
from bench.load.checks import CHECKS, TIME
from bench.load.config_check import SECRET_NAME
from bench.load.settings import option_name

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SAID_EACH_TIME = frozenset({"yes"})
_NAMES_OR_PATHS = frozenset({"baseline", "dialect", "profile", "scenario"})
_NO_TABLE = frozenset({"run", "config"})
"""A run's options stand above all tables; how the configuration is shown is not configured."""


class _Recorder:
    """Stands for Locust's parser and takes down the options that are added to it."""

    def __init__(self) -> None:
        self.options: list[tuple[str, dict[str, Any]]] = []

    def add_argument_group(self, *_: str) -> _Recorder:
        return self

    def add_argument(self, flag: str, **keywords: Any) -> None:
        self.options.append((flag, keywords))


def run_arguments() -> list[tuple[str, dict[str, Any]]]:
    """Each option that rtbench adds to Locust: its flag, and argparse's keywords for it."""
    recorder = _Recorder()
    add_arguments(recorder, {})
    return recorder.options


def config_schema(app: typer.Typer) -> dict[str, Any]:
    """The JSON Schema of rtbench.toml, for the commands of `app`."""
    commands = dict(_commands(app))
    properties = _options_of(commands["run"])
    for flag, keywords in run_arguments():
        name = option_name([flag])
        if name not in _SAID_EACH_TIME:
            properties[name] = _schema_of_argument(name, keywords)
    for name, callback in commands.items():
        if name not in _NO_TABLE:
            _add_table(properties, name, _options_of(callback))
    for info in app.registered_groups:
        # Whose name is an option's already (`fixtures`) can have no table.
        if info.name not in properties and info.typer_instance is not None:
            parts: dict[str, Any] = {}
            for name, callback in _commands(info.typer_instance):
                _add_table(parts, name, _options_of(callback))
            _add_table(properties, str(info.name), parts)
    return {
        "$schema": _DIALECT,
        "title": "rtbench.toml, or [tool.rtbench] of pyproject.toml",
        **_table(properties),
    }


def _add_table(properties: dict[str, Any], name: str, options: dict[str, Any]) -> None:
    if options:
        properties[name] = _table(options)


def _table(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _commands(app: typer.Typer) -> Iterator[tuple[str, Callable[..., Any]]]:
    for info in app.registered_commands:
        if info.callback is not None:
            yield info.name or info.callback.__name__.replace("_", "-"), info.callback


def _options_of(callback: Callable[..., Any]) -> dict[str, Any]:
    hints = get_type_hints(callback, include_extras=True)
    options = {}
    for parameter in inspect.signature(callback).parameters.values():
        hint = hints[parameter.name]
        infos = [
            each for each in getattr(hint, "__metadata__", ()) if isinstance(each, OptionInfo)
        ]
        if not infos:
            continue
        flags = [flag for flag in infos[0].param_decls or () if flag.startswith("--")]
        name = option_name(flags or [parameter.name])
        if not SECRET_NAME.search(name) and name not in _SAID_EACH_TIME:
            schema = _schema_of_hint(name, get_args(hint)[0], infos[0])
            options[name] = _described(schema, infos[0].help, parameter.default)
    return options


def _schema_of_hint(name: str, hint: Any, info: OptionInfo) -> dict[str, Any]:
    if get_origin(hint) in {Union, types.UnionType}:
        (hint,) = (each for each in get_args(hint) if each is not type(None))
    if get_origin(hint) is list:
        return {"type": "array", "items": _schema_of_hint(name, get_args(hint)[0], info)}
    if hint is bool:
        return {"type": "boolean"}
    if hint in {int, float}:
        limits = {"minimum": info.min, "maximum": info.max}
        known = {key: limit for key, limit in limits.items() if limit is not None}
        return {"type": "integer" if hint is int else "number", **known}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [each.value for each in hint]}
    if hint is Path:
        return {"type": "string", "format": "path"}
    return dict(TIME.schema) if name.endswith("_time") else _schema_of_text(name)


def _schema_of_argument(name: str, keywords: dict[str, Any]) -> dict[str, Any]:
    check = CHECKS.get(name)
    if check is not None:
        schema = dict(check.schema)
    elif keywords.get("action") == "store_true":
        schema = {"type": "boolean"}
    elif keywords.get("action") == "append":
        schema = {"type": "array", "items": {"type": "string"}}
    elif keywords.get("metavar") in {"<dir>", "<file>"}:
        schema = {"type": "string", "format": "path"}
    else:
        schema = _schema_of_text(name)
    words = keywords["help"].replace("%%", "%")  # as argparse wants it written
    return _described(schema, words, keywords.get("default"))


def _schema_of_text(name: str) -> dict[str, Any]:
    return {"type": "string"} | ({"format": "name-or-path"} if name in _NAMES_OR_PATHS else {})


def _described(schema: dict[str, Any], words: str | None, default: Any) -> dict[str, Any]:
    if words:
        schema["description"] = words
    if isinstance(default, Enum):
        default = default.value
    if default not in {None, ""}:
        schema["default"] = default if isinstance(default, bool | int | float) else str(default)
    return schema
