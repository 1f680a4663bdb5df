"""Turns the tables of a configuration into its options, or into what is wrong with one of them.

Options are named by a path: ("chunk_ms",) is one of a run, ("check", "limits") one of
`rtbench check`. What there is comes from a JSON Schema as bench.load.config_schema writes it.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping
from typing import Any

from bench.load.checks import CHECKS
from bench.problem import Problem, suggest

OptionPath = tuple[str, ...]

SECRET_NAME = re.compile(
    r"(^|[_-])(api_?)?(key|token|secret|pass(word|wd)?|credential|authorization|bearer|cookie)s?$",
    re.IGNORECASE,
)
_KINDS = {"string": "a text", "integer": "a whole number", "number": "a number"}


class WrongOptionError(Exception):
    """`words` say what is wrong at `path`; they never hold a value that may be a secret."""

    def __init__(self, path: OptionPath, words: str) -> None:
        super().__init__(words)
        self.path = path
        self.words = words


def read_options(
    table: Mapping[str, Any], schema: Mapping[str, Any], above: OptionPath = ()
) -> Iterator[tuple[OptionPath, Any]]:
    """Each option of a table and of the tables in it, checked.

    Raises:
        WrongOptionError: a name is unknown, or a value will not do.
    """
    for name, value in table.items():
        path = (*above, name)
        known = schema["properties"].get(name)
        if known is None:
            raise WrongOptionError(path, _unknown(name, value, schema, above))
        if known.get("type") == "object":
            if not isinstance(value, dict):
                raise WrongOptionError(path, f"is the table of a command; write [{name}]")
            yield from read_options(value, known, path)
        else:
            words = find_fault(path, value, known) or _find_secret(path, value)
            if words is not None:
                raise WrongOptionError(path, words)
            yield path, value


def _unknown(name: str, value: Any, schema: Mapping[str, Any], above: OptionPath) -> str:
    if SECRET_NAME.search(name):
        return (
            "secrets have no key in a file; leave it out and set the environment variable, "
            "OPENAI_API_KEY or the one that the dialect names"
        )
    if name == "yes":
        return "is to be said each time, with --yes; leave it out"
    if isinstance(value, dict) and not above:
        if name == "run":
            return "options of a run stand above all tables; write them there"
        tables = [
            key for key, each in schema["properties"].items() if each.get("type") == "object"
        ]
        return f"no such table; {suggest(name, tables)}"
    return f"no such option; {suggest(name, schema['properties'])}"


def find_fault(path: OptionPath, value: Any, schema: Mapping[str, Any]) -> str | None:
    """What is wrong with the value of an option, None if nothing is."""
    check = CHECKS.get(path[0]) if len(path) == 1 else None
    if check is not None:
        if isinstance(value, list | dict):
            return f"takes one value, not {_shown(value)}"
        try:
            check(str(value))
        except argparse.ArgumentTypeError as error:
            return str(error)
        return None
    return _fault_of_type(value, schema)


def _find_secret(path: OptionPath, value: Any) -> str | None:
    """What is wrong with a value that a file should not hold, though a flag or variable may."""
    if path == ("host",):
        return _fault_of_host(value)
    if path == ("header",):
        return _fault_of_headers(value)
    return None


def _fault_of_type(value: Any, schema: Mapping[str, Any]) -> str | None:
    kind = schema.get("type")
    if kind == "array":
        if not isinstance(value, list):
            return f"{_shown(value)} is no list; write [{_shown(value)}]"
        faults = (_fault_of_type(each, schema["items"]) for each in value)
        return next((fault for fault in faults if fault is not None), None)
    if kind == "boolean":
        return None if isinstance(value, bool) else f"{_shown(value)} is neither true nor false"
    if "enum" in schema:
        if value in schema["enum"]:
            return None
        return f"{_shown(value)} is not one of {', '.join(map(str, schema['enum']))}"
    if not _is_of(kind, value):
        return f"{_shown(value)} is not {_KINDS[str(kind)]}"
    if kind == "string":
        if "pattern" in schema and not re.search(schema["pattern"], value):
            return f"{_shown(value)} is no {schema['title']}"
        return None
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and not value >= low:
        return f"{value} is below {low:g}"
    if high is not None and not value <= high:
        return f"{value} is above {high:g}"
    return None


def _is_of(kind: Any, value: Any) -> bool:
    if kind == "string":
        return isinstance(value, str)
    if isinstance(value, bool):
        return False
    return isinstance(value, int if kind == "integer" else int | float)


def _fault_of_host(value: str) -> str | None:
    query = value.partition("?")[2].partition("#")[0]
    names = [pair.partition("=")[0] for pair in query.split("&")]
    if "@" in value.partition("://")[2].partition("/")[0] or any(
        SECRET_NAME.search(name) or name.lower() in {"code", "sig"} for name in names
    ):
        return "holds a secret; give such a URL in RTBENCH_HOST instead"
    return None


def _fault_of_headers(lines: list[str]) -> str | None:
    from bench.dialects.headers import read_header  # noqa: PLC0415 - few files have headers

    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            return "there is no colon in it; write 'Name: value'"
        try:
            read_header(name.strip(), value.strip(), "a header")
        except Problem as problem:
            return str(problem)
    return None


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
