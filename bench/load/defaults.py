"""Turns what a scenario prefers into defaults of Locust's and rtbench's options."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from locust import events

import bench.load.lifecycle  # noqa: F401 - adds rtbench's options before a scenario's defaults
from bench.load.run_defaults import run_defaults


def prefer(**options: Any) -> None:
    """Give options other defaults, by their names with underscores: `prefer(codec="pcmu")`.

    For the top of a locustfile. Flags, environment variables, rtbench.toml and Locust's web page
    still have their say, unlike what a class `asks` for; and the run records what came of it. Of
    several locustfiles in one run, the last one's preference counts.
    """

    @events.init_command_line_parser.add_listener
    def set_defaults(parser: Any, **_: Any) -> None:
        known = {action.dest for action in parser._actions}
        for name in options:
            if name not in known:
                parser.error(f"prefer({name}=…): there is no option --{name.replace('_', '-')}")
        given = run_defaults(Path.cwd(), os.environ)
        parser.set_defaults(**{name: options[name] for name in options if name not in given})
