"""Turns what a command line cannot be into one line: what is wrong, the mend, where help is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from bench.load.config_file import load_schema
from bench.problem import suggest

UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""What typer raises for a wrong command line; some of its versions take it from click."""

_EVERYWHERE = frozenset({"--quiet", "-q", "--no-color"})
_WITH_VALUE = "--config"
_IN_OTHER_WORDS = (
    (r"(?i)^value error, ", ""),
    (r"(?i)^input should be a valid integer.*", "is not a whole number"),
    (r"(?i)^input should be a valid number.*", "is not a number"),
    (r"(?i)^input should be greater than or equal to ", "must be at least "),
    (r"(?i)^input should be less than or equal to ", "must be at most "),
    (r"^Option '(\S+)' requires an argument", r"\1 needs a value"),
)
"""Patterns of messages, of typer's and of what it lets check values, and what is told instead."""


class EverywhereGroup(TyperGroup):
    """Takes the options that are for all commands also after the command's name."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse with those options moved to the front."""
        return super().parse_args(ctx, move_to_front(args))


def move_to_front(arguments: list[str]) -> list[str]:
    """--quiet, --no-color and --config FILE first; what follows `--` stays where it is."""
    front, rest = [], []
    left = iter(arguments)
    for argument in left:
        if argument == "--":
            rest += [argument, *left]
        elif argument in _EVERYWHERE or argument.startswith(f"{_WITH_VALUE}="):
            front.append(argument)
        elif argument == _WITH_VALUE:
            front += [argument, *([value] if (value := next(left, None)) is not None else [])]
        else:
            rest.append(argument)
    return front + rest


def tell_mistake(error: Any, commands: Any, typed: Sequence[str]) -> str:
    """One line about a `UsageError`; empty where help was printed instead.

    `commands` is the group of all commands, `typed` what stood after the program's name.
    """
    if type(error).__name__ == "NoArgsIsHelpError":
        return ""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else _command_in(commands, typed)
    words = "".join(char if char.isprintable() else " " for char in _words(error, context, typed))
    return f"{' '.join(words.split())}; see `{command} --help`"


def _command_in(commands: Any, typed: Sequence[str]) -> str:
    """`rtbench baseline show` for what begins with those words, options aside."""
    path = ["rtbench"]
    for word in typed:
        if word in getattr(commands, "commands", {}):
            commands = commands.commands[word]
            path.append(word)
    return " ".join(path)


def _words(error: Any, context: Any, typed: Sequence[str]) -> str:
    kind = type(error).__name__
    parameter = getattr(error, "param", None)
    if kind == "NoSuchOption":
        return _unknown_option(error.option_name, context)
    if kind == "MissingParameter" and parameter is not None:
        about = f" ({parameter.help.rstrip('.')})" if parameter.help else ""
        return f"{_name(parameter)} is missing{about}"
    if kind == "BadParameter" and parameter is not None:
        return _bad_value(error.message, parameter, typed)
    if kind == "BadOptionUsage":
        return _plain(error.message)
    commands = getattr(context.command, "commands", None) if context is not None else None
    if commands is None:
        extra = re.search(r"unexpected extra argument\S* \((.*)\)", error.message)
        return f"too many arguments: {extra[1]}" if extra else _plain(error.message)
    unknown = re.match(r"No such command '(.*?)'", error.message)
    if unknown:
        return f"no command {unknown[1]}; {suggest(unknown[1], commands)}"
    return f"which command? there are {', '.join(commands)}"


def _bad_value(message: str, parameter: Any, typed: Sequence[str]) -> str:
    words, name = _plain(message), _name(parameter)
    given = _value_in(typed, parameter.opts)
    if given is None or repr(given) in words:
        return f"{name}: {words}"
    return f"{name} {given!r}: {words}"


def _value_in(typed: Sequence[str], flags: Sequence[str]) -> str | None:
    """What stands after one of the flags; None where that is not plain to see."""
    for place, word in enumerate(typed):
        flag, equals, value = word.partition("=")
        if flag in flags:
            return value if equals else next(iter(typed[place + 1 :]), None)
    return None


def _unknown_option(flag: str, context: Any) -> str:
    ours = [each for parameter in context.command.params for each in parameter.opts]
    if flag.startswith("--") and flag[2:].replace("-", "_") in _names_of_a_run():
        return f"{flag} is an option of `rtbench run`, not of this command"
    close = suggest(flag, (each for each in ours if each.startswith("--")))
    if close.startswith("did you mean"):
        return f"no option {flag}; {close}"
    return f"no option {flag}"


def _names_of_a_run() -> Iterable[str]:
    schemas = load_schema()["properties"].items()
    return (name for name, schema in schemas if schema.get("type") != "object")


def _name(parameter: Any) -> str:
    if parameter.param_type_name == "option":
        return str(max(parameter.opts, key=len))
    return str(parameter.metavar or parameter.name.upper()).strip("[].")


def _plain(message: str) -> str:
    """What typer says, in our words where its own are those of its parts."""
    for theirs, ours in _IN_OTHER_WORDS:
        message = re.sub(theirs, ours, message)
    return (message[:1].lower() + message[1:]).rstrip(". ")
