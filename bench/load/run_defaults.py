"""Turns the configuration file into defaults of a run's options, as Locust's parser takes them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.load.checks import CHECKS
from bench.load.config_file import read_config
from bench.problem import Problem

_LOCUSTS_OWN = {
    "users": "num_users",
    "spawn_rate": "spawn_rate",
    "run_time": "run_time",
    "host": "host",
}
"""Options of a run that Locust has itself: as rtbench.toml and as Locust's parser name them."""


def run_defaults(folder: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """What the file says of a run's options, by the names of Locust's parser.

    Left out are those that a variable RTBENCH_… sets. Values of options that have a check are
    texts, for argparse to read as it reads a flag's.

    Raises:
        Problem: as `bench.load.config_file.read_config`.
    """
    file = read_config(folder, environment)
    given = (
        {} if file is None else {path[0]: v for path, v in file.options.items() if not path[1:]}
    )
    return {
        _LOCUSTS_OWN.get(name, name): str(value) if name in CHECKS else value
        for name, value in given.items()
        if not environment.get(f"RTBENCH_{name.upper()}")
    }


def read_run_defaults(parser: Any) -> dict[str, Any]:
    """`run_defaults` of this process; a mistake in the file ends it with code 2.

    Size and target of a run are Locust's options: their defaults are set in `parser` at once.
    """
    try:
        given = run_defaults(Path.cwd(), os.environ)
    except Problem as problem:
        parser.exit(2, f"rtbench: {problem}\n")
        raise
    there = {action.dest for action in parser._actions}
    own = {name: given[name] for name in _LOCUSTS_OWN.values() if name in given and name in there}
    parser.set_defaults(**own)
    return given
