"""Turns the command line, as it is defined, into its reference in Markdown.

`python -m bench.reference > bench/COMMANDS.md` writes the one that a test compares.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any

import typer

from bench.cli import app
from bench.load.config_schema import run_arguments

_TOP = """# Commands and options

Made from the code by `make docs`; not to be edited by hand. `rtbench COMMAND --help` says the
same. How options also come from variables and `rtbench.toml` is in
[README.md](README.md#options).
"""
_EVERYWHERE = """\
Before any command, and but for `--version` also after it. `--install-completion` teaches
the shell the names of commands, scenarios, runs and baselines.
"""
_EXAMPLE = "Example: "
_COMPLETION = frozenset({"--install-completion", "--show-completion"})
"""Their help is typer's own and differs between its versions."""
_OF_A_RUN = """### Options of a run

For `rtbench run`, `rtbench ab` and `locust -f`. Each has a variable, such as `RTBENCH_CHUNK_MS`,
and a key of `rtbench.toml`, such as `chunk_ms`, but `--yes`.
"""


def command_reference() -> str:
    """Each command with its words, arguments, options, defaults and exit codes, in Markdown."""
    root: Any = typer.main.get_command(app)
    everywhere = [each for each in root.params if _COMPLETION.isdisjoint(each.opts)]
    parts = [_TOP, _EVERYWHERE, _table(map(_parameter, everywhere))]
    for name, command in walk_commands(root):
        parts += [f"## rtbench {name}\n", _words(command.help)]
        if parameters := [_parameter(each) for each in command.params]:
            parts.append(_table(parameters))
        if command.epilog:
            parts.append(f"{command.epilog}\n")
        if name == "run":
            parts += [_OF_A_RUN, _table(map(_argument, run_arguments()))]
    return "\n".join(parts)


def walk_commands(group: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Each command that can be typed, by its words after `rtbench`, and typer's object for it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from walk_commands(command, f"{above}{name} ")
        else:
            yield f"{above}{name}", command


def _words(text: str) -> str:
    """A command's help; its examples stand together at the end."""
    paragraphs = text.replace("\\[", "[").strip().split("\n\n")
    said = [each for each in paragraphs if not each.startswith(_EXAMPLE)]
    lines = [each.removeprefix(_EXAMPLE) for each in paragraphs if each.startswith(_EXAMPLE)]
    shown = "\n".join(["```sh", *lines, "```\n"])
    return "\n\n".join([*said, shown])


def _parameter(each: Any) -> tuple[str, str]:
    if each.param_type_name == "argument":
        return f"`{each.metavar}`", each.help or ""
    value = "" if each.is_flag else f" {each.metavar or '…'}"
    flags = ", ".join(sorted(each.opts, key=len, reverse=True))
    words = (each.help or "").strip()
    return f"`{flags}{value}`", f"{words}{_default(each.default)}{_variable(each.envvar)}"


def _default(value: Any) -> str:
    if isinstance(value, Enum):
        value = value.value
    if value is None or value == "" or isinstance(value, bool | list | tuple):
        return ""
    return f" Default: `{value}`."


def _variable(name: str | None) -> str:
    return f" Also: `{name}`." if name else ""


def _argument(option: tuple[str, dict[str, Any]]) -> tuple[str, str]:
    flag, keywords = option
    value = f" {keywords['metavar']}" if "metavar" in keywords else ""
    return f"`{flag}{value}`", keywords["help"].replace("%%", "%")


def _table(rows: Iterable[tuple[str, str]]) -> str:
    lines = [("option", "what it does"), ("---", "---"), *rows]
    return "".join(f"| {_cell(first)} | {_cell(second)} |\n" for first, second in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(command_reference())
