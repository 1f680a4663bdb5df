"""Options of the command line that several commands share, as typer has them."""

from __future__ import annotations

import argparse
from typing import Annotated

import typer

from bench.load.checks import TIME


def check_time(text: str) -> str:
    """`text`, if Locust can read it as a time.

    Raises:
        BadParameter: it cannot.
    """
    try:
        TIME(text)
    except argparse.ArgumentTypeError as error:
        raise typer.BadParameter(str(error)) from None
    return text


Users = Annotated[int, typer.Option("--users", "-u", min=1, help="Concurrent callers.")]
SpawnRate = Annotated[
    float, typer.Option("--spawn-rate", "-r", min=0.01, help="Callers started per second.")
]
RunTime = Annotated[
    str,
    typer.Option("--run-time", "-t", callback=check_time, help="How long, for example 30s or 5m."),
]
