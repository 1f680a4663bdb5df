"""Turns environment variables and the configuration file into defaults of a command's options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bench.load.config_check import OptionPath, find_fault
from bench.load.config_file import ConfigFile, load_schema, schema_of
from bench.problem import Problem

INHERITED = {
    "ab": ("runs_dir",),
    "demo": ("runs_dir",),
    "doctor": ("host",),
    "fixtures": ("fixtures",),
}
"""Options of a command that, where it has no word of its own, are as those of a run."""

_WORDS = {"true": True, "yes": True, "on": True, "1": True} | {
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


@dataclass(frozen=True, slots=True)
class Setting:
    """A value that was not given on the command line, and where it comes from, in words."""

    value: Any
    source: str


def table_of(command: OptionPath) -> OptionPath:
    """Where the options of a command stand: those of `run` above all tables."""
    return () if command == ("run",) else command


def variable_of(option: OptionPath) -> str:
    """The environment variable of an option: RTBENCH_CHUNK_MS, RTBENCH_CHECK_LIMITS."""
    return "_".join(("RTBENCH", *option)).replace("-", "_").upper()


def find_settings(
    command: OptionPath,
    names: Iterator[str],
    file: ConfigFile | None,
    environment: Mapping[str, str],
) -> dict[str, Setting]:
    """What the environment or else the file says of a command's options `names`.

    Raises:
        Problem: a variable holds a value that will not do.
    """
    settings = {}
    for name in names:
        for option in _places(command, name):
            setting = _find(option, file, environment)
            if setting is not None:
                settings[name] = setting
                break
    return settings


def _places(command: OptionPath, name: str) -> Iterator[OptionPath]:
    yield (*table_of(command), name)
    if name in INHERITED.get(command[0], ()):
        yield (name,)


def _find(
    option: OptionPath, file: ConfigFile | None, environment: Mapping[str, str]
) -> Setting | None:
    schema = schema_of(option, load_schema())
    if schema is None:
        return None
    variable = variable_of(option)
    text = environment.get(variable)
    if text:
        # Lists in a variable are parted by spaces, but for the one whose lines have spaces.
        value = [text] if option == ("header",) else _read(text, schema)
        fault = find_fault(option, value, schema)
        if fault is not None:
            raise Problem(f"{variable}: {fault}; mend it, or unset the variable")
        return Setting(value, variable)
    if file is not None and option in file.options:
        return Setting(file.options[option], file.path)
    return None


def _read(text: str, schema: Mapping[str, Any]) -> Any:
    """The value that a variable's text means; text where it means none of that kind."""
    kind = schema.get("type")
    if kind == "boolean":
        return _WORDS.get(text.lower(), text)
    if kind == "array":
        return text.split()
    try:
        return int(text) if kind == "integer" else float(text) if kind == "number" else text
    except ValueError:
        return text


def default_map(
    command: Any, path: OptionPath, file: ConfigFile | None, environment: Mapping[str, str]
) -> dict[str, Any]:
    """Defaults for a command of the command line, or for the commands of a group, as click has it.

    Raises:
        Problem: a variable holds a value that will not do.
    """
    if hasattr(command, "commands"):
        return {
            name: default_map(each, (*path, name), file, environment)
            for name, each in command.commands.items()
        }
    parameters = option_names(command)
    settings = find_settings(path, iter(parameters), file, environment)
    return {parameters[name]: setting.value for name, setting in settings.items()}


def option_names(command: Any) -> dict[str, str]:
    """The options of a command as a file names them, each with its parameter's name."""
    return {
        option_name(parameter.opts): parameter.name
        for parameter in command.params
        if parameter.param_type_name == "option"
    }


def option_name(flags: list[str]) -> str:
    """`limits` for the flags --limits and -l."""
    return max(flags, key=len).removeprefix("--").replace("-", "_")
