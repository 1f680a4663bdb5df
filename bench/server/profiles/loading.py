"""Turns the name of a built-in profile, or the path of a TOML file, into a Profile."""

from __future__ import annotations

import tomllib
from pathlib import Path

from bench.problem import Problem
from bench.server.profiles.profile import Profile
from bench.server.profiles.reading import show, suggest
from bench.server.profiles.table import parse_profile

_BUILT_IN = Path(__file__).with_name("builtin")


def profile_names() -> list[str]:
    """Names of the built-in profiles, in order."""
    return sorted(path.stem for path in _BUILT_IN.glob("*.toml"))


def load_profile(name_or_path: str) -> Profile:
    """The built-in profile of that name; with a slash or .toml in it, the file at that path.

    Raises:
        Problem: there is none, it cannot be read or is no TOML, or a key or value in it will
            not do; it names the file, the key, the value and the mend.
    """
    if "/" in name_or_path or name_or_path.endswith(".toml"):
        return _load(Path(name_or_path))
    names = profile_names()
    if name_or_path not in names:
        raise Problem(
            f"profile {show(name_or_path)} is not built in; {suggest(name_or_path, names)} "
            "(a file of your own is given by a path that ends in .toml)"
        )
    return _load(_BUILT_IN / f"{name_or_path}.toml")


def _load(path: Path) -> Profile:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Problem(
            f"{path}: cannot be read ({error.strerror or error}); "
            f"give a TOML file or one of {', '.join(profile_names())}"
        ) from None
    except RecursionError:
        raise Problem(f"{path}: is nested too deeply; a profile needs three levels") from None
    except ValueError as error:
        # Besides what is no TOML: a path that cannot be one, a number too long to be read.
        raise Problem(f"{str(path)!r}: is no TOML ({error}); mend it there") from None
    try:
        return parse_profile(table)
    except Problem as problem:
        raise Problem(f"{path}: {problem}") from None
