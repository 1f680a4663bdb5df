"""Turns what stands in a file into numbers and settings, or into a Problem that names its place.

Every Problem raised here, and by the settings themselves, begins with the key it is about, so
that whoever knows where that key stands puts the path before it.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from bench.problem import Problem

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
        raise Problem(f"{place} {value!r} is no table; give {{{', '.join(readers)}}}")
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
        raise Problem(f"{place} {value!r} is no number; write it without quotes, such as 100")
    return float(value)


def read_whole(value: object, place: str) -> int:
    """A whole number.

    Raises:
        Problem: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise Problem(f"{place} {value!r} is no whole number; give one such as 100")
    return value


def read_text(value: object, place: str) -> str:
    """A text.

    Raises:
        Problem: it is none.
    """
    if not isinstance(value, str):
        raise Problem(f"{place} {value!r} is no text; put it in quotes")
    return value


def check_range(key: str, value: float, least: float, most: float = math.inf) -> None:
    """Let a finite number from `least` to `most` pass.

    Raises:
        Problem: it is another.
    """
    if not math.isfinite(value):
        raise Problem(f"{key} {value!r} is no finite number; give {least:g} or more")
    if not least <= value <= most:
        mend = f"{least:g} or more" if math.isinf(most) else f"{least:g} to {most:g}"
        raise Problem(f"{key} {value!r} is out of range; give {mend}")


def suggest(word: str, known: Iterable[str]) -> str:
    """The mend for a word that is not among the `known` ones."""
    names = list(known)
    close = difflib.get_close_matches(word, names, n=1)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"
