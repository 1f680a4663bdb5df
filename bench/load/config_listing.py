"""Turns a command and what may follow it into the values that its options have, and their sources.

A flag counts before the environment, that before the file, and that before the default; a
scenario's own preference stands between file and default, and is not known here.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from bench.dialects.base import Endpoint
from bench.dialects.headers import read_header
from bench.load.config_check import SECRET_NAME, OptionPath
from bench.load.config_file import ConfigFile, read_config
from bench.load.config_schema import run_arguments
from bench.load.settings import default_map, find_settings, option_name, option_names, variable_of
from bench.problem import Problem, suggest

FLAG = "flag"
DEFAULT = "default"
HIDDEN = "(holds a key; not shown)"


@dataclass(frozen=True, slots=True)
class Resolved:
    """An option by its name in a file, the value that counts, and where that comes from."""

    name: str
    value: Any
    source: str


@dataclass(frozen=True, slots=True)
class Listed:
    """The options of `command`, and the file that was read for them."""

    command: str
    file: str | None
    options: list[Resolved]

    def to_json(self) -> dict[str, Any]:
        """As `rtbench config --json` prints it."""
        options = {each.name: {"value": each.value, "from": each.source} for each in self.options}
        return {"command": self.command, "file": self.file, "options": options}


class _FlagParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Problem(message)


def list_command(
    context: Any, words: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> Listed:
    """The options of the command that `words` begin with, given what follows on a command line.

    `context` is typer's, of the command line above all commands; `folder` the working directory.

    Raises:
        Problem: there is no such command, or a flag, a variable or the file holds a wrong value.
    """
    path, command = _find_command(context.command, words)
    file = read_config(folder, environment)
    options = _resolve(context, command, path, words[len(path) :], (file, environment))
    return Listed(" ".join(path), None if file is None else file.path, options)


def _find_command(group: Any, words: Sequence[str]) -> tuple[OptionPath, Any]:
    """A command's name in parts, and itself."""
    path: OptionPath = ()
    for word in words:
        if word not in group.commands:
            raise Problem(f"config {word}: no such command; {suggest(word, group.commands)}")
        group, path = group.commands[word], (*path, word)
        if not hasattr(group, "commands"):
            return path, group
    raise Problem(f"config {path[-1]}: which of it? there are {', '.join(group.commands)}")


def _resolve(
    context: Any,
    command: Any,
    path: OptionPath,
    arguments: Sequence[str],
    sources: tuple[ConfigFile | None, Mapping[str, str]],
) -> list[Resolved]:
    inner = command.make_context(
        path[-1],
        list(arguments),
        parent=context,
        resilient_parsing=True,
        default_map=default_map(command, path, *sources),
    )
    parameters = option_names(command)
    settings = find_settings(path, iter(parameters), *sources)
    found = []
    for name, parameter in parameters.items():
        source = inner.get_parameter_source(parameter)
        given = source is not None and source.name == "COMMANDLINE"
        value = inner.params.get(parameter)
        said = FLAG if given else settings[name].source if name in settings else DEFAULT
        found.append(Resolved(name, value, said))
    if path == ("run",):
        known = {each.name for each in found}
        # Without a scenario the first thing that is passed on is taken for one.
        scenario = str(inner.params["scenario"] or "")
        rest = [scenario, *inner.args] if scenario.startswith("-") else inner.args
        passed_on = _resolve_arguments(rest, *sources)
        found += [each for each in passed_on if each.name not in known]
    return [_fit_to_show(each) for each in found]


def _resolve_arguments(
    arguments: Sequence[str], file: ConfigFile | None, environment: Mapping[str, str]
) -> list[Resolved]:
    """The options that rtbench adds to Locust, given what is passed on to it."""
    parser = _FlagParser(add_help=False, argument_default=argparse.SUPPRESS)
    defaults = {}
    for flag, keywords in run_arguments():
        defaults[option_name([flag])] = keywords.get("default")
        others = {"env_var", "default", "include_in_web_ui", "is_secret", "is_required"}
        parser.add_argument(
            flag, **{key: word for key, word in keywords.items() if key not in others}
        )
    flags = vars(parser.parse_known_args(list(arguments))[0])
    settings = find_settings(("run",), iter(defaults), file, environment)
    found = []
    for name, default in defaults.items():
        if name in flags:
            found.append(Resolved(name, flags[name], FLAG))
        elif name in settings:
            found.append(Resolved(name, settings[name].value, settings[name].source))
        elif text := environment.get(variable_of((name,))):  # of what no file may set
            found.append(Resolved(name, text, variable_of((name,))))
        else:
            found.append(Resolved(name, default, DEFAULT))
    return found


def _fit_to_show(option: Resolved) -> Resolved:
    """`option` without what may be a secret in it."""
    value = option.value
    if isinstance(value, os.PathLike):
        value = str(value)
    elif SECRET_NAME.search(option.name) and option.source == FLAG:
        value = HIDDEN  # it should be the name of a variable, and may be the key
    elif option.name == "host" and isinstance(value, str) and "://" in value:
        value = Endpoint(value, ()).redacted_url
    elif option.name == "header" and value:
        value = [_fit_header(line) for line in ([value] if isinstance(value, str) else value)]
    return Resolved(option.name, getattr(value, "value", value), option.source)


def _fit_header(line: str) -> str:
    name, _, value = line.partition(":")
    try:
        read_header(name.strip(), value.strip(), "a header")
    except Problem:
        return f"{name}: {HIDDEN}" if name.isprintable() and len(name) < 40 else HIDDEN
    return line
