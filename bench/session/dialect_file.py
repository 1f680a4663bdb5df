"""Turns the name of a dialect, or the path of a TOML file, into a Dialect."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path

import bench.dialects
from bench.dialects import DIALECTS
from bench.dialects.base import Dialect
from bench.dialects.described import described_dialect
from bench.problem import Problem

READY = Path(bench.dialects.__file__).with_name("ready")


def dialect_names() -> list[str]:
    """Names of the dialects that come with rtbench: OpenAI's first, then ready files."""
    return [*DIALECTS, *sorted(path.stem for path in READY.glob("*.toml"))]


def find_dialect(name_or_path: str) -> Dialect:
    """The dialect of that name; with a slash or .toml in it, the file at that path.

    Raises:
        Problem: there is none, it cannot be read or is no TOML, or a key or value in it will
            not do; it names the file, the key, the value and the mend.
    """
    if name_or_path in DIALECTS:
        return DIALECTS[name_or_path]
    if "/" in name_or_path or name_or_path.endswith(".toml"):
        return _load(Path(name_or_path))
    names = dialect_names()
    if name_or_path not in names:
        close = difflib.get_close_matches(name_or_path[:60], names, n=1)
        mend = f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"
        raise Problem(
            f"--dialect {name_or_path[:60]!r}: unknown; {mend} (a file of your own is given by "
            "a path that ends in .toml)"
        )
    return _load(READY / f"{name_or_path}.toml")


def _load(path: Path) -> Dialect:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Problem(
            f"{path}: cannot be read ({error.strerror or error}); "
            f"give a TOML file or one of {', '.join(dialect_names())}"
        ) from None
    except RecursionError:
        raise Problem(f"{path}: is nested too deeply; a dialect needs four levels") from None
    except ValueError as error:
        # Besides what is no TOML: a path that cannot be one, bytes that are no text.
        raise Problem(f"{str(path)!r}: is no TOML ({error}); mend it there") from None
    try:
        return described_dialect(path.stem, table)
    except Problem as problem:
        raise Problem(f"{path}: {problem}") from None
