"""Turns the name of a dialect, or the path of a TOML file, into a Dialect."""

from __future__ import annotations

from pathlib import Path

import bench.dialects
from bench.dialects import DIALECTS
from bench.dialects.base import Dialect
from bench.dialects.described import described_dialect
from bench.problem import Problem, suggest
from bench.toml_file import load_toml

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
        raise Problem(
            f"--dialect {name_or_path[:60]!r}: unknown; {suggest(name_or_path, names)} "
            "(a file of your own is given by a path that ends in .toml)"
        )
    return _load(READY / f"{name_or_path}.toml")


def _load(path: Path) -> Dialect:
    return load_toml(
        path,
        lambda table: described_dialect(path.stem, table),
        depth="a dialect needs four levels",
        names=dialect_names(),
    )
