"""Turns what stands in a file into numbers and settings, or into a Problem that names its place.

Every Problem raised here, and by the settings themselves, begins with the key it is about, so
that whoever knows where that key stands puts the path before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from bench.problem import Problem, suggest

LARGEST = 1e9
"""The largest number of any kind: in ms, eleven days. Beyond, sums of them stop being finite."""

Reader = Callable[[Any, str], Any]
"""Takes a value and the path of its key, gives the setting."""

Settings = TypeVar("Settings")


def read_settings(
    kind: type[Settings], value: object, place: str, readers: Mapping[str, Reader]
) -> Settings:
    """The dataclass `kind` that a table describes; `readers` has one reader for each key.

    `place` is the path of the table, "" for the whole file.

    Raises:
        Problem: it is no table, a key is unknown or missing, or a value will not do.
    """
    if not isinstance(value, Mapping):
        raise Problem(f"{place} {show(value)} is no table; give {{{', '.join(readers)}}}")
    with within(place):
        for key in value:
            if key not in readers:
                raise Problem(f"{key} is no known key; {suggest(str(key), readers)}")
        for field in fields(kind):  # type: ignore[arg-type]  # a dataclass, as said
            needed = field.default is MISSING and field.default_factory is MISSING
            if needed and field.name not in value:
                raise Problem(f"{field.name} is missing; give it a value")
    path = f"{place}." if place else ""
    settings = {key: readers[key](given, path + key) for key, given in value.items()}
    with within(place):
        return kind(**settings)


@contextmanager
def within(place: str) -> Iterator[None]:
    """Put the path `place` before the key of any Problem raised meanwhile."""
    try:
        yield
    except Problem as problem:
        raise Problem(f"{place}.{problem}" if place else str(problem)) from None


def read_number(value: object, place: str) -> float:
    """A number as a float.

    Raises:
        Problem: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Problem(f"{place} {show(value)} is no number; write it without quotes, such as 100")
    try:
        return float(value)
    except OverflowError:
        raise Problem(f"{place} {show(value)} is too large; give {LARGEST:g} or less") from None


def read_whole(value: object, place: str) -> int:
    """A whole number.

    Raises:
        Problem: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise Problem(f"{place} {show(value)} is no whole number; give one such as 100")
    return value


def read_text(value: object, place: str) -> str:
    """A text.

    Raises:
        Problem: it is none.
    """
    if not isinstance(value, str):
        raise Problem(f"{place} {show(value)} is no text; put it in quotes")
    return value


def check_range(key: str, value: float, least: float, most: float = LARGEST) -> None:
    """Let a number from `least` to `most` pass.

    Raises:
        Problem: it is another.
    """
    # Not a number is in no range, and a whole number may be too long to become a float.
    if not least <= value <= most:
        raise Problem(f"{key} {show(value)} is out of range; give {least:g} to {most:g}")


def show(value: object) -> str:
    """Text for a value in a message, whatever it is and however long."""
    if isinstance(value, int) and value.bit_length() > 64:
        # Python refuses to write out the longest ones.
        return f"(a whole number of {value.bit_length()} bits)"
    if isinstance(value, list):
        return "(a list)"
    if isinstance(value, Mapping):
        return f"{{{', '.join(str(key) for key in value)}}}"[:60]
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
