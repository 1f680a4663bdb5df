"""Turns a TOML file into what is described in it, or into a problem that names the file."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from bench.problem import Problem

T = TypeVar("T")


def load_toml(
    path: Path, parse: Callable[[dict[str, Any]], T], *, depth: str, names: Iterable[str]
) -> T:
    """What `parse` makes of the file.

    `depth` says how deep such a file is nested, as in "a profile needs three levels"; `names`
    are those that could have been given in its place.

    Raises:
        Problem: it cannot be read or is no TOML, or `parse` raised one.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Problem(
            f"{path}: cannot be read ({error.strerror or error}); "
            f"give a TOML file or one of {', '.join(names)}"
        ) from None
    except RecursionError:
        raise Problem(f"{path}: is nested too deeply; {depth}") from None
    except ValueError as error:
        # Besides what is no TOML: a path that cannot be one, bytes that are no text, a number
        # too long to be read.
        raise Problem(f"{str(path)!r}: is no TOML ({error}); mend it there") from None
    try:
        return parse(table)
    except Problem as problem:
        raise Problem(f"{path}: {problem}") from None
