"""Turns the name of a built-in profile, or the path of a TOML file, into a Profile."""

from __future__ import annotations

from pathlib import Path

from bench.problem import Problem, suggest
from bench.server.profiles.profile import Profile
from bench.server.profiles.reading import show
from bench.server.profiles.table import parse_profile
from bench.toml_file import load_toml

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
    return load_toml(
        path, parse_profile, depth="a profile needs three levels", names=profile_names()
    )
